//! Gets what the nest needs, on first use: QEMU from the system's package manager, a kernel, the
//! agent, the initramfs.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{agent, initramfs};
use crate::kernel::{Flavour, Kernel};
use crate::places::Places;
use crate::programs;

const QEMU: &str = "qemu-system-x86_64";

/// All that a nest is started from.
pub struct Pieces {
    pub qemu: PathBuf,
    pub kernel: PathBuf,
    pub initramfs: PathBuf,
}

/// The pieces; those that are missing or old are fetched or built.
pub fn pieces(places: &Places) -> Result<Pieces> {
    if let Some(pieces) = ready(places) {
        return Ok(pieces);
    }
    let _lock = places.lock()?;
    if programs::find(QEMU).is_none() {
        install_qemu(places)?;
    }
    let kernel = Kernel::find_or_fetch(places, Flavour::Full)?;
    let agent = agent::program(places);
    if !agent.is_fresh() {
        eprintln!("nest: building the agent that runs in there…");
        agent.build()?;
    }
    if !initramfs::is_fresh(places, &kernel) {
        initramfs::pack(places, &kernel)?;
    }
    ready(places).context("the nest's pieces were prepared, and now one is gone")
}

/// The pieces, if nothing is left to do.
fn ready(places: &Places) -> Option<Pieces> {
    let kernel = Kernel::find(places, Flavour::Full)?;
    let fresh = agent::program(places).is_fresh() && initramfs::is_fresh(places, &kernel);
    let qemu = programs::find(QEMU)?;
    fresh.then(|| Pieces { qemu, kernel: kernel.image, initramfs: initramfs::path(places) })
}

/// A package manager, and how it installs QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Apt,
    Dnf,
    Pacman,
}

impl Manager {
    const ALL: [Self; 3] = [Self::Apt, Self::Dnf, Self::Pacman];

    fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            Self::Dnf => "dnf",
            Self::Pacman => "pacman",
        }
    }

    fn install(self) -> &'static [&'static str] {
        match self {
            Self::Apt => {
                &["apt-get", "install", "--yes", "--no-install-recommends", "qemu-system-x86"]
            }
            Self::Dnf => &["dnf", "install", "-y", "qemu-system-x86-core"],
            Self::Pacman => &["pacman", "-S", "--noconfirm", "--needed", "qemu-system-x86"],
        }
    }

    /// Gets the lists of packages anew, where that is a command of its own.
    fn update(self) -> Option<&'static [&'static str]> {
        matches!(self, Self::Apt).then_some(&["apt-get", "update"])
    }
}

/// What decides how something gets installed here.
#[derive(Debug, Clone, Copy)]
struct Host {
    manager: Option<Manager>,
    root: bool,
    sudo: bool,
    terminal: bool,
}

/// How something gets installed here.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// Just do it.
    Run(Manager),
    /// Ask, then do it by sudo.
    Ask(Manager),
    /// Say this.
    Tell(String),
}

fn way(host: Host) -> Way {
    let Some(manager) = host.manager else {
        return Way::Tell(format!(
            "no package manager that we know is here (apt-get, dnf, pacman)\n  \
             install QEMU for x86-64 with KVM's SVM emulation by hand: {QEMU} in PATH"
        ));
    };
    let command = manager.install().join(" ");
    match host {
        Host { root: true, .. } => Way::Run(manager),
        Host { sudo: true, terminal: true, .. } => Way::Ask(manager),
        Host { sudo: true, .. } => Way::Tell(format!("type this, then try again: sudo {command}")),
        _ => Way::Tell(format!(
            "this user is not root, and there is no sudo\n  as root, type: {command}"
        )),
    }
}

fn install_qemu(places: &Places) -> Result<()> {
    let host = Host {
        manager: Manager::ALL.into_iter().find(|it| programs::find(it.program()).is_some()),
        root: nix::unistd::geteuid().is_root(),
        sudo: programs::find("sudo").is_some(),
        terminal: io::stdin().is_terminal() && io::stderr().is_terminal(),
    };
    let (manager, prefix) = match way(host) {
        Way::Run(manager) => (manager, None),
        Way::Ask(manager) => {
            let command = manager.install().join(" ");
            if !is_agreed(&command)? {
                bail!("the nest needs QEMU\n  type this, then try again: sudo {command}");
            }
            (manager, Some("sudo"))
        }
        Way::Tell(what_to_do) => {
            bail!("the nest needs QEMU ({QEMU}), which is not installed\n  {what_to_do}")
        }
    };
    eprintln!("nest: installing QEMU with {} (once)…", manager.program());
    let log = places.join("install.log");
    let _ = fs::remove_file(&log);
    let run = |words: &[&str]| {
        let words: Vec<&str> = prefix.into_iter().chain(words.iter().copied()).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C");
        programs::run_logged(&mut command, &log)
    };
    let installed = run(manager.install()).or_else(|error| match manager.update() {
        // Lists that are missing or old: get them, and try once more.
        Some(update) if lists_are_bad(&fs::read_to_string(&log).unwrap_or_default()) => {
            run(update).and_then(|()| run(manager.install()))
        }
        _ => Err(error),
    });
    installed.context("cannot install QEMU")?;
    if programs::find(QEMU).is_none() {
        bail!("{} installed QEMU, but there is no {QEMU} in PATH", manager.program());
    }
    Ok(())
}

/// Whether apt failed because it does not know what there is.
fn lists_are_bad(said: &str) -> bool {
    ["Unable to locate package", "has no installation candidate", "404  Not Found"]
        .iter()
        .any(|words| said.contains(words))
}

fn is_agreed(command: &str) -> Result<bool> {
    eprint!("nest: QEMU is needed. Run `sudo {command}` now? [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Host =
        Host { manager: Some(Manager::Apt), root: true, sudo: false, terminal: false };
    const USER: Host = Host { root: false, sudo: true, terminal: true, ..ROOT };

    #[test]
    fn root_installs_without_asking() {
        assert_eq!(way(ROOT), Way::Run(Manager::Apt));
        assert_eq!(way(Host { manager: Some(Manager::Pacman), ..ROOT }), Way::Run(Manager::Pacman));
    }

    #[test]
    fn a_user_on_a_terminal_is_asked() {
        assert_eq!(way(USER), Way::Ask(Manager::Apt));
    }

    #[test]
    fn a_user_without_a_terminal_is_told_the_command() {
        let Way::Tell(said) = way(Host { terminal: false, ..USER }) else { panic!("no advice") };
        assert!(
            said.ends_with(": sudo apt-get install --yes --no-install-recommends qemu-system-x86")
        );
    }

    #[test]
    fn without_sudo_root_is_told_the_command() {
        let Way::Tell(said) = way(Host { sudo: false, manager: Some(Manager::Dnf), ..USER }) else {
            panic!("no advice")
        };
        assert!(said.contains("not root"), "{said}");
        assert!(said.ends_with(": dnf install -y qemu-system-x86-core"), "{said}");
    }

    #[test]
    fn an_unknown_system_is_said_to_be_one() {
        let Way::Tell(said) = way(Host { manager: None, ..ROOT }) else { panic!("no advice") };
        assert!(said.starts_with("no package manager that we know"), "{said}");
    }

    #[test]
    fn old_lists_are_told_from_other_failures() {
        assert!(lists_are_bad("E: Unable to locate package qemu-system-x86\n"));
        assert!(!lists_are_bad("E: Could not get lock /var/lib/dpkg/lock-frontend"));
    }
}
