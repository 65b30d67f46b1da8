//! What a kernel is told when it starts. Multiboot Specification 0.6.96, 3.2 and 3.3.

use anyhow::{Context, Result};
use vm_memory::{Bytes, GuestMemoryBackend, GuestMemoryMmap};

use crate::layout::{DISK_ADDRESS, DISK_BYTES, MULTIBOOT_ADDRESS};

/// In `EAX`: a Multiboot boot loader was here. `EBX` is the address of the information structure.
pub const MAGIC: u64 = 0x2bad_b002;

/// What the structure has: the size of memory, modules, the boot loader's name.
const FLAGS: u32 = 1 << 0 | 1 << 3 | 1 << 9;

/// Tells of the memory, in KiB below and above 1 MiB, and of one module: the disk. By our name a
/// kernel knows that it has hypercalls.
pub fn write(memory: &GuestMemoryMmap) -> Result<()> {
    let upper_kib = memory.last_addr().0 as u32 / 1024 - 1023;
    let (start, end) = (DISK_ADDRESS.0 as u32, DISK_ADDRESS.0 as u32 + DISK_BYTES as u32);
    let [module, name] = [17, 21].map(|word| MULTIBOOT_ADDRESS.0 as u32 + 4 * word);
    let [mini, kvm] = [*b"mini", *b"-kvm"].map(u32::from_le_bytes);
    #[rustfmt::skip] // the structure, the module, the name
    let information = [
        FLAGS, 640, upper_kib, 0, 0, 1, module, 0, 0, 0, 0, 0, 0, 0, 0, 0, name,
        start, end, name, 0,
        mini, kvm, 0,
    ];
    memory.write_obj(information, MULTIBOOT_ADDRESS).context("the Multiboot information")
}
