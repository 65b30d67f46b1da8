//! fault64: uses memory through both its mappings, then writes above its end. 90 exits: 89
//! characters and the fault.

#![no_std]
#![no_main]

use runtime::println;

runtime::entry!(main);

/// Where all memory is mapped a second time: the lowest address of the higher half.
const MAPPING: usize = 0xffff_8000_0000_0000;

const MEMORY_BYTES: usize = 16 << 20;

/// Between the image and the stack, where nothing is.
const FREE: usize = MEMORY_BYTES / 2;

fn main() {
    write(FREE, 42);
    println!("Read {} at {:#x}.", read(MAPPING + FREE), MAPPING + FREE);
    write(MAPPING + MEMORY_BYTES, 42);
    println!("Nothing happened.");
    runtime::exit(1)
}

fn write(address: usize, number: u8) {
    println!("Writing {number} to {address:#x}.");
    // SAFETY: nobody uses this memory, if there is any.
    unsafe { (address as *mut u8).write_volatile(number) }
}

fn read(address: usize) -> u8 {
    // SAFETY: every number is a `u8`.
    unsafe { (address as *const u8).read_volatile() }
}
