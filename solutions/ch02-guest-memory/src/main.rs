//! Chapter 2: a virtual machine with memory.
#![expect(unsafe_code, reason = "a byte of guest memory is read as the host sees it")]

mod exit;
mod kvm;
mod rom;
mod vm;

use std::io::{Write, stdout};
use std::num::ParseIntError;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use vm_memory::{Address, Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

use crate::kvm::{open_kvm, require_capabilities, require_read_only_memory};
use crate::vm::{Vm, is_read_only};

const CHAPTER: u8 = 2;

/// Enough for the byte at `0x1234`; up to what an IBM PC had below its video memory.
const KIB: RangeInclusive<usize> = 8..=640;

/// A slot has whole pages. KVM API document, 4.35.
const PAGE_KIB: usize = 4;

/// Creates a virtual machine with memory, and looks at the memory from both sides.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The size of the memory in KiB, a multiple of 4 from 8 to 640
    //
    // By default, all that a 16-bit address reaches: one real-mode segment.
    #[arg(long, value_name = "N", default_value = "64", value_parser = parse_kib)]
    kib: usize,
    /// A file to be in memory that the guest cannot write, at 0xf0000
    #[arg(long, value_name = "FILE")]
    rom: Option<PathBuf>,
    /// Where 0x2a is written and read: a guest physical address, decimal or with 0x
    #[arg(long, value_name = "ADDRESS", default_value = "0x1234", value_parser = parse_poke)]
    poke: Poke,
}

/// An address, and how it was typed: whether it is a good one shows only when there is memory.
#[derive(Clone)]
struct Poke {
    address: GuestAddress,
    typed: String,
}

fn main() -> ExitCode {
    ExitCode::from(match Options::try_parse() {
        Ok(options) => run(&options).unwrap_or_else(|error| exit::failure(&error)),
        Err(help_or_error) => exit::usage(&help_or_error),
    })
}

fn parse_kib(typed: &str) -> Result<usize, &'static str> {
    let kib = typed.parse().ok().filter(|kib| KIB.contains(kib) && kib % PAGE_KIB == 0);
    kib.ok_or("it has to be a multiple of 4 from 8 to 640")
}

fn parse_poke(typed: &str) -> Result<Poke, ParseIntError> {
    let address = match typed.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => typed.parse(),
    };
    Ok(Poke { address: GuestAddress(address?), typed: typed.to_owned() })
}

fn run(options: &Options) -> Result<u8> {
    let rom = options.rom.as_deref().map(rom::read).transpose()?;

    let kvm = open_kvm()?;
    require_capabilities(&kvm, CHAPTER)?;
    if rom.is_some() {
        require_read_only_memory(&kvm)?;
    }
    let vm = Vm::new(&kvm, options.kib * 1024, rom.as_deref())?;
    let guest_address = options.poke.address;
    if !vm.memory.address_in_range(guest_address) {
        let message = format!("--poke {}: there is no memory at this address", options.poke.typed);
        return Ok(exit::usage(&Options::command().error(ErrorKind::ValueValidation, message)));
    }

    let mut out = stdout().lock();
    for region in vm.memory.iter() {
        let (first, last) = (region.start_addr().raw_value(), region.last_addr().raw_value());
        let (kib, host) = (region.len() / 1024, region.as_ptr());
        let note = if is_read_only(region) { ", read-only" } else { "" };
        writeln!(
            out,
            "guest physical {first:#06x} to {last:#06x}: {kib} KiB at host {host:?}{note}"
        )?;
    }

    // Into the ROM, too: "writes to this memory will be posted to userspace as KVM_EXIT_MMIO exits",
    // says KVM API document, 4.35. Those are the guest's writes. Ours do not pass through KVM.
    vm.memory.write_obj(0x2a_u8, guest_address)?;
    writeln!(out, "wrote 0x2a at guest physical {:#06x}", guest_address.raw_value())?;
    let host_address = vm.memory.get_host_address(guest_address)?;
    // SAFETY: it points into the mapping that `vm` keeps alive; no vCPU writes to it.
    let byte = unsafe { host_address.read_volatile() };
    writeln!(out, "read {byte:#04x} at host {host_address:?}")?;
    Ok(exit::SUCCESS)
}
