//! The cargo that runs us.

use std::process::Command;

/// A cargo command of the same toolchain as ours.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
