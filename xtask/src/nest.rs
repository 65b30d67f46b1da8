//! The nest: an emulated machine with a complete KVM, in which the file system, the terminal and
//! the user are this machine's.
//!
//! [`setup`] gets QEMU, [`crate::kernel`] a kernel for it, [`agent`] and [`initramfs`] what runs in there
//! first; [`machine`] starts it all and [`session`] runs one command in it, with this process's
//! [`terminal`] and streams.

mod agent;
mod caller;
mod initramfs;
mod machine;
mod session;
mod setup;
mod terminal;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use machine::{Machine, MachineFailed};

use crate::places::Places;

/// Runs a program in the nest, with this process's streams, and ends as it does.
pub fn run(program: &OsStr, arguments: &[OsString], why: &str) -> Result<ExitCode> {
    let places = Places::find()?;
    if places.is_first_use() {
        eprintln!(
            "nest: {why}; running in an emulated machine instead (MINI_KVM=native: here all the same)"
        );
    }
    let pieces = setup::pieces(&places)?;
    let run_once = || {
        let machine = Machine::start(&pieces, &places)?;
        places.mark_used();
        session::run(machine, program, arguments)
    };
    match run_once() {
        // Tests begin anew each time, and what they say of a machine that failed says nothing of us.
        Err(error) if error.is::<MachineFailed>() && is_test(program) => {
            eprintln!("error: {error:#}\nnest: all of {} once more, in another", program.display());
            run_once()
        }
        result => result,
    }
}

/// Whether this is one of the tests that `xtask/runner` hands over.
fn is_test(program: &OsStr) -> bool {
    let path = Path::new(program);
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b"kvm_") && path.parent().is_some_and(|folder| folder.ends_with("deps"))
}
