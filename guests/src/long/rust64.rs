//! rust64: Rust without its standard library: text, numbers, a list, the CPU's name. 130 exits: 129
//! characters and the HC_EXIT.

#![no_std]
#![no_main]

use core::arch::x86_64::__cpuid;
use core::hint::black_box;

use runtime::println;

runtime::entry!(main);

fn main() {
    println!("Hello from Rust!");

    let number = 1_u64 << 40;
    println!("2^40 = {number} = {number:#x}");
    println!("squares: {:?}", [1, 2, 3, 4, 5].map(|n| n * n));
    println!("square root of 2: {:.9}", square_root(2.0));
    println!("CPU: {}", vendor().escape_ascii());
}

/// By Newton's method. Numbers with a fraction live in the SSE registers, and compilers like these for
/// much else: without `CR4.OSFXSR` their first use, in printing 2^40 perhaps, is a #UD.
fn square_root(number: f64) -> f64 {
    let mut root = black_box(number); // else the compiler does the sum
    for _ in 0..6 {
        root = (root + number / root) / 2.0;
    }
    root
}

/// CPUID leaf 0: 12 letters in three registers.
fn vendor() -> [u8; 12] {
    let leaf = __cpuid(0);
    let mut vendor = [0; 12];
    for (bytes, register) in vendor.chunks_mut(4).zip([leaf.ebx, leaf.edx, leaf.ecx]) {
        bytes.copy_from_slice(&register.to_le_bytes());
    }
    vendor
}
