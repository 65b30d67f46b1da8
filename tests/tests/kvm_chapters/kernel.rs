//! The 1K OS's kernel by its ELF file, and copies of it with other code in them.

use std::fs;

use elf::ElfBytes;
use elf::endian::LittleEndian;
use tempfile::NamedTempFile;

use crate::images::image;

/// What a function begins with, so that a call trace finds its caller: push %ebp; mov %esp, %ebp.
const PROLOGUE: [u8; 3] = [0x55, 0x89, 0xe5];

/// Where the kernel has all physical memory.
const KERNEL_BASE: u32 = 0x8000_0000;

fn kernel() -> Vec<u8> {
    fs::read(format!("{}/multiboot/os-1k.elf", guests::ELF_DIR)).unwrap()
}

/// The address of what the kernel calls `name`.
fn address_of(name: &str, kernel: &[u8]) -> u32 {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(kernel).unwrap();
    let (symbols, names) = elf.symbol_table().unwrap().unwrap();
    let named = |it: &elf::symbol::Symbol| names.get(it.st_name as usize).unwrap() == name;
    let symbol = symbols.iter().find(named).unwrap_or_else(|| panic!("the kernel has no {name}"));
    symbol.st_value.try_into().unwrap()
}

/// Where in the file the byte at this address is.
fn offset_of(address: u32, kernel: &[u8]) -> usize {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(kernel).unwrap();
    let address = u64::from(address);
    let holds = |it: &elf::segment::ProgramHeader| {
        (it.p_vaddr..it.p_vaddr + it.p_filesz).contains(&address)
    };
    let segment = elf.segments().unwrap().iter().find(holds).unwrap();
    (segment.p_offset + address - segment.p_vaddr) as usize
}

/// The kernel with other code in a function, and where that is. `code` gets the address of the
/// function.
pub fn spoilt(function: &str, code: impl FnOnce(u32) -> Vec<u8>) -> (NamedTempFile, u32) {
    let mut kernel = kernel();
    let address = address_of(function, &kernel);
    let at = offset_of(address, &kernel);
    assert!(kernel[at..].starts_with(&PROLOGUE), "{function} has another prologue");
    let (at, code) = (at + PROLOGUE.len(), code(address));
    kernel[at..at + code.len()].copy_from_slice(&code);
    (image(&kernel), address + PROLOGUE.len() as u32)
}

/// The pages that the kernel can give away, when it has only just started.
pub fn free_pages() -> u32 {
    const DISK: u32 = 15 << 20; // where free memory ends
    const PAGE_TABLES: u32 = 4; // which map all memory of 16 MiB
    let used = address_of("kernel_end", &kernel()) - KERNEL_BASE;
    (DISK - used) / 4096 - PAGE_TABLES
}
