//! The page tables that a guest starts with. 32-bit paging, SDM Vol. 3A, 4.3.

use anyhow::{Context, Result};
use guests::Mode;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

use crate::layout::{PAGE_DIRECTORY_ADDRESS, layout};

/// All memory is there a second time. Linux has it at 0xc0000000.
pub const HIGHER_HALF: u32 = 0x8000_0000;

const PAGE_BYTES: u32 = 4096;
const ENTRY_BYTES: u32 = 4;
/// What an entry of the page directory stands for: 1024 pages.
const TABLE_REACH_BYTES: u32 = 1024 * PAGE_BYTES;

const PRESENT: u32 = 1 << 0;
const WRITABLE: u32 = 1 << 1;

/// What a guest has for its stack, at the end of memory. `guests/src/paging/paging.ld`.
const STACK_BYTES: u32 = 64 << 10;

/// What the guest is kept from, beside the null page.
#[derive(Clone, Copy, Default)]
pub struct Protection {
    /// So many pages of the image are read-only, from the first.
    pub read_only_pages: u8,
    /// The page below the stack is not mapped, seen from the stack.
    pub has_guard: bool,
}

/// Maps all of `memory` twice. The mappings differ, so none shares a page table with the other.
pub fn write(memory: &GuestMemoryMmap, protection: Protection) -> Result<()> {
    let memory_bytes = memory.last_addr().0 as u32 + 1;
    let tables = PAGE_DIRECTORY_ADDRESS.0 as u32 + PAGE_BYTES;
    let more_tables = tables + memory_bytes / TABLE_REACH_BYTES * PAGE_BYTES;
    for (mapping, tables) in [(0, tables), (HIGHER_HALF, more_tables)] {
        for (address, entry) in entries(mapping, tables, memory_bytes, protection) {
            memory.write_obj(entry, GuestAddress(address.into())).context("the page tables")?;
        }
    }
    Ok(())
}

/// What the page directory and the page tables from `tables` on hold for one mapping: the physical
/// address of each entry, and the entry.
fn entries(
    mapping: u32,
    tables: u32,
    memory_bytes: u32,
    protection: Protection,
) -> impl Iterator<Item = (u32, u32)> {
    let pdes = (0..memory_bytes / TABLE_REACH_BYTES).map(move |table| {
        let index = mapping / TABLE_REACH_BYTES + table;
        let pde = (tables + table * PAGE_BYTES) | WRITABLE | PRESENT;
        (PAGE_DIRECTORY_ADDRESS.0 as u32 + index * ENTRY_BYTES, pde)
    });
    // Each table follows the one before: so do their entries.
    let ptes = (0..memory_bytes / PAGE_BYTES).map(move |page| {
        let flags = flags(mapping, page * PAGE_BYTES, memory_bytes, protection);
        (tables + page * ENTRY_BYTES, (page * PAGE_BYTES) | flags)
    });
    pdes.chain(ptes)
}

/// What `mapping` allows with the page at `physical`.
fn flags(mapping: u32, physical: u32, memory_bytes: u32, protection: Protection) -> u32 {
    let guard = memory_bytes - STACK_BYTES - PAGE_BYTES;
    let image = layout(Mode::Paging).image.0 as u32;
    let read_only_bytes = u32::from(protection.read_only_pages) * PAGE_BYTES;
    let is_null = mapping == 0 && physical == 0;
    let is_guard = protection.has_guard && mapping == HIGHER_HALF && physical == guard;
    if is_null || is_guard {
        0
    } else if (image..image + read_only_bytes).contains(&physical) {
        PRESENT
    } else {
        PRESENT | WRITABLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY_BYTES: u32 = 16 << 20;
    const ALL: u32 = PRESENT | WRITABLE;

    #[test]
    fn one_mapping_lacks_the_null_page_and_the_other_the_guard_page() {
        let both = |physical, protection| {
            [0, HIGHER_HALF].map(|mapping| flags(mapping, physical, MEMORY_BYTES, protection))
        };
        let (open, guarded) =
            (Protection::default(), Protection { has_guard: true, ..Default::default() });
        assert_eq!(both(0, open), [0, ALL]);
        assert_eq!(both(0xfe_f000, open), [ALL, ALL]);
        assert_eq!(both(0xfe_f000, guarded), [ALL, 0]);
        assert_eq!(both(0xff_0000, guarded), [ALL, ALL]);
    }

    #[test]
    fn the_first_pages_of_the_image_are_read_only() {
        let flags = |pages, physical| {
            let protection = Protection { read_only_pages: pages, has_guard: false };
            flags(HIGHER_HALF, physical, MEMORY_BYTES, protection)
        };
        assert_eq!(flags(0, 0x1000), ALL);
        assert_eq!([0x1000, 0x2000, 0x3000].map(|page| flags(2, page)), [PRESENT, PRESENT, ALL]);
        assert_eq!([0xf_f000, 0x10_0000].map(|page| flags(255, page)), [PRESENT, ALL]);
    }
}
