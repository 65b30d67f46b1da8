//! rust64: a Rust program without `std` prints by core::fmt. N exits: N-1 characters and the
//! HC_EXIT.

#![no_std]
#![no_main]

use core::arch::x86_64::__cpuid;
use core::hint::black_box;

use runtime::{print, println};

runtime::entry!(main);

fn main() {
    println!("Hello from Rust!");

    let number = 1_u64 << 40;
    println!("2^40 = {number} = {number:#x}");
    println!("squares: {:?}", [1, 2, 3, 4, 5].map(|n| n * n));
    println!("sqrt(2) = {}", square_root(2.0));

    print!("CPU: ");
    for byte in vendor() {
        print!("{}", char::from(byte));
    }
    println!();
}

/// By Newton's method. Floating-point numbers live in the SSE registers: without `CR4.OSFXSR` the
/// first of these instructions is a #UD.
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
