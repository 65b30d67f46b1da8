//! Changed copies of this workspace's packages: chapters and solutions with a patch applied, or as
//! they are halfway through a page of the book.
//!
//! A variant is a folder in a scratch workspace, which has the dependencies, versions and lints of
//! ours. All variants are built at once.

pub mod breaks;
mod cargo;
mod header;
mod manifest;
mod patch;
mod patched;
mod scratch;
#[cfg(test)]
mod tests;

pub use cargo::Built;
pub use header::Header;
pub use patch::Patch;
pub use patched::{add_patched, add_tree};
pub use scratch::Scratch;
