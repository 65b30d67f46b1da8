//! `cargo xtask doctor`: can this machine's KVM run every chapter, and if not, why not?

pub mod capabilities;
pub mod guests;
mod machine;
mod page_tables;
mod report;
pub mod tiny_guest;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use kvm_ioctls::Kvm;

use crate::status;
use crate::verdict::{self, Verdict};
use machine::{Access, Machine};
use report::{Check, Report};

/// The API has been stable at this number since Linux 2.6.22. KVM API 4.1.
const API_VERSION: i32 = 12;

const DEVICE: &str = "/dev/kvm";

/// What the doctor's exit status means, for `--help`.
pub const EXIT_STATUS: &str = "\
Exit status:
   0  complete: every chapter runs here
   1  incomplete: KVM answers, but something the chapters need does not work
  69  none: /dev/kvm cannot be used

The answer is kept for this boot. Run the doctor again after a change to KVM's modules.";

/// Runs the command.
pub fn run(json: bool) -> Result<ExitCode> {
    let report = examine();
    verdict::remember(&report.verdict);
    let text = if json { report.to_json()? } else { report.to_string() };
    print_all(&text)?;
    Ok(ExitCode::from(match report.verdict {
        Verdict::Complete => 0,
        Verdict::Incomplete(_) => status::FAILED,
        Verdict::None(_) => status::NO_USABLE_KVM,
    }))
}

/// Opens `/dev/kvm`.
///
/// # Errors
///
/// The reason, in the words of the verdict.
pub fn open_kvm() -> Result<Kvm, String> {
    let kvm = Kvm::new().map_err(|error| format!("{DEVICE}: {}", in_words(error)))?;
    match kvm.get_api_version() {
        API_VERSION => Ok(kvm),
        other => Err(format!("{DEVICE}: API version {other} instead of {API_VERSION}")),
    }
}

/// Makes every check. Prints nothing.
pub fn examine() -> Report {
    let machine = Machine::probe();
    let mut checks = vec![Check::good("CPU", machine.cpu())];
    let kvm = match Kvm::new() {
        Ok(kvm) => kvm,
        Err(error) => {
            checks.extend(device_checks(error, &machine));
            let verdict = Verdict::None(format!("{DEVICE}: {}", in_words(error)));
            return Report { checks, verdict };
        }
    };
    checks.push(Check::good(DEVICE, "exists"));
    checks.push(Check::good("access", "opened for reading and writing"));

    let version = kvm.get_api_version();
    if version != API_VERSION {
        checks.push(Check::bad(
            "KVM API version",
            format!("{version} instead of {API_VERSION}"),
            vec!["a Linux kernel since 2.6.22 has version 12: use one".to_owned()],
        ));
        let verdict =
            Verdict::None(format!("{DEVICE}: API version {version} instead of {API_VERSION}"));
        return Report { checks, verdict };
    }
    checks.push(Check::good("KVM API version", version.to_string()));

    let mut reasons = Vec::new();
    for capability in &capabilities::ALL {
        let (enough, detail) = capability.judge(capability.ask(&kvm));
        checks.push(if enough {
            Check::good(capability.name, detail)
        } else {
            reasons.push(capability.name.to_owned());
            Check::bad(capability.name, detail, remedy_for_capability())
        });
    }
    for guest in &guests::ALL {
        checks.push(match guest.run() {
            Ok(()) => Check::good(guest.name, guest.proves),
            Err(error) => {
                reasons.push(format!("{} ({error:#})", guest.name));
                Check::bad(guest.name, format!("{error:#}"), remedy_for_guest(&error))
            }
        });
    }
    let verdict = if reasons.is_empty() { Verdict::Complete } else { Verdict::Incomplete(reasons) };
    Report { checks, verdict }
}

/// The device is there or not, and may be opened or not.
fn device_checks(error: kvm_ioctls::Error, machine: &Machine) -> Vec<Check> {
    let exists = Path::new(DEVICE).exists();
    let access = Access::probe(Path::new(DEVICE));
    match (error.errno(), access) {
        (libc::EACCES, Some(access)) => vec![
            Check::good(DEVICE, "exists"),
            Check::bad("access", in_words(error), access.remedy()),
        ],
        // A container's device rules say "not permitted" whatever the file's permissions are.
        (libc::EPERM, _) => vec![
            Check::good(DEVICE, "exists"),
            Check::bad(
                "access",
                in_words(error),
                vec!["the container's rules forbid it: docker run --device /dev/kvm …".to_owned()],
            ),
        ],
        // A node without a driver behind it (ENODEV, ENXIO) is as good as no node.
        _ => {
            let detail = if exists {
                format!("exists, but nothing answers: {}", in_words(error))
            } else {
                in_words(error)
            };
            vec![Check::bad(DEVICE, detail, machine.remedy_for_missing_device())]
        }
    }
}

fn remedy_for_capability() -> Vec<String> {
    vec!["this kernel is too old or was built without it: use a newer one, or the nest".to_owned()]
}

fn remedy_for_guest(error: &anyhow::Error) -> Vec<String> {
    let busy =
        error.downcast_ref::<kvm_ioctls::Error>().is_some_and(|error| error.errno() == libc::EBUSY);
    vec![
        if busy {
            "another hypervisor has the CPU: stop the machines of VirtualBox or VMware"
        } else {
            "this KVM cannot do it, and no setting of yours changes that: use the nest"
        }
        .to_owned(),
    ]
}

/// "permission denied", not "Permission denied (os error 13)".
fn in_words(error: kvm_ioctls::Error) -> String {
    match error.errno() {
        libc::EACCES => "permission denied".to_owned(),
        libc::EPERM => "operation not permitted".to_owned(),
        libc::ENOENT => "no such file".to_owned(),
        libc::ENODEV => "no such device".to_owned(),
        libc::ENXIO => "no such device or address".to_owned(),
        _ => error.to_string(),
    }
}

fn print_all(text: &str) -> Result<()> {
    use std::io::{ErrorKind, Write, stdout};
    match stdout().write_all(text.as_bytes()) {
        // Whoever reads us has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("stdout"),
    }
}
