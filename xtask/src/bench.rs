//! `cargo xtask bench`.
use anyhow::Result;
use std::process::ExitCode;
#[derive(clap::Subcommand)]
pub enum What {
    /// Nanoseconds per VM exit, against a bare loop
    Exits,
}
pub fn run(_what: What) -> Result<ExitCode> {
    unimplemented!()
}
