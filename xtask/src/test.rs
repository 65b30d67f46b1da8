//! `cargo xtask test`.
use anyhow::Result;
use std::process::ExitCode;
pub fn run() -> Result<ExitCode> {
    unimplemented!()
}
