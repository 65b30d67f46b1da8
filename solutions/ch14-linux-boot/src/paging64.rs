//! The page tables that a guest in long mode starts with: four levels. SDM Vol. 3A, 4.5.

use anyhow::{Context, Result};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

use crate::layout::PAGE_DIRECTORY_ADDRESS;

const PAGE_BYTES: u64 = 4096;
const ENTRY_BYTES: u64 = 8;
const ENTRIES: u64 = PAGE_BYTES / ENTRY_BYTES;

/// All memory is there a second time in the half of the addresses that begin with ones: in the
/// middle of the first table.
const HIGHER_HALF_INDEX: u64 = ENTRIES / 2;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;

/// Maps all of `memory`, up to what one page directory can, twice.
pub fn write(memory: &GuestMemoryMmap) -> Result<()> {
    let memory_bytes = (memory.last_addr().0 + 1).min(ENTRIES * ENTRIES * PAGE_BYTES);
    for (address, entry) in entries(PAGE_DIRECTORY_ADDRESS.0, memory_bytes) {
        memory.write_obj(entry, GuestAddress(address)).context("the page tables")?;
    }
    Ok(())
}

/// All that is not 0 in the table at `pml4` and in those after it, one for each level but the last,
/// which has as many as `memory_bytes` (up to 1 GiB) needs: the physical address of each entry, and
/// the entry.
fn entries(pml4: u64, memory_bytes: u64) -> impl Iterator<Item = (u64, u64)> {
    let [pdpt, directory, tables] = [1, 2, 3].map(|pages| pml4 + pages * PAGE_BYTES);
    let tables_count = memory_bytes.div_ceil(ENTRIES * PAGE_BYTES);
    let entry =
        move |table, index, address| (table + index * ENTRY_BYTES, address | WRITABLE | PRESENT);
    let upper =
        [entry(pml4, 0, pdpt), entry(pml4, HIGHER_HALF_INDEX, pdpt), entry(pdpt, 0, directory)];
    let pdes = (0..tables_count).map(move |it| entry(directory, it, tables + it * PAGE_BYTES));
    // Each table follows the one before: so do their entries.
    let ptes = (0..memory_bytes / PAGE_BYTES).map(move |it| entry(tables, it, it * PAGE_BYTES));
    upper.into_iter().chain(pdes).chain(ptes)
}
