//! Chapter 7: an interface of our own, the hypercall.

mod console;
mod crash;
mod exit;
mod guest;
mod hypercall;
mod input;
mod kvm;
mod registers;
mod signal;
mod statistics;
mod terminal;
mod uart;
mod vcpu;
mod vm;
mod vm_exit;

use std::ffi::OsString;
use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use vm_memory::{Bytes, GuestAddress};

use crate::console::Console;
use crate::guest::{MODES, load_image};
use crate::kvm::{open_kvm, require_capabilities};
use crate::terminal::RawMode;
use crate::vcpu::Stop;
use crate::vm::Vm;

const CHAPTER: u8 = 7;

/// All that a 16-bit address reaches: one real-mode segment.
const MEMORY_BYTES: usize = 64 * 1024;

/// Where the guest is loaded, and where it starts.
const LOAD_ADDRESS: GuestAddress = GuestAddress(0);

/// Runs a guest, and says why it stopped.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// A built-in guest, or the path of an image
    #[arg(default_value = "multiplication")]
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

    signal::catch()?;
    let raw_mode = if stdin().is_terminal() {
        let _ = writeln!(stderr(), "Ctrl-D ends the input, Ctrl-A x the virtual machine");
        Some(RawMode::enter()?)
    } else {
        None
    };
    let status = run_guest(&vm, options)?;
    drop(raw_mode);
    Ok(status)
}

/// Runs the guest to its end, and says how it ended.
fn run_guest(vm: &Vm, options: &Options) -> Result<u8> {
    let guest = options.guest.display();
    let mut vcpu = vm.create_vcpu(0)?;
    vcpu.enter_real_mode(LOAD_ADDRESS)?;

    let mut console = Console::open(input::listen()?);
    let stop = vcpu.run(&mut console, options.verbose)?;
    let printed = console.close();

    let count = vcpu.statistics.total();
    let exits = format!("{count} exit{}", if count == 1 { "" } else { "s" });
    let statistics = &vcpu.statistics;
    let (message, status) = match stop {
        Stop::Halted => (format!("{guest}: halted after {exits}\n{statistics}"), exit::SUCCESS),
        Stop::Exited(status) => {
            (format!("{guest}: exited with status {status} after {exits}\n{statistics}"), status)
        }
        Stop::Interrupted => {
            (format!("{guest}: interrupted after {exits}\n{statistics}"), exit::INTERRUPTED)
        }
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
