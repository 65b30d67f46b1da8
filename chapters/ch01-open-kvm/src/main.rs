//! Chapter 1: open `/dev/kvm` and ask it what it can do.

mod exit;
mod kvm;

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::kvm::{CAPABILITIES, open_kvm, require_capabilities};

/// The last chapter of the book: it needs every capability that we ask for.
const LAST_CHAPTER: u8 = 15;

/// Opens /dev/kvm and reports what it can do.
#[derive(Parser)]
#[command(version)]
struct Options {}

fn main() -> ExitCode {
    ExitCode::from(match Options::try_parse() {
        Ok(options) => run(&options).unwrap_or_else(|error| exit::failure(&error)),
        Err(help_or_error) => exit::usage(&help_or_error),
    })
}

fn run(_options: &Options) -> Result<u8> {
    let kvm = open_kvm()?;

    let mut out = stdout().lock();
    writeln!(out, "KVM API version {}", kvm.get_api_version())?;
    for capability in &CAPABILITIES {
        let answer = if capability.is_offered_by(&kvm) { "yes" } else { "no" };
        let (name, chapter, purpose) = (capability.name, capability.chapter, capability.purpose);
        writeln!(out, "{answer:<3}  {name:<22}  chapter {chapter:>2}: {purpose}")?;
    }

    require_capabilities(&kvm, LAST_CHAPTER)?;
    Ok(exit::SUCCESS)
}
