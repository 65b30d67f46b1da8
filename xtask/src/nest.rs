//! The nest: an emulated machine with a complete KVM, in which the file system, the terminal and
//! the user are this machine's.
//!
//! [`setup`] gets QEMU, [`crate::kernel`] a kernel for it, [`agent`] and [`initramfs`] what runs in there
//! first. A [`keeper`] starts the [`machine`] and stays with it; a command finds its way there
//! ([`visit`], to the keeper's [`home`]), and runs in a [`session`] with this process's [`terminal`] and
//! streams.

mod agent;
mod caller;
mod commands;
mod home;
mod initramfs;
mod keeper;
mod kept;
mod link;
mod machine;
mod session;
mod setup;
mod silence;
mod terminal;
mod visit;
mod words;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use thiserror::Error;

pub use caller::Wishes;
pub use commands::{AFTER_HELP, What, run as run_command};

use crate::places::Places;
use crate::status;

/// Says for how many seconds a nest stays after its last command; 0: each command gets its own.
pub const IDLE_VARIABLE: &str = "MINI_KVM_NEST_IDLE";

/// Minutes in which a nest stays if nobody says anything else.
const IDLE_MINUTES: u32 = 10;

/// How long a keeper may be silent, in seconds, though it was asked.
const KEEPER_HANGS_AFTER: u32 = 30;

/// The emulated machine failed, not what was to run in it. With all that it said.
#[derive(Debug, Error)]
#[error("{text}")]
struct MachineFailed {
    text: String,
    when: When,
}

/// When a machine failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Before it was up: another would fail as well.
    Starting,
    /// Before the command began, which can be run in another.
    Up,
    /// While the command ran.
    Running,
}

impl MachineFailed {
    /// It never was up.
    fn at_start(text: String) -> Self {
        Self { text, when: When::Starting }
    }
}

/// Runs a program in the nest, with this process's streams, and ends as it does.
pub fn run(
    program: &OsStr,
    arguments: &[OsString],
    wishes: Wishes<'_>,
    why: &str,
) -> Result<ExitCode> {
    let idle = match idle_seconds(std::env::var_os(IDLE_VARIABLE)) {
        Ok(idle) => idle,
        Err(wrong) => {
            eprintln!("{wrong}");
            return Ok(ExitCode::from(status::USAGE));
        }
    };
    // What tests do to a machine is nobody else's business, and it goes when they do.
    let stays = idle > 0 && !is_test(program);
    let places = Places::find()?;
    if places.is_first_use() {
        eprintln!(
            "nest: {why}; running in an emulated machine instead (MINI_KVM=native: here all the same)"
        );
        if stays {
            eprintln!(
                "nest: it stays until nobody used it for {} (at once: cargo xtask nest down)",
                commands::duration(idle.into())
            );
        }
    }
    let pieces = setup::pieces(&places)?;
    let run_once = || {
        let visit = if stays { visit::warm(&places, &pieces, idle)? } else { visit::own(&pieces)? };
        places.mark_used();
        session::run(visit, caller::command(program, arguments, wishes, stays)?)
    };
    match run_once() {
        Err(error) => match error.downcast_ref::<MachineFailed>() {
            // Tests begin anew each time, and the failure of a machine says nothing of what they test.
            Some(failure) if is_test(program) => {
                eprintln!(
                    "error: {failure}\nnest: all of {} once more, in another",
                    program.display()
                );
                run_once()
            }
            Some(failure) if failure.when == When::Up => {
                eprintln!("nest: {failure}\nnest: starting another");
                run_once()
            }
            Some(failure) if stays && failure.when == When::Running => {
                Err(anyhow!("{failure}\n  the next command starts another nest"))
            }
            _ => Err(error),
        },
        ended => ended,
    }
}

fn idle_seconds(value: Option<OsString>) -> Result<u32, String> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(IDLE_MINUTES * 60);
    };
    value.to_str().and_then(|value| value.parse().ok()).ok_or_else(|| {
        format!(
            "error: {IDLE_VARIABLE}={}: not a number of seconds\n  \
             so long the nest stays after its last command; 0: each command gets its own",
            value.display()
        )
    })
}

/// Whether this is one of the tests that `xtask/runner` hands over.
fn is_test(program: &OsStr) -> bool {
    let path = Path::new(program);
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b"kvm_") && path.parent().is_some_and(|folder| folder.ends_with("deps"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_nest_stays() {
        assert_eq!(idle_seconds(None), Ok(600));
        assert_eq!(idle_seconds(Some("".into())), Ok(600));
        assert_eq!(idle_seconds(Some("0".into())), Ok(0));
        let wrong = idle_seconds(Some("5m".into())).unwrap_err();
        assert!(wrong.starts_with("error: MINI_KVM_NEST_IDLE=5m: not a number"), "{wrong}");
    }
}
