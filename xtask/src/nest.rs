//! The nest: an emulated machine with a complete KVM, in which the file system, the terminal and
//! the user are this machine's.
//!
//! [`setup`] gets QEMU, [`kernel`] a kernel for it, [`agent`] and [`initramfs`] what runs in there
//! first; [`machine`] starts it all and [`session`] runs one command in it, with this process's
//! [`terminal`] and streams.

mod agent;
mod caller;
mod elf;
mod initramfs;
mod kernel;
mod machine;
mod places;
mod programs;
mod session;
mod setup;
mod terminal;
mod vmlinux;

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use anyhow::Result;

use machine::Machine;
use places::Places;

/// Runs a program in the nest, with this process's streams, and ends as it does.
pub fn run(program: &OsStr, arguments: &[OsString], why: &str) -> Result<ExitCode> {
    let places = Places::find()?;
    if places.is_first_use() {
        eprintln!(
            "nest: {why}; running in an emulated machine instead (MINI_KVM=native: here all the same)"
        );
    }
    let pieces = setup::pieces(&places)?;
    let machine = Machine::start(&pieces, &places)?;
    places.mark_used();
    session::run(machine, program, arguments)
}
