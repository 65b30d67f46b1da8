//! rust64-panic: reads beyond the end of an array: a panic, status 3. 139 exits: 138 characters and
//! the HC_EXIT.

#![no_std]
#![no_main]

use core::hint::black_box;

use runtime::println;

runtime::entry!(main);

fn main() {
    let primes = [2, 3, 5, 7];
    let index = black_box(primes.len()); // else the compiler sees it, and refuses
    println!("Reading number {index} of {primes:?}.");
    println!("It is {}.", primes[index]);
}
