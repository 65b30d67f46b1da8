//! Page tables of 4 KiB pages, for both of the tiny guests that turn paging on.

use anyhow::Result;
use vm_memory::{Bytes, GuestAddress};

use super::tiny_guest::Memory;

/// Present, writable. The same bits in every level and in both formats.
/// SDM Vol. 3A, tables 4-5, 4-6 and 4-15 to 4-20.
const PRESENT_WRITABLE: u64 = 0b11;

const PAGE_BYTES: u64 = 0x1000;

/// The shape of a kind of page table.
#[derive(Clone, Copy)]
pub enum Format {
    /// Page directory and page table, 1024 entries of 4 bytes each. SDM Vol. 3A, 4.3.
    Bits32,
    /// PML4, page directory pointer table, page directory, page table: 512 entries of 8 bytes
    /// each. SDM Vol. 3A, 4.5.
    FourLevel,
}

impl Format {
    fn levels(self) -> u32 {
        match self {
            Format::Bits32 => 2,
            Format::FourLevel => 4,
        }
    }

    /// How many bits of the virtual address choose the entry in one table.
    fn index_bits(self) -> u32 {
        match self {
            Format::Bits32 => 10,
            Format::FourLevel => 9,
        }
    }

    fn read(self, memory: &Memory, table: u64, index: u64) -> Result<u64> {
        Ok(match self {
            Format::Bits32 => memory.read_obj::<u32>(GuestAddress(table + 4 * index))?.into(),
            Format::FourLevel => memory.read_obj(GuestAddress(table + 8 * index))?,
        })
    }

    fn write(self, memory: &Memory, table: u64, index: u64, entry: u64) -> Result<()> {
        match self {
            // The tiny guests live below 64 KiB: an entry always fits.
            Format::Bits32 => memory.write_obj(entry as u32, GuestAddress(table + 4 * index))?,
            Format::FourLevel => memory.write_obj(entry, GuestAddress(table + 8 * index))?,
        }
        Ok(())
    }
}

/// A tree of page tables in guest memory, whose tables lie one after the other from its root.
pub struct PageTables<'a> {
    memory: &'a Memory,
    format: Format,
    root: u64,
    next_free: u64,
}

impl<'a> PageTables<'a> {
    /// An empty tree; `root` is what goes into `CR3`.
    pub fn new(memory: &'a Memory, format: Format, root: u64) -> Self {
        PageTables { memory, format, root, next_free: root + PAGE_BYTES }
    }

    /// Makes the page at `virtual_page` show the one at `physical_page`.
    pub fn map(&mut self, virtual_page: u64, physical_page: u64) -> Result<()> {
        let bits = self.format.index_bits();
        let mut table = self.root;
        for level in (0..self.format.levels()).rev() {
            let index = (virtual_page >> (12 + level * bits)) & ((1 << bits) - 1);
            let mut entry = self.format.read(self.memory, table, index)?;
            if level == 0 {
                entry = physical_page | PRESENT_WRITABLE;
            } else if entry == 0 {
                entry = self.next_free | PRESENT_WRITABLE;
                self.next_free += PAGE_BYTES;
            }
            self.format.write(self.memory, table, index, entry)?;
            table = entry & !(PAGE_BYTES - 1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        Memory::from_ranges(&[(GuestAddress(0), 0x1_0000)]).unwrap()
    }

    #[test]
    fn a_32_bit_walk_takes_two_tables() {
        let memory = memory();
        let mut tables = PageTables::new(&memory, Format::Bits32, 0x3000);
        tables.map(0x8000_1000, 0x9000).unwrap();
        tables.map(0x8000_2000, 0xa000).unwrap();
        // Entry 0x80000000 >> 22 of the directory; both pages share its table.
        let pde: u32 = memory.read_obj(GuestAddress(0x3000 + 4 * 512)).unwrap();
        assert_eq!(pde, 0x4003);
        let pte: u32 = memory.read_obj(GuestAddress(0x4000 + 4)).unwrap();
        assert_eq!(pte, 0x9003);
        let pte: u32 = memory.read_obj(GuestAddress(0x4000 + 8)).unwrap();
        assert_eq!(pte, 0xa003);
    }

    #[test]
    fn a_64_bit_walk_takes_four_tables() {
        let memory = memory();
        let mut tables = PageTables::new(&memory, Format::FourLevel, 0x3000);
        let virtual_page = (1 << 39) | (2 << 30) | (3 << 21) | (4 << 12);
        tables.map(virtual_page, 0x9000).unwrap();
        let entries = [(0x3000, 1), (0x4000, 2), (0x5000, 3), (0x6000, 4)]
            .map(|(table, index)| memory.read_obj::<u64>(GuestAddress(table + 8 * index)).unwrap());
        assert_eq!(entries, [0x4003, 0x5003, 0x6003, 0x9003]);
    }
}
