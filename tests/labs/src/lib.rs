//! What the labs are. `labs.toml` lists them with their tasks, `hints/` has two hints for each task,
//! `wrong/` the wrong answers that are kept, and the book's pages the text of the tasks.
//!
//! The checks themselves are the package in `checks/`: a program that runs where KVM is complete, and
//! talks to `cargo xtask grade` as [`protocol`] says.

pub mod hints;
mod manifest;
pub mod page;
pub mod protocol;

pub use manifest::{Lab, Labs, Task, short};
