//! What the chapters ask of KVM, beyond the basic API of version 12.

use kvm_ioctls::{Cap, Kvm};

/// How much the course needs a capability.
#[derive(Clone, Copy)]
pub enum Need {
    /// Without it the chapter does not run.
    Required,
    /// The capability is a number, and must be at least this.
    AtLeast(i32),
    /// Without it the chapter runs all the same; this is the difference.
    Optional(&'static str),
}

/// A capability, and the first chapter that uses it.
pub struct Capability {
    pub name: &'static str,
    pub cap: Cap,
    pub chapter: u8,
    pub need: Need,
}

const fn capability(name: &'static str, cap: Cap, chapter: u8, need: Need) -> Capability {
    Capability { name, cap, chapter, need }
}

/// In the order of the chapters.
pub static ALL: [Capability; 12] = [
    capability("KVM_CAP_USER_MEMORY", Cap::UserMemory, 2, Need::Required),
    capability("KVM_CAP_IMMEDIATE_EXIT", Cap::ImmediateExit, 4, Need::Required),
    capability(
        "KVM_CAP_SYNC_REGS",
        Cap::SyncRegs,
        7,
        Need::Optional("a hypercall costs more system calls"),
    ),
    capability("KVM_CAP_MAX_VCPUS", Cap::MaxVcpus, 8, Need::AtLeast(4)),
    // Only what KVM recommends, as many as there are CPUs: four vCPUs run on one CPU too.
    capability("KVM_CAP_NR_VCPUS", Cap::NrVcpus, 8, Need::Optional("KVM recommends no number")),
    capability("KVM_CAP_NR_MEMSLOTS", Cap::NrMemslots, 8, Need::AtLeast(4)),
    capability("KVM_CAP_IRQCHIP", Cap::Irqchip, 11, Need::Required),
    capability("KVM_CAP_PIT2", Cap::Pit2, 11, Need::Required),
    capability("KVM_CAP_SET_TSS_ADDR", Cap::SetTssAddr, 11, Need::Required),
    capability("KVM_CAP_IRQFD", Cap::Irqfd, 11, Need::Required),
    capability("KVM_CAP_EXT_CPUID", Cap::ExtCpuid, 13, Need::Required),
    capability(
        "KVM_CAP_TSC_DEADLINE_TIMER",
        Cap::TscDeadlineTimer,
        14,
        Need::Optional("Linux takes a slower timer"),
    ),
];

impl Capability {
    /// What `KVM_CHECK_EXTENSION` says: 0 for no, else yes or a number. KVM API 4.4.
    pub fn ask(&self, kvm: &Kvm) -> i32 {
        kvm.check_extension_int(self.cap)
    }

    /// Whether that is enough, and what to say of it.
    pub fn judge(&self, answer: i32) -> (bool, String) {
        let enough = match self.need {
            Need::Required => answer > 0,
            Need::AtLeast(least) => answer >= least,
            Need::Optional(_) => true,
        };
        let detail = match self.need {
            Need::AtLeast(least) if !enough => format!("{answer}, but {least} are needed"),
            Need::Optional(without) if answer <= 0 => format!("no: {without}"),
            _ if answer <= 0 => "no".to_owned(),
            _ if answer == 1 => "yes".to_owned(),
            _ => answer.to_string(),
        };
        (enough, format!("{detail} (chapter {chapter})", chapter = self.chapter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(need: Need, answer: i32) -> (bool, String) {
        capability("KVM_CAP_SOMETHING", Cap::Irqchip, 8, need).judge(answer)
    }

    #[test]
    fn a_required_one_must_be_there() {
        assert_eq!(judge(Need::Required, 1), (true, "yes (chapter 8)".into()));
        assert_eq!(judge(Need::Required, 0), (false, "no (chapter 8)".into()));
        // KVM_CHECK_EXTENSION itself failed.
        assert_eq!(judge(Need::Required, -1), (false, "no (chapter 8)".into()));
    }

    #[test]
    fn a_number_must_suffice() {
        assert_eq!(judge(Need::AtLeast(4), 1024), (true, "1024 (chapter 8)".into()));
        assert_eq!(judge(Need::AtLeast(4), 2), (false, "2, but 4 are needed (chapter 8)".into()));
    }

    #[test]
    fn an_optional_one_never_fails() {
        assert_eq!(judge(Need::Optional("slower"), 0), (true, "no: slower (chapter 8)".into()));
    }
}
