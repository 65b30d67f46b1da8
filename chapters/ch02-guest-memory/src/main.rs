//! Chapter 2: a virtual machine with memory.
#![expect(unsafe_code, reason = "a byte of guest memory is read as the host sees it")]

mod exit;
mod kvm;
mod vm;

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use vm_memory::{Address, Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

use crate::kvm::{open_kvm, require_capabilities};
use crate::vm::Vm;

const CHAPTER: u8 = 2;

/// All that a 16-bit address reaches: one real-mode segment.
const MEMORY_BYTES: usize = 64 * 1024;

/// Creates a virtual machine with memory, and looks at the memory from both sides.
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

    let mut out = stdout().lock();
    for region in vm.memory.iter() {
        let (first, last) = (region.start_addr().raw_value(), region.last_addr().raw_value());
        let (kib, host) = (region.len() / 1024, region.as_ptr());
        writeln!(out, "guest physical {first:#06x} to {last:#06x}: {kib} KiB at host {host:?}")?;
    }

    let guest_address = GuestAddress(0x1234);
    vm.memory.write_obj(0x2a_u8, guest_address)?;
    writeln!(out, "wrote 0x2a at guest physical {:#06x}", guest_address.raw_value())?;
    let host_address = vm.memory.get_host_address(guest_address)?;
    // SAFETY: it points into the mapping that `vm` keeps alive; no vCPU writes to it.
    let byte = unsafe { host_address.read_volatile() };
    writeln!(out, "read {byte:#04x} at host {host_address:?}")?;
    Ok(exit::SUCCESS)
}
