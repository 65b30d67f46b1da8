//! How a chapter ends when it cannot go on: one message, one exit status.

use std::io::{self, Write, stderr};

use vm_memory::mmap::MmapRegionError;

use crate::guest::GuestError;

/// All went well.
pub const SUCCESS: u8 = 0;
/// The command line was wrong. `EX_USAGE` of `sysexits.h`.
const USAGE: u8 = 64;
/// The guest crashed. `EX_DATAERR` of `sysexits.h`: what we were given is not right.
pub const CRASHED: u8 = 65;
/// An input file is missing, or is not what it should be. `EX_NOINPUT` of `sysexits.h`.
const BAD_INPUT: u8 = 66;
/// There is no usable KVM. `EX_UNAVAILABLE` of `sysexits.h`.
const NO_USABLE_KVM: u8 = 69;
/// Output could not be written. `EX_IOERR` of `sysexits.h`.
const OUTPUT_FAILED: u8 = 74;
/// The user ended it. What a shell reports for a program that died of Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// Prints what clap has to say: the help text, or what was wrong with the command line.
pub fn usage(help_or_error: &clap::Error) -> u8 {
    match help_or_error.print() {
        Ok(()) if help_or_error.use_stderr() => USAGE,
        Ok(()) => SUCCESS,
        Err(error) => failure(&error.into()),
    }
}

/// Prints `error` with its causes, and gives the status that it ends with.
pub fn failure(error: &anyhow::Error) -> u8 {
    let status = match error.downcast_ref::<io::Error>() {
        // Whoever read our output has gone (`| head -1`): nothing is wrong, nobody listens.
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => return SUCCESS,
        Some(_) => OUTPUT_FAILED,
        None => match error.downcast_ref::<GuestError>() {
            Some(GuestError::Unknown { .. } | GuestError::TooMany { .. }) => USAGE,
            Some(_) => BAD_INPUT,
            None => NO_USABLE_KVM,
        },
    };
    let remedy = if status == NO_USABLE_KVM { remedy(error) } else { "" };
    // If standard error is gone too, the status has to do.
    let _ = writeln!(stderr(), "error: {error:#}{remedy}");
    status
}

/// What to do about a system call that has failed.
fn remedy(error: &anyhow::Error) -> &'static str {
    let cause = error.root_cause();
    let number = match cause.downcast_ref() {
        Some(MmapRegionError::Mmap(error)) => error.raw_os_error(),
        _ => cause.downcast_ref::<kvm_ioctls::Error>().map(|error| error.errno()),
    };
    match number {
        Some(libc::ENOMEM | libc::EAGAIN) => "\n  too little memory for that: free, ulimit -v",
        Some(libc::EMFILE) => "\n  too few files may be open for that: ulimit -n",
        Some(_) => "\n  what this machine's KVM can do: cargo xtask doctor",
        None => "",
    }
}
