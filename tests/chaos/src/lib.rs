//! Chaos guests: images made at random, and what a VMM must do with whatever it is given.
//!
//! [`generate`] makes a [`case`], [`check`] runs it and says whether the VMM kept its promises
//! ([`verdict`]), [`minimise`] makes one small in which it did not. `cargo xtask chaos` runs the program
//! of this package where KVM is complete; `tests/kvm_cases.rs` runs the cases that are kept.

pub mod case;
pub mod chapters;
pub mod check;
pub mod code;
pub mod generate;
pub mod image;
pub mod minimise;
pub mod process;
pub mod target;
pub mod value;
pub mod verdict;
