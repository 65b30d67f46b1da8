//! `cargo xtask`: the commands of students, instructors and maintainers.

mod bench;
mod cargo;
mod chaos;
mod chapters;
mod diff;
mod doctor;
mod elf;
mod forward;
mod fuzz;
mod grade;
mod kernel;
mod lab;
mod linux;
mod nest;
mod patched;
mod places;
mod programs;
mod runner;
mod static_program;
mod status;
mod test;
mod verdict;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The commands of students, instructors and maintainers.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", version, arg_required_else_help = true)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check whether this machine's KVM can run every chapter, and say how to mend it
    #[command(after_help = doctor::EXIT_STATUS)]
    Doctor {
        /// Print the checks and the verdict as JSON
        #[arg(long)]
        json: bool,
    },
    /// Check formatting, lint, build, run all tests, and check labs and book
    Test,
    /// Show what a chapter adds to the one before, with moved lines marked
    #[command(after_help = diff::AFTER_HELP)]
    Diff {
        /// ch07, 7 or ch07-hypercall
        chapter: String,
        /// Count the lines instead, and hold the Rust among them against the budget
        #[arg(long)]
        stat: bool,
    },
    /// Carry a change made in one chapter to all later ones and the solutions
    #[command(after_help = forward::AFTER_HELP)]
    Forward(forward::Options),
    /// Grade answers to the labs of chapters
    #[command(after_help = grade::AFTER_HELP)]
    Grade(grade::Options),
    /// Begin a lab, or check the labs themselves
    Lab {
        #[command(subcommand)]
        what: lab::Command,
    },
    /// Look for input that breaks what reads it, for long; `cargo test` does it briefly
    #[command(after_help = fuzz::AFTER_HELP)]
    Fuzz(fuzz::Options),
    /// Measure what the chapters cost
    #[command(after_help = bench::AFTER_HELP)]
    Bench(bench::Options),
    /// Run guests made at random on the chapters' VMMs: none may break its VMM
    #[command(after_help = chaos::AFTER_HELP)]
    Chaos(chaos::Options),
    /// Say where the kernel and the initramfs are that the chapters boot, getting what is missing
    #[command(after_help = linux::AFTER_HELP)]
    Linux {
        #[arg(value_name = "WHAT", default_values = linux::DEFAULT)]
        pieces: Vec<linux::Piece>,
    },
    /// Look after the emulated machine in which programs run where KVM is not complete
    #[command(after_help = nest::AFTER_HELP)]
    Nest {
        #[command(subcommand)]
        what: nest::What,
    },
    /// Build the broken chapters of tests/patches (cargo's runner calls this)
    #[command(hide = true)]
    Patched,
    /// Run a program where KVM is complete: here, or else in the nest (cargo's runner calls this)
    #[command(hide = true)]
    Run {
        /// Another program that it will start, again and again
        #[arg(long)]
        keep: Vec<PathBuf>,
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(help_or_error) => {
            let is_error = help_or_error.use_stderr();
            // Nothing is left to do when even this cannot be written.
            let _ = help_or_error.print();
            return ExitCode::from(if is_error { status::USAGE } else { 0 });
        }
    };
    run(options.command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(status::of(&error))
    })
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Doctor { json } => doctor::run(json),
        Command::Test => lab::in_whole_checkout("test", test::run),
        Command::Diff { chapter, stat } => Ok(diff::run(&chapter, stat)),
        Command::Forward(options) => Ok(forward::run(&options)),
        Command::Grade(options) => Ok(grade::run(&options)),
        Command::Lab { what } => Ok(lab::run(&what)),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Bench(options) => bench::run(options),
        Command::Chaos(options) => chaos::run(&options),
        Command::Linux { pieces } => linux::run(&pieces),
        Command::Nest { what } => nest::run_command(what),
        Command::Patched => patched::run(),
        Command::Run { keep, program, arguments } => runner::run(&keep, &program, &arguments),
    }
}
