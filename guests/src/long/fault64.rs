//! fault64: reads its code through both mappings, then writes above the end of memory. N exits: N-1
//! characters and the fault.

#![no_std]
#![no_main]

use runtime::println;

runtime::entry!(main);

/// Where all memory is mapped a second time: the lowest address of the upper half.
const MAPPING: usize = 0xffff_8000_0000_0000;

const MEMORY_BYTES: usize = 16 << 20;

fn main() {
    let image = 0x1000;
    for address in [image, MAPPING + image] {
        let bytes = address as *const [u8; 4];
        // SAFETY: the image is mapped at both, and nobody writes to it.
        println!("{address:#018x}: {:02x?}", unsafe { bytes.read_volatile() });
    }

    let address = MAPPING + MEMORY_BYTES;
    println!("Writing to {address:#x}.");
    // SAFETY: nothing is there that the write could change.
    unsafe { (address as *mut u8).write_volatile(1) };
    println!("Nothing happened.");
    runtime::exit(1);
}
