//! The page tables that a guest in long mode starts with: four levels. SDM Vol. 3A, 4.5.

use anyhow::{Context, Result};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

use crate::layout::PAGE_DIRECTORY_ADDRESS;

const PAGE_BYTES: u64 = 4096;
const ENTRY_BYTES: u64 = 8;
const ENTRIES: u64 = PAGE_BYTES / ENTRY_BYTES;
/// What an entry of the page directory stands for.
const LARGE_PAGE_BYTES: u64 = ENTRIES * PAGE_BYTES;

/// All memory is there a second time in the half of the addresses that begin with ones: in the
/// middle of the first table.
const HIGHER_HALF_INDEX: u64 = ENTRIES / 2;

/// And a third time in the highest 2 GiB, where Linux's own code is linked: in the last GiB but one
/// of the last entry of the first table.
pub const HIGHEST: u64 = 0xffff_ffff_8000_0000;
const HIGHEST_INDEX: u64 = ENTRIES - 1;
const HIGHEST_GIB_INDEX: u64 = ENTRIES - 2;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
/// No table follows, this is a page of 2 MiB. SDM Vol. 3A, table 4-18.
const LARGE: u64 = 1 << 7;
/// Data, not code: while `EFER.NXE` is set.
const NO_EXECUTE: u64 = 1 << 63;

/// Maps all of `memory` three times.
pub fn write(memory: &GuestMemoryMmap) -> Result<()> {
    for (address, entry) in entries(PAGE_DIRECTORY_ADDRESS.0, memory.last_addr().0 + 1) {
        memory.write_obj(entry, GuestAddress(address)).context("the page tables")?;
    }
    Ok(())
}

/// All that is not 0 in the table at `pml4` and in the three after it: the physical address of each
/// entry, and the entry. There is one page directory, for up to 1 GiB of memory; two tables lead to it.
/// The first of its pages is for code.
fn entries(pml4: u64, memory_bytes: u64) -> impl Iterator<Item = (u64, u64)> {
    let [pdpt, directory, highest_pdpt] = [1, 2, 3].map(|pages| pml4 + pages * PAGE_BYTES);
    let entry =
        move |table, index, entry| (table + index * ENTRY_BYTES, entry | WRITABLE | PRESENT);
    let upper = [
        entry(pml4, 0, pdpt),
        entry(pml4, HIGHER_HALF_INDEX, pdpt),
        entry(pml4, HIGHEST_INDEX, highest_pdpt),
        entry(pdpt, 0, directory),
        entry(highest_pdpt, HIGHEST_GIB_INDEX, directory),
    ];
    let pdes = (0..memory_bytes / LARGE_PAGE_BYTES).map(move |page| {
        let no_execute = if page == 0 { 0 } else { NO_EXECUTE };
        entry(directory, page, (page * LARGE_PAGE_BYTES) | LARGE | no_execute)
    });
    upper.into_iter().chain(pdes)
}
