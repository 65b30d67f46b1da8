//! `/init` of the nest: prepares the machine, then runs the commands that the outside sends.

mod clock;
mod command;
mod group;
mod kept;
mod machine;
mod output;
mod root;
mod serve;
mod session;

use std::convert::Infallible;
use std::process::ExitCode;

use anyhow::{Context, Result};
use nix::sys::reboot::{RebootMode, reboot};

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("error: nest-agent is the first process of the nest, and of use only there");
        return ExitCode::from(64);
    }
    let Err(error) = run();
    // This goes to the console, whose last lines the outside shows.
    eprintln!("nest-agent: {error:#}");
    // QEMU runs with -no-reboot, so this ends it.
    let _ = reboot(RebootMode::RB_AUTOBOOT);
    ExitCode::FAILURE
}

fn run() -> Result<Infallible> {
    let port = machine::prepare().context("cannot prepare the nest")?;
    serve::serve(port).context("cannot serve the nest")
}
