//! Chapter 1: open `/dev/kvm` and ask it what it can do.

mod cpuid;
mod exit;
mod kvm;

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::cpuid::{Cpu, FEATURES};
use crate::kvm::{CAPABILITIES, open_kvm, require_capabilities, supported_cpuid};

/// The last chapter of the book: it needs every capability that we ask for.
const LAST_CHAPTER: u8 = 15;

/// Opens /dev/kvm and reports what it can do.
#[derive(Parser)]
#[command(version)]
#[group(multiple = false)]
struct Options {
    /// Print KVM's numbers in place of yes and no
    #[arg(long)]
    numbers: bool,
    /// Print who the guest's CPU is
    #[arg(long)]
    cpu: bool,
    /// Print what the guest's CPU can do
    #[arg(long)]
    features: bool,
}

fn main() -> ExitCode {
    ExitCode::from(match Options::try_parse() {
        Ok(options) => run(&options).unwrap_or_else(|error| exit::failure(&error)),
        Err(help_or_error) => exit::usage(&help_or_error),
    })
}

fn run(options: &Options) -> Result<u8> {
    let kvm = open_kvm()?;

    let mut out = stdout().lock();
    if options.cpu || options.features {
        let cpuid = supported_cpuid(&kvm)?;
        let cpu = Cpu::new(cpuid.as_slice());
        if options.cpu {
            write!(out, "{cpu}")?;
        } else {
            for feature in &FEATURES {
                let answer = if cpu.has(feature) { "yes" } else { "no" };
                writeln!(out, "{answer:<3}  {}", feature.name)?;
            }
        }
        return Ok(exit::SUCCESS);
    }

    writeln!(out, "KVM API version {}", kvm.get_api_version())?;
    for capability in &CAPABILITIES {
        let (name, chapter, purpose) = (capability.name, capability.chapter, capability.purpose);
        if options.numbers {
            let number = capability.number(&kvm);
            writeln!(out, "{number:<5}  {name:<22}  chapter {chapter:>2}: {purpose}")?;
        } else {
            let answer = if capability.is_offered_by(&kvm) { "yes" } else { "no" };
            writeln!(out, "{answer:<3}  {name:<22}  chapter {chapter:>2}: {purpose}")?;
        }
    }

    require_capabilities(&kvm, LAST_CHAPTER)?;
    Ok(exit::SUCCESS)
}
