//! Chapter 3: a virtual CPU runs its first instruction.

mod exit;
mod image;
mod kvm;
mod registers;
mod vcpu;
mod vm;
mod vm_exit;

use std::io::{Write, stderr};
use std::num::ParseIntError;
use std::path::PathBuf;
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

/// The whole guest, if no other is named: `hlt`.
const GUEST: [u8; 1] = [0xf4];

/// Runs a guest, and shows the registers before and after.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The guest's image [default: one instruction, hlt]
    image: Option<PathBuf>,
    /// Where the guest is loaded: an address below 0x10000, decimal or with 0x
    #[arg(long, value_name = "ADDRESS", default_value = "0", value_parser = parse_address)]
    load: u16,
    /// Where the guest starts [default: where it is loaded]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    entry: Option<u16>,
    /// Count the instructions up to the hlt
    #[arg(long)]
    count: bool,
}

fn main() -> ExitCode {
    ExitCode::from(match Options::try_parse() {
        Ok(options) => run(&options).unwrap_or_else(|error| exit::failure(&error)),
        Err(help_or_error) => exit::usage(&help_or_error),
    })
}

/// An address in our memory: as many as 16 bits can hold.
fn parse_address(typed: &str) -> Result<u16, ParseIntError> {
    match typed.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => typed.parse(),
    }
}

fn run(options: &Options) -> Result<u8> {
    let image = match &options.image {
        Some(path) => image::read(path, MEMORY_BYTES - usize::from(options.load))?,
        None => GUEST.to_vec(),
    };
    let load = GuestAddress(options.load.into());
    let entry = options.entry.map_or(load, |entry| GuestAddress(entry.into()));

    let kvm = open_kvm()?;
    require_capabilities(&kvm, CHAPTER)?;
    let vm = Vm::new(&kvm, MEMORY_BYTES)?;

    vm.memory.write_slice(&image, load).context("loading the guest")?;
    let mut vcpu = vm.create_vcpu(0)?;
    vcpu.enter_real_mode(entry)?;
    if options.count {
        vcpu.single_step()?;
    }

    let mut err = std::io::LineWriter::new(stderr()); // else each piece is a call of `write`
    writeln!(err, "before:\n{}", vcpu.registers()?)?;
    let mut steps = 0_u64;
    loop {
        match vcpu.run()? {
            VcpuExit::Debug(_) if options.count => steps += 1,
            exit @ VcpuExit::Hlt => {
                // The `hlt` is an instruction, too, and KVM reports it as what it is.
                let count = match steps + 1 {
                    _ if !options.count => "1 exit".to_owned(),
                    1 => "1 instruction".to_owned(),
                    count => format!("{count} instructions"),
                };
                writeln!(err, "{count}: {}\n", describe(&exit))?;
                break;
            }
            exit => {
                writeln!(err, "error: 1 exit, and not the one we expected: {}", describe(&exit))?;
                return Ok(exit::CRASHED);
            }
        }
    }
    writeln!(err, "after:\n{}", vcpu.registers()?)?;
    Ok(exit::SUCCESS)
}
