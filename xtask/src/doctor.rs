//! `cargo xtask doctor`.
use anyhow::Result;
use std::process::ExitCode;
pub fn run(_json: bool) -> Result<ExitCode> {
    unimplemented!()
}
