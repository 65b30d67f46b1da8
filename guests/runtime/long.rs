//! What a Rust guest has in place of `std`.
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//!
//! use runtime::println;
//!
//! runtime::entry!(main);
//!
//! fn main() {
//!     println!("Hello!");
//! }
//! ```
//!
//! The guest ends when `main` returns, with status 0, or when it calls [`exit`], or when it panics,
//! with [`PANIC_STATUS`].

#![no_std]

use core::fmt::{Result, Write};
use core::panic::PanicInfo;

#[path = "../src/hypercall.rs"]
pub mod hypercall;

/// The status of a guest that panicked.
pub const PANIC_STATUS: u8 = 3;

// SAFETY: this is how `long.S` defines them. Neither touches our memory, whatever its arguments.
unsafe extern "C" {
    /// Ends the guest. Up to 63 is a status; higher ones are for the VMM to give.
    pub safe fn exit(status: u8) -> !;

    /// Makes the hypercall of this number with `argument` in `BX`; returns `EAX`.
    #[link_name = "hypercall"]
    pub safe fn make_hypercall(number: u8, argument: u16) -> u32;
}

/// Names the function with which the guest begins: a `fn()`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        // SAFETY: this is the `main` that `long.S` calls, and there is no other.
        #[unsafe(export_name = "main")]
        extern "C" fn entry() -> u32 {
            let main: fn() = $main;
            main();
            0
        }
    };
}

/// As in `std`, by hypercall.
#[macro_export]
macro_rules! print {
    ($($arguments:tt)*) => { $crate::write(core::format_args!($($arguments)*)) };
}

/// As in `std`, by hypercall.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arguments:tt)*) => { $crate::print!("{}\n", core::format_args!($($arguments)*)) };
}

/// Where [`print!`] writes: a hypercall, and so a VM exit, a byte.
pub struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> Result {
        for byte in text.bytes() {
            make_hypercall(hypercall::HC_PUTCHAR, byte.into());
        }
        Ok(())
    }
}

/// What [`print!`] calls.
pub fn write(text: core::fmt::Arguments<'_>) {
    // Only a value's own `fmt` can fail: there is nobody to tell, and no more to print.
    let _ = Console.write_fmt(text);
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    println!("{info}");
    exit(PANIC_STATUS)
}
