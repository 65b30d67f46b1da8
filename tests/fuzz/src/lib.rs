//! Malformed input for everything that parses, and what has to be true whatever it is.
//!
//! A target is a function that takes bytes and panics if a promise is broken. `cargo test` gives it
//! the kept cases and a fixed number of mutants of its seeds; `cargo xtask fuzz` gives the same
//! function to libFuzzer, which looks for bytes that lead to code that has not run yet.

pub mod file;
pub mod mutate;
pub mod os_1k;
pub mod run;

// The programs in `tests/` and `libfuzzer/` include these. Here they are only for rustfmt to find.
#[cfg(any())]
#[path = "../targets/roots/ch12.rs"]
mod ch12;
#[cfg(any())]
#[path = "../targets/roots/ch14.rs"]
mod ch14;
#[cfg(any())]
#[path = "../targets/roots/ch15.rs"]
mod ch15;
#[cfg(any())]
#[path = "../targets/roots/initramfs.rs"]
mod initramfs;

#[cfg(feature = "libfuzzer")]
pub use libfuzzer_sys;

use mutate::Field;

/// Something that parses.
pub struct Target {
    /// Of its folder in `corpus/`, too.
    pub name: &'static str,
    /// Real images, or whatever else it usually gets.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// The numbers in them that it believes.
    pub fields: &'static [Field],
    /// Panics if these bytes break a promise.
    pub run: fn(&[u8]),
    /// How many mutants `cargo test` makes.
    pub cases: u32,
    /// How many bytes it may have allocated at a time.
    pub allocated_max: usize,
}

/// A test of each target: the kept cases, then mutants.
#[macro_export]
macro_rules! tests {
    ($($name:ident: $target:expr;)*) => {
        #[cfg(test)]
        mod cases {
            $(
                #[test]
                fn $name() {
                    $crate::run::briefly(&$target);
                }
            )*
        }
    };
}

/// The entry points that libFuzzer looks for. `FUZZ_TARGET` says which target it is.
#[cfg(feature = "libfuzzer")]
#[macro_export]
macro_rules! libfuzzer {
    ($($name:ident: $target:expr;)*) => {
        static TARGETS: &[$crate::Target] = &[$($target),*];

        $crate::libfuzzer_sys::fuzz_target!(
            init: $crate::run::begin(TARGETS),
            |data: &[u8]| $crate::run::one(data)
        );

        $crate::libfuzzer_sys::fuzz_mutator!(
            |data: &mut [u8], size: usize, max_size: usize, seed: u32| {
                $crate::mutate::in_place(data, size, max_size, seed)
            }
        );
    };
}
