//! KVM's own counters of a process's VMs, from debugfs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Error, ErrorKind};
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// A directory for each VM, named after the thread that made it and the VM's descriptor: `217-12`.
const DIRECTORY: &str = "/sys/kernel/debug/kvm";

/// What KVM counted, by its own names. `arch/x86/kvm/x86.c`, `kvm_vm_stats_desc` and
/// `kvm_vcpu_stats_desc`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, u64>);

/// What an exit was for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Io,
    PageFault,
    HostInterrupt,
    InterruptWindow,
    Halt,
    Mmio,
    /// CPUID, MSRs, control registers, the local APIC's page: KVM has no counters for them.
    Other,
}

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::Io,
        Self::PageFault,
        Self::HostInterrupt,
        Self::InterruptWindow,
        Self::Halt,
        Self::Mmio,
        Self::Other,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Io => "I/O",
            Self::PageFault => "page faults",
            Self::HostInterrupt => "host's IRQs",
            Self::InterruptWindow => "IRQ window",
            Self::Halt => "halt",
            Self::Mmio => "MMIO",
            Self::Other => "other",
        }
    }

    /// KVM's counter, if there is one.
    fn counter(self) -> Option<&'static str> {
        match self {
            Self::Io => Some("io_exits"),
            Self::PageFault => Some("pf_taken"),
            Self::HostInterrupt => Some("irq_exits"),
            Self::InterruptWindow => Some("irq_window_exits"),
            Self::Halt => Some("halt_exits"),
            Self::Mmio => Some("mmio_exits"),
            Self::Other => None,
        }
    }
}

impl Counters {
    /// Fails, with what to do, if there is nothing to read here.
    pub fn check() -> Result<()> {
        names(Path::new(DIRECTORY)).map(drop).map_err(explain)
    }

    /// The sum over the process's VMs.
    pub fn of_process(pid: u32) -> Result<Self> {
        let threads = names(Path::new(&format!("/proc/{pid}/task")))?;
        let mut counters = Self::default();
        for vm in names(Path::new(DIRECTORY))? {
            if vm.split_once('-').is_some_and(|(thread, _)| threads.iter().any(|it| it == thread)) {
                counters.add_directory(&Path::new(DIRECTORY).join(vm))?;
            }
        }
        ensure!(counters.exits() > 0, "{DIRECTORY}: it counts no exits of process {pid}");
        Ok(counters)
    }

    /// Adds a directory's counters. What is no number, is none.
    fn add_directory(&mut self, directory: &Path) -> Result<()> {
        for name in names(directory)? {
            // What is a directory, is a vCPU, and of that there are no counters that are not here.
            let Ok(text) = fs::read_to_string(directory.join(&name)) else { continue };
            if let Ok(value) = text.trim().parse::<u64>() {
                *self.0.entry(name).or_default() += value;
            }
        }
        Ok(())
    }

    fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    pub fn exits(&self) -> u64 {
        self.get("exits")
    }

    pub fn of_kind(&self, kind: Kind) -> u64 {
        match kind.counter() {
            Some(name) => self.get(name),
            None => {
                let known = Kind::ALL.into_iter().filter_map(Kind::counter);
                self.exits().saturating_sub(known.map(|name| self.get(name)).sum())
            }
        }
    }
}

impl<S: Into<String>> FromIterator<(S, u64)> for Counters {
    fn from_iter<I: IntoIterator<Item = (S, u64)>>(counters: I) -> Self {
        Self(counters.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let name = |entry: Result<fs::DirEntry, Error>| {
        entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect::<Result<_, _>>().with_context(|| directory.display().to_string())
}

fn explain(error: anyhow::Error) -> anyhow::Error {
    let kind = error.downcast_ref::<Error>().map(Error::kind);
    let what_to_do = match kind {
        Some(ErrorKind::PermissionDenied) => "KVM's counters are for root: try again with sudo",
        Some(ErrorKind::NotFound) => {
            "KVM's counters are not there: mount -t debugfs debugfs /sys/kernel/debug"
        }
        _ => return error,
    };
    anyhow::anyhow!("{error:#}\n  {what_to_do}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_counter_is_other() {
        let counters: Counters =
            [("exits", 100), ("io_exits", 60), ("pf_taken", 30), ("fpu_reload", 99)]
                .into_iter()
                .collect();
        assert_eq!(counters.exits(), 100);
        assert_eq!(counters.of_kind(Kind::Io), 60);
        assert_eq!(counters.of_kind(Kind::Halt), 0);
        assert_eq!(counters.of_kind(Kind::Other), 10);
    }

    #[test]
    fn counters_of_several_vms_are_added() {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [("exits", "12\n"), ("mmio_exits", "3\n"), ("histogram", "1 2 3\n")] {
            fs::write(directory.path().join(name), text).unwrap();
        }
        fs::create_dir(directory.path().join("vcpu0")).unwrap();
        let mut counters = Counters::default();
        counters.add_directory(directory.path()).unwrap();
        counters.add_directory(directory.path()).unwrap();
        assert_eq!(counters, [("exits", 24), ("mmio_exits", 6)].into_iter().collect());
    }
}
