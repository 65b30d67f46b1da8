//! What kind of machine this is: so that a remedy fits it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User, getgroups};

/// Who made the CPU, as far as KVM cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    Intel,
    Amd,
    Other,
}

impl Vendor {
    /// The half of KVM that drives this vendor's CPUs.
    pub fn module(self) -> Option<&'static str> {
        match self {
            Vendor::Intel => Some("kvm_intel"),
            Vendor::Amd => Some("kvm_amd"),
            Vendor::Other => None,
        }
    }
}

/// Where we are, as far as it changes what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Metal,
    VirtualMachine,
    Container,
    Wsl,
}

/// What there is to know about the machine without KVM's help.
#[derive(Clone, Debug)]
pub struct Machine {
    pub vendor: Vendor,
    /// As `/proc/cpuinfo` has it: `GenuineIntel`, `AuthenticAMD`, …
    pub vendor_id: String,
    /// The CPU offers VMX or SVM.
    pub virtualization_flag: bool,
    /// The CPU says that it is itself a virtual one.
    pub hypervisor_flag: bool,
    pub place: Place,
    /// `kvm_intel` or `kvm_amd` is loaded (or built in).
    pub module_loaded: bool,
}

/// Who may open the device, and who we are.
#[derive(Clone, Debug)]
pub struct Access {
    pub user: String,
    /// The names of the groups that this process is in.
    pub groups: Vec<String>,
    pub device_group: String,
    /// The permission bits of the device.
    pub mode: u32,
    /// The user is a member of the device's group by now, whatever this process knows of it.
    pub joined: bool,
}

impl Machine {
    pub fn probe() -> Machine {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let in_container =
            ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists())
                || Path::new("/run/systemd/container").exists();
        let mut machine = Machine::from_facts(&cpuinfo, &kernel, in_container);
        machine.module_loaded = machine
            .vendor
            .module()
            .is_some_and(|module| Path::new("/sys/module").join(module).exists());
        machine
    }

    fn from_facts(cpuinfo: &str, kernel_release: &str, in_container: bool) -> Machine {
        let field = |name: &str| {
            cpuinfo
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| key.trim() == name)
                .map_or("", |(_, value)| value.trim())
        };
        let has_flag = |flag: &str| field("flags").split(' ').any(|word| word == flag);
        let vendor_id = field("vendor_id");
        let hypervisor_flag = has_flag("hypervisor");
        Machine {
            vendor: match vendor_id {
                "GenuineIntel" => Vendor::Intel,
                "AuthenticAMD" | "HygonGenuine" => Vendor::Amd,
                _ => Vendor::Other,
            },
            vendor_id: vendor_id.to_owned(),
            virtualization_flag: has_flag("vmx") || has_flag("svm"),
            hypervisor_flag,
            place: if in_container {
                Place::Container
            } else if kernel_release.to_lowercase().contains("microsoft") {
                Place::Wsl
            } else if hypervisor_flag {
                Place::VirtualMachine
            } else {
                Place::Metal
            },
            module_loaded: false,
        }
    }

    /// "AuthenticAMD, itself a virtual one, with SVM", for the report.
    pub fn cpu(&self) -> String {
        let nested = if self.hypervisor_flag {
            "a virtual CPU (KVM here is nested)"
        } else {
            "a physical CPU (KVM here is not nested)"
        };
        let flag = if self.virtualization_flag { "with VMX or SVM" } else { "without VMX or SVM" };
        format!("{}, {nested}, {flag}", self.vendor_id)
    }

    /// What to do when there is no `/dev/kvm`, or nothing behind it.
    pub fn remedy_for_missing_device(&self) -> Vec<String> {
        if let Place::Container = self.place {
            return lines(&[
                "you are in a container, which must be given the device:",
                "docker run --device /dev/kvm … (podman: the same)",
                "if that fails, run the doctor on the container's host",
            ]);
        }
        if !self.virtualization_flag {
            return match self.place {
                Place::Wsl => lines(&[
                    "Windows hides the CPU's virtualization from WSL: in %UserProfile%\\.wslconfig write",
                    "[wsl2]",
                    "nestedVirtualization=true",
                    "then in Windows: wsl --shutdown (needs Windows 11)",
                ]),
                Place::VirtualMachine => lines(&[
                    "this is a virtual machine whose CPU has no VMX or SVM:",
                    "turn on nested virtualization for it where it is hosted, then restart it",
                    "(QEMU: -cpu host; the module there: kvm_intel or kvm_amd with nested=1)",
                ]),
                _ => lines(&[
                    "the CPU shows no VMX or SVM: in the BIOS or UEFI setup turn on",
                    "Intel Virtualization Technology (VT-x) or, for AMD, SVM Mode",
                ]),
            };
        }
        match self.vendor.module() {
            Some(module) if !self.module_loaded => vec![
                format!("the kernel module is not loaded: sudo modprobe {module}"),
                "if that says `Operation not supported`, turn on Intel Virtualization Technology \
                 (VT-x)"
                    .to_owned(),
                "or, for AMD, SVM Mode in the BIOS or UEFI setup".to_owned(),
            ],
            Some(module) => vec![format!(
                "{module} is loaded but made no device node: sudo mknod -m 660 /dev/kvm c 10 232"
            )],
            None => lines(&["this kernel has no KVM for this CPU: the nest is the way"]),
        }
    }
}

impl Access {
    pub fn probe(device: &Path) -> Option<Access> {
        let metadata = fs::metadata(device).ok()?;
        let group_name = |gid: Gid| match Group::from_gid(gid) {
            Ok(Some(group)) => group.name,
            _ => gid.to_string(),
        };
        let user = match User::from_uid(Uid::effective()) {
            Ok(Some(user)) => user.name,
            _ => Uid::effective().to_string(),
        };
        let mut groups: Vec<String> = getgroups()
            .unwrap_or_default()
            .into_iter()
            .chain([Gid::effective()])
            .map(group_name)
            .collect();
        groups.sort();
        groups.dedup();
        let joined = matches!(
            Group::from_gid(Gid::from_raw(metadata.gid())),
            Ok(Some(group)) if group.mem.contains(&user)
        );
        Some(Access {
            user,
            groups,
            device_group: group_name(Gid::from_raw(metadata.gid())),
            mode: metadata.mode() & 0o777,
            joined,
        })
    }

    /// What to do when the device may not be opened.
    pub fn remedy(&self) -> Vec<String> {
        let group = &self.device_group;
        let mut remedy = vec![format!("you are in the groups: {}", self.groups.join(" "))];
        // Read and write for the group.
        let group_may = self.mode & 0o060 == 0o060;
        if !group_may || group == "root" {
            remedy.push(format!("the device belongs to group {group} with mode {:o}:", self.mode));
            remedy.push("sudo chgrp kvm /dev/kvm && sudo chmod 660 /dev/kvm".to_owned());
            remedy.push("sudo usermod -aG kvm $USER, then log in again".to_owned());
        } else if self.groups.contains(group) {
            remedy.push(format!(
                "the device belongs to group {group}, which you are in: something else forbids it"
            ));
            remedy.push("(in a container: docker run --device /dev/kvm …)".to_owned());
        } else if self.joined {
            remedy.push(format!(
                "the device belongs to group {group}, which {} has joined since: log in again",
                self.user
            ));
        } else {
            remedy.push(format!(
                "the device belongs to group {group}: sudo usermod -aG {group} $USER, then log in \
                 again"
            ));
        }
        remedy
    }
}

fn lines(text: &[&str]) -> Vec<String> {
    text.iter().map(|&line| line.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTEL: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu vmx sse2\n";
    const AMD_VM: &str = "vendor_id\t: AuthenticAMD\nflags\t\t: fpu svm hypervisor\n";
    const BARE_AMD_VM: &str = "vendor_id\t: AuthenticAMD\nflags\t\t: fpu hypervisor\n";
    const NO_FLAG: &str = "vendor_id\t: GenuineIntel\nflags\t\t: fpu sse2 vmx_like\n";
    const LINUX: &str = "6.1.0-18-amd64";
    const WSL: &str = "5.15.153.1-microsoft-standard-WSL2";

    fn remedy(cpuinfo: &str, kernel: &str, in_container: bool) -> String {
        Machine::from_facts(cpuinfo, kernel, in_container).remedy_for_missing_device().join("\n")
    }

    #[test]
    fn cpuinfo_is_read() {
        let machine = Machine::from_facts(AMD_VM, LINUX, false);
        assert_eq!(machine.vendor, Vendor::Amd);
        assert!(machine.virtualization_flag);
        assert_eq!(machine.place, Place::VirtualMachine);
        assert_eq!(
            machine.cpu(),
            "AuthenticAMD, a virtual CPU (KVM here is nested), with VMX or SVM"
        );
        assert!(!Machine::from_facts(NO_FLAG, LINUX, false).virtualization_flag);
        assert_eq!(
            Machine::from_facts("", "", false).vendor,
            Vendor::Other,
            "an unreadable cpuinfo"
        );
    }

    #[test]
    fn a_module_that_is_not_loaded_is_loaded() {
        assert!(remedy(INTEL, LINUX, false).contains("sudo modprobe kvm_intel"));
        assert!(remedy(AMD_VM, LINUX, false).contains("sudo modprobe kvm_amd"));
    }

    #[test]
    fn a_loaded_module_wants_its_device_node() {
        let mut machine = Machine::from_facts(INTEL, LINUX, false);
        machine.module_loaded = true;
        assert!(machine.remedy_for_missing_device()[0].contains("mknod"));
    }

    #[test]
    fn a_cpu_without_the_flag_wants_a_setting() {
        assert!(remedy(NO_FLAG, LINUX, false).contains("BIOS"));
        assert!(remedy(BARE_AMD_VM, LINUX, false).contains("nested virtualization"));
    }

    #[test]
    fn wsl_and_containers_have_settings_of_their_own() {
        assert!(remedy(NO_FLAG, WSL, false).contains("nestedVirtualization=true"));
        assert!(remedy(INTEL, LINUX, true).contains("--device /dev/kvm"));
    }

    fn access() -> Access {
        Access {
            user: "ada".to_owned(),
            groups: vec!["users".to_owned()],
            device_group: "kvm".to_owned(),
            mode: 0o660,
            joined: false,
        }
    }

    #[test]
    fn who_is_not_in_the_group_joins_it() {
        assert_eq!(
            access().remedy(),
            [
                "you are in the groups: users",
                "the device belongs to group kvm: sudo usermod -aG kvm $USER, then log in again",
            ]
        );
    }

    #[test]
    fn who_has_joined_logs_in_again() {
        let access = Access { joined: true, ..access() };
        assert_eq!(
            access.remedy()[1],
            "the device belongs to group kvm, which ada has joined since: log in again"
        );
    }

    #[test]
    fn a_device_for_root_alone_is_opened_to_the_group() {
        let access = Access { device_group: "root".to_owned(), mode: 0o600, ..access() };
        assert!(access.remedy()[2].contains("sudo chmod 660 /dev/kvm"));
    }

    #[test]
    fn a_member_who_may_not_is_told_so() {
        let access = Access { groups: vec!["kvm".to_owned(), "users".to_owned()], ..access() };
        assert!(access.remedy()[1].contains("something else forbids it"));
    }
}
