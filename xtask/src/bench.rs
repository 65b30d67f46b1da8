//! `cargo xtask bench`.

mod bare;
mod exits;
mod image;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

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
    /// Run an image in the bare loop, to be measured
    #[command(hide = true)]
    Bare { image: PathBuf },
}

pub fn run(what: What) -> Result<ExitCode> {
    match what {
        What::Exits { rounds, here: true } => exits::measure(rounds),
        What::Exits { rounds, here: false } => exits::build_and_measure(rounds),
        What::Bare { image } => bare::run(&image),
    }
}
