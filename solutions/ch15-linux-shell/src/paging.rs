//! The page tables that a guest starts with. 32-bit paging, SDM Vol. 3A, 4.3.

use anyhow::{Context, Result};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

use crate::layout::PAGE_DIRECTORY_ADDRESS;

/// All memory is there a second time. Linux has it at 0xc0000000.
pub const HIGHER_HALF: u32 = 0x8000_0000;

const PAGE_BYTES: u32 = 4096;
const ENTRY_BYTES: u32 = 4;
/// What an entry of the page directory stands for: 1024 pages.
const TABLE_REACH_BYTES: u32 = 1024 * PAGE_BYTES;

const PRESENT: u32 = 1 << 0;
const WRITABLE: u32 = 1 << 1;

/// Maps all of `memory` twice.
pub fn write(memory: &GuestMemoryMmap) -> Result<()> {
    let directory = PAGE_DIRECTORY_ADDRESS.0 as u32;
    for (address, entry) in entries(directory, memory.last_addr().0 as u32 + 1) {
        memory.write_obj(entry, GuestAddress(address.into())).context("the page tables")?;
    }
    Ok(())
}

/// All that is not 0 in the page directory at `directory` and in the page tables after it: the
/// physical address of each entry, and the entry.
fn entries(directory: u32, memory_bytes: u32) -> impl Iterator<Item = (u32, u32)> {
    let tables = directory + PAGE_BYTES;
    let pdes = (0..memory_bytes / TABLE_REACH_BYTES).flat_map(move |table| {
        let pde = (tables + table * PAGE_BYTES) | WRITABLE | PRESENT;
        let higher = table + HIGHER_HALF / TABLE_REACH_BYTES;
        [table, higher].map(|index| (directory + index * ENTRY_BYTES, pde))
    });
    // Each table follows the one before: so do their entries.
    let ptes = (0..memory_bytes / PAGE_BYTES)
        .map(move |page| (tables + page * ENTRY_BYTES, (page * PAGE_BYTES) | WRITABLE | PRESENT));
    pdes.chain(ptes)
}
