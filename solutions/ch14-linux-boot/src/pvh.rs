//! A kernel that is called without the wrapping of a bzImage: PVH direct boot.
//!
//! <https://xenbits.xen.org/docs/unstable/misc/pvh.html>

use anyhow::{Context, Result};
use linux_loader::loader::elf::start_info::{hvm_memmap_table_entry, hvm_start_info};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

use crate::layout::{COMMAND_LINE_ADDRESS, START_INFO_ADDRESS};
use crate::linux::ram;

/// `XEN_HVM_START_MAGIC_VALUE`: "xEn3", with the highest bit of the E set.
const MAGIC: u32 = 0x336e_c578;
/// The first version with a memory map.
const VERSION: u32 = 1;
/// `XEN_HVM_MEMMAP_TYPE_RAM`, as in an e820 map.
const TYPE_RAM: u32 = 1;

/// Puts the command line into memory, and what the kernel wants to know when it starts: a structure,
/// behind it the memory map.
pub fn write(command_line: &str, memory: &GuestMemoryMmap) -> Result<()> {
    let ram = ram(memory.last_addr().0 + 1).map(|range| hvm_memmap_table_entry {
        addr: range.start,
        size: range.end - range.start,
        type_: TYPE_RAM,
        ..Default::default()
    });
    let map_address = START_INFO_ADDRESS.0 + size_of::<hvm_start_info>() as u64;
    let start_info = hvm_start_info {
        magic: MAGIC,
        version: VERSION,
        cmdline_paddr: COMMAND_LINE_ADDRESS.0,
        memmap_paddr: map_address,
        memmap_entries: ram.len() as u32,
        ..Default::default()
    };
    memory
        .write_slice(command_line.as_bytes(), COMMAND_LINE_ADDRESS)
        .context("the command line")?;
    memory.write_obj(start_info, START_INFO_ADDRESS).context("the start info")?;
    for (entry, index) in ram.into_iter().zip(0..) {
        let address = map_address + index * size_of_val(&entry) as u64;
        memory.write_obj(entry, GuestAddress(address)).context("the memory map")?;
    }
    Ok(())
}
