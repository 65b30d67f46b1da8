//! `cargo xtask bench`.

mod bare;
mod counters;
mod exits;
mod image;
mod linux;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

#[derive(clap::Subcommand)]
pub enum What {
    /// Nanoseconds per VM exit of chapters 5 and 7, against a loop that does nothing but KVM_RUN
    #[command(after_help = exits::EXIT_STATUS)]
    Exits {
        /// How often every loop is measured
        #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Measure on this machine, whatever its KVM: we are where we want to be
        #[arg(long, hide = true)]
        here: bool,
    },
    /// Seconds and VM exits of a boot of Linux on chapter 15, against QEMU with KVM
    #[command(after_help = linux::EXIT_STATUS)]
    Linux {
        /// How often every machine boots, after once that is not counted
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        #[command(flatten)]
        files: linux::Files,
        /// Measure on this machine, whatever its KVM: we are where we want to be
        #[arg(long, hide = true)]
        here: bool,
    },
    /// Run an image in the bare loop, to be measured
    #[command(hide = true)]
    Bare { image: PathBuf },
}

pub fn run(what: What) -> Result<ExitCode> {
    match what {
        What::Exits { rounds, here: true } => exits::measure(rounds),
        What::Exits { rounds, here: false } => exits::build_and_measure(rounds),
        What::Linux { rounds, files, here: true } => linux::measure(rounds, files),
        What::Linux { rounds, files, here: false } => linux::build_and_measure(rounds, files),
        What::Bare { image } => bare::run(&image),
    }
}

/// The CPU time, in user mode, in the kernel and as a guest, of all children that have ended.
fn cpu_time_of_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("getrusage")?;
    let time = usage.user_time() + usage.system_time();
    Ok(Duration::from_micros(time.num_microseconds().unsigned_abs()))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
    }
}
