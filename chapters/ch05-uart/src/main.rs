//! Chapter 5: a serial port that the guest can print on.

mod console;
mod crash;
mod exit;
mod guest;
mod kvm;
mod registers;
mod signal;
mod uart;
mod vcpu;
mod vm;
mod vm_exit;

use std::ffi::OsString;
use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use vm_memory::{Bytes, GuestAddress};

use crate::console::Console;
use crate::guest::{MODES, load_image};
use crate::kvm::{open_kvm, require_capabilities};
use crate::vcpu::Stop;
use crate::vm::Vm;

const CHAPTER: u8 = 5;

/// All that a 16-bit address reaches: one real-mode segment.
const MEMORY_BYTES: usize = 64 * 1024;

/// Where the guest is loaded, and where it starts.
const LOAD_ADDRESS: GuestAddress = GuestAddress(0);

/// Runs a guest, and says why it stopped.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// A built-in guest, or the path of an image
    #[arg(default_value = "hello")]
    guest: OsString,
    /// List the built-in guests
    #[arg(long)]
    list: bool,
    /// Trace every VM exit
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> ExitCode {
    signal::ignore_file_limit();
    ExitCode::from(match Options::try_parse() {
        Ok(options) => run(&options).unwrap_or_else(|error| exit::failure(&error)),
        Err(help_or_error) => exit::usage(&help_or_error),
    })
}

fn run(options: &Options) -> Result<u8> {
    if options.list {
        write!(stdout(), "{}", guests::list(MODES))?;
        return Ok(exit::SUCCESS);
    }
    let image = load_image(&options.guest, MEMORY_BYTES)?;

    let kvm = open_kvm()?;
    require_capabilities(&kvm, CHAPTER)?;
    let vm = Vm::new(&kvm, MEMORY_BYTES)?;
    vm.memory.write_slice(&image, LOAD_ADDRESS).context("loading the guest")?;
    let mut vcpu = vm.create_vcpu(0)?;
    vcpu.enter_real_mode(LOAD_ADDRESS)?;

    let mut console = Console::open();
    let stop = vcpu.run(&mut console, options.verbose)?;
    let printed = console.close();

    let guest = options.guest.display();
    let exits = format!("{} exit{}", vcpu.exits, if vcpu.exits == 1 { "" } else { "s" });
    let (message, status) = match stop {
        Stop::Halted => (format!("{guest}: halted after {exits}\n"), exit::SUCCESS),
        Stop::Interrupted => (format!("{guest}: interrupted after {exits}\n"), exit::INTERRUPTED),
        Stop::Crashed(reason) => {
            let report = crash::report(&vcpu.registers()?, &vm.memory);
            (format!("error: {guest}: crashed after {exits}: {reason}\n{report}"), exit::CRASHED)
        }
    };
    // If standard error is gone, the status has to do.
    let _ = stderr().write_all(message.as_bytes());
    if status == exit::SUCCESS {
        printed?;
    }
    Ok(status)
}
