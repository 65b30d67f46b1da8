//! Where a program that needs KVM runs: here, or in the nest.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Error, Result};

use crate::verdict::{self, Verdict};
use crate::{nest, status};

/// Runs a program where KVM is complete, and ends as it does.
pub fn run(program: &OsStr, arguments: &[OsString]) -> Result<ExitCode> {
    let choice = std::env::var_os("MINI_KVM").unwrap_or_default();
    match choice.as_encoded_bytes() {
        b"native" => Err(run_here(program, arguments)),
        b"nest" => nest::run(program, arguments, "MINI_KVM=nest"),
        b"" => match verdict::of_this_machine()? {
            Verdict::Complete => Err(run_here(program, arguments)),
            Verdict::Incomplete(reasons) => {
                let why = format!("this machine's KVM is incomplete ({})", reasons.join(", "));
                nest::run(program, arguments, &why)
            }
            Verdict::None(reason) => {
                // The doctor has more to say; here one line is enough.
                let reason = reason.lines().next().unwrap_or_default();
                nest::run(program, arguments, &format!("this machine has no KVM ({reason})"))
            }
        },
        _ => {
            eprintln!(
                "error: MINI_KVM={}: there is no such choice\n  \
                 native: run here; nest: run in the emulated machine; unset: whichever works",
                choice.display()
            );
            Ok(ExitCode::from(status::USAGE))
        }
    }
}

/// Becomes the program. Returns only if that fails.
fn run_here(program: &OsStr, arguments: &[OsString]) -> Error {
    let error = Command::new(program).args(arguments).exec();
    Error::new(error).context(format!("cannot execute {}", program.display()))
}
