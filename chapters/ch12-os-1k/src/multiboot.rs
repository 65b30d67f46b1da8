//! What a kernel is told when it starts. Multiboot Specification 0.6.96, 3.2 and 3.3.

use anyhow::{Context, Result};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

use crate::layout::{DISK_ADDRESS, DISK_BYTES, MULTIBOOT_ADDRESS};

/// In `EAX`: a Multiboot boot loader was here. `EBX` is the address of the information structure.
pub const MAGIC: u64 = 0x2bad_b002;

/// The information structure, by 32-bit word.
const WORDS: usize = 17;
const FLAGS: usize = 0;
const MEM_LOWER: usize = 1;
const MEM_UPPER: usize = 2;
const MODS_COUNT: usize = 5;
const MODS_ADDR: usize = 6;
const BOOT_LOADER_NAME: usize = 16;

/// Which of its fields are there: memory, modules, name.
const HAS: u32 = 1 << 0 | 1 << 3 | 1 << 9;

/// By this name a kernel knows that it has hypercalls.
const NAME: &[u8] = b"mini-kvm\0";

/// Tells of the memory, in KiB below and above 1 MiB, and of one module: the disk.
pub fn write(memory: &GuestMemoryMmap) -> Result<()> {
    let module = MULTIBOOT_ADDRESS.0 + 4 * WORDS as u64;
    let name = module + 16;
    let mut information = [0; WORDS];
    information[FLAGS] = HAS;
    information[MEM_LOWER] = 640;
    information[MEM_UPPER] = (memory.last_addr().0 + 1 >> 10) as u32 - 1024;
    information[MODS_COUNT] = 1;
    information[MODS_ADDR] = module as u32;
    information[BOOT_LOADER_NAME] = name as u32;

    let (start, end) = (DISK_ADDRESS.0 as u32, DISK_ADDRESS.0 as u32 + DISK_BYTES as u32);
    let written = memory.write_obj(information, MULTIBOOT_ADDRESS);
    let written = written.and(memory.write_obj([start, end, name as u32, 0], GuestAddress(module)));
    written.and(memory.write_slice(NAME, GuestAddress(name))).context("the Multiboot information")
}
