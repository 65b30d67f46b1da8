//! The zero page: what a boot loader tells Linux. Documentation/arch/x86/zero-page.rst, and boot.rst
//! for the setup header in it.

use std::mem::offset_of;

use linux_loader::loader::bootparam::{boot_e820_entry, boot_params, setup_header};
use vm_memory::{Address, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};

use crate::layout::{HIGH_MEMORY_START, LOW_MEMORY_END};
use crate::linux::HEADER_OFFSET;

// A kernel that finds one of these elsewhere fails far from here.
const _: () = assert!(offset_of!(boot_params, e820_entries) == 0x1e8);
const _: () = assert!(offset_of!(boot_params, hdr) == HEADER_OFFSET);
const _: () = assert!(offset_of!(boot_params, hdr.type_of_loader) == 0x210);
const _: () = assert!(offset_of!(boot_params, hdr.cmd_line_ptr) == 0x228);
const _: () = assert!(offset_of!(boot_params, e820_table) == 0x2d0);

/// A boot loader that has no number.
const UNDEFINED_LOADER: u8 = 0xff;

/// Memory that may be used.
const E820_RAM: u32 = 1;

/// What the kernel says of itself, it wants to be told again. To be called first: the rest is in it.
pub fn set_setup_header(zero_page: &mut boot_params, header: setup_header) {
    zero_page.hdr = header;
}

pub fn set_boot_loader(zero_page: &mut boot_params) {
    zero_page.hdr.type_of_loader = UNDEFINED_LOADER;
}

pub fn set_command_line(zero_page: &mut boot_params, address: GuestAddress) {
    zero_page.hdr.cmd_line_ptr = address.raw_value() as u32;
}

/// All memory but what a PC has between 640 KiB and 1 MiB.
pub fn set_memory_map(zero_page: &mut boot_params, memory: &GuestMemoryMmap) {
    let mut ranges = vec![(0, LOW_MEMORY_END)];
    for region in memory.iter() {
        let start = region.start_addr().raw_value().max(HIGH_MEMORY_START);
        ranges.push((start, region.last_addr().raw_value() + 1));
    }
    for (entry, (start, end)) in zero_page.e820_table.iter_mut().zip(&ranges) {
        *entry = boot_e820_entry { addr: *start, size: end - start, r#type: E820_RAM };
    }
    zero_page.e820_entries = ranges.len() as u8;
}
