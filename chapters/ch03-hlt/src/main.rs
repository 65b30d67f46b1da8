//! Chapter 3: a virtual CPU runs its first instruction.

mod exit;
mod kvm;
mod registers;
mod vcpu;
mod vm;
mod vm_exit;

use std::io::{Write, stderr};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use kvm_ioctls::VcpuExit;
use vm_memory::{Bytes, GuestAddress};

use crate::kvm::{open_kvm, require_capabilities};
use crate::vm::Vm;
use crate::vm_exit::describe;

const CHAPTER: u8 = 3;

/// All that a 16-bit address reaches: one real-mode segment.
const MEMORY_BYTES: usize = 64 * 1024;

/// Where the guest is loaded, and where it starts.
const LOAD_ADDRESS: GuestAddress = GuestAddress(0);

/// The whole guest: `hlt`.
const GUEST: [u8; 1] = [0xf4];

/// Runs a guest of one instruction, and shows the registers before and after.
#[derive(Parser)]
#[command(version)]
struct Options {}

fn main() -> ExitCode {
    ExitCode::from(match Options::try_parse() {
        Ok(options) => run(&options).unwrap_or_else(|error| exit::failure(&error)),
        Err(help_or_error) => exit::usage(&help_or_error),
    })
}

fn run(_options: &Options) -> Result<u8> {
    let kvm = open_kvm()?;
    require_capabilities(&kvm, CHAPTER)?;
    let vm = Vm::new(&kvm, MEMORY_BYTES)?;

    vm.memory.write_slice(&GUEST, LOAD_ADDRESS).context("loading the guest")?;
    let mut vcpu = vm.create_vcpu(0)?;
    vcpu.enter_real_mode(LOAD_ADDRESS)?;

    let mut err = std::io::LineWriter::new(stderr()); // else each piece is a call of `write`
    writeln!(err, "before:\n{}", vcpu.registers()?)?;
    match vcpu.run()? {
        exit @ VcpuExit::Hlt => writeln!(err, "1 exit: {}\n", describe(&exit))?,
        exit => {
            writeln!(err, "error: 1 exit, and not the one we expected: {}", describe(&exit))?;
            return Ok(exit::CRASHED);
        }
    }
    writeln!(err, "after:\n{}", vcpu.registers()?)?;
    Ok(exit::SUCCESS)
}
