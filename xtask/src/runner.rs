//! Where a program that needs KVM runs: here, or in the nest.
use anyhow::Result;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;
pub fn run(_program: &OsStr, _arguments: &[OsString]) -> Result<ExitCode> {
    unimplemented!()
}
