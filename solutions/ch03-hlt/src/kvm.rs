//! `/dev/kvm`: opening it, and what we ask of it.

use anyhow::{Result, anyhow, ensure};
use kvm_ioctls::{Cap, Kvm};

/// What every Linux since 2.6.22 answers. KVM API document, 4.1: refuse to run on anything else.
const KVM_API_VERSION: i32 = 12;

/// Something that not every KVM can do. KVM API document, 4.4.
pub struct Capability {
    cap: Cap,
    pub name: &'static str,
    /// `KVM_CHECK_EXTENSION` must answer this at least: 1 for a plain yes, or a number of things.
    at_least: i32,
    /// The first chapter that cannot do without.
    pub chapter: u8,
    pub purpose: &'static str,
}

impl Capability {
    const fn new(
        cap: Cap,
        name: &'static str,
        at_least: i32,
        chapter: u8,
        purpose: &'static str,
    ) -> Self {
        Self { cap, name, at_least, chapter, purpose }
    }

    pub fn is_offered_by(&self, kvm: &Kvm) -> bool {
        kvm.check_extension_int(self.cap) >= self.at_least
    }
}

#[rustfmt::skip] // a table
pub const CAPABILITIES: [Capability; 9] = [
    Capability::new(Cap::UserMemory, "KVM_CAP_USER_MEMORY", 1, 2, "our memory as the guest's"),
    Capability::new(Cap::ImmediateExit, "KVM_CAP_IMMEDIATE_EXIT", 1, 4, "stop a guest that never exits"),
    Capability::new(Cap::MaxVcpus, "KVM_CAP_MAX_VCPUS", 4, 8, "four vCPUs in one VM"),
    Capability::new(Cap::NrMemslots, "KVM_CAP_NR_MEMSLOTS", 4, 8, "a memory slot for each of them"),
    Capability::new(Cap::SetTssAddr, "KVM_CAP_SET_TSS_ADDR", 1, 11, "room for KVM's own use"),
    Capability::new(Cap::Irqchip, "KVM_CAP_IRQCHIP", 1, 11, "interrupt controllers in the kernel"),
    Capability::new(Cap::Irqfd, "KVM_CAP_IRQFD", 1, 11, "interrupts from a device of ours"),
    Capability::new(Cap::Pit2, "KVM_CAP_PIT2", 1, 11, "a timer"),
    Capability::new(Cap::ExtCpuid, "KVM_CAP_EXT_CPUID", 1, 13, "the CPU that the guest sees"),
];

/// Opens `/dev/kvm` and checks that it speaks the API that this book is about.
pub fn open_kvm() -> Result<Kvm> {
    let kvm = Kvm::new().map_err(|error| {
        let remedy = match error.errno() {
            libc::ENOENT => "\n  load its module: sudo modprobe kvm_intel, or kvm_amd",
            libc::EACCES => "\n  join its group: sudo usermod -aG kvm $USER, then log in again",
            _ => "",
        };
        anyhow!("/dev/kvm: {error}{remedy}\n{HELP}")
    })?;
    let version = kvm.get_api_version();
    ensure!(
        version == KVM_API_VERSION,
        "/dev/kvm: its API version is {version}, not {KVM_API_VERSION}\n{HELP}"
    );
    Ok(kvm)
}

/// Fails, naming them, if `kvm` lacks capabilities that `chapter` cannot do without.
pub fn require_capabilities(kvm: &Kvm, chapter: u8) -> Result<()> {
    let missing: Vec<String> = CAPABILITIES
        .iter()
        .filter(|capability| capability.chapter <= chapter && !capability.is_offered_by(kvm))
        .map(|capability| format!("{} ({})", capability.name, capability.purpose))
        .collect();
    ensure!(missing.is_empty(), "/dev/kvm lacks {}\n{HELP}", missing.join(", "));
    Ok(())
}

const HELP: &str = "  what this machine's KVM can do, and what to do about it: cargo xtask doctor
  without a KVM of its own, run it in the nest: MINI_KVM=nest cargo run ...";
