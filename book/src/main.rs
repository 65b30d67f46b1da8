//! `cargo run -p book`: builds, checks and serves the book.

use std::process::ExitCode;

use anyhow::Result;
use book::Verdict;
use chapter_diff::chapters::{Checkout, Mistake};
use clap::{Parser, Subcommand};

/// What was asked for ran, and found something wrong.
const FAILED: u8 = 1;
/// The command line was wrong (`EX_USAGE`).
const USAGE: u8 = 64;

/// Builds, checks and serves the book.
#[derive(Parser)]
#[command(bin_name = "cargo run -p book --", version, arg_required_else_help = true)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the book to target/book/, and say what is wrong
    Build,
    /// Show the book in a browser, built anew whenever its sources change
    Serve {
        /// Port of this machine; 0 for any
        #[arg(long, default_value_t = 3000)]
        port: u16,
    },
    /// Check that the book keeps its promises, and say all that is wrong
    Check {
        /// Only what is wrong with these: ch04, appendix-x86, ...
        pages: Vec<String>,
    },
    /// Compile what a reader has at the end of every step
    Steps {
        /// Only the steps of these: ch04, ...
        pages: Vec<String>,
    },
    /// List the hunks of a chapter's change, each with the directive that shows it
    Hunks {
        /// ch07, 7 or ch07-hypercall
        chapter: String,
    },
}

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(help_or_error) => {
            let is_error = help_or_error.use_stderr();
            // Nothing is left to do when even this cannot be written.
            let _ = help_or_error.print();
            return ExitCode::from(if is_error { USAGE } else { 0 });
        }
    };
    run(&options.command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(if error.is::<Mistake>() { USAGE } else { FAILED })
    })
}

fn run(command: &Command) -> Result<ExitCode> {
    let checkout = Checkout::here()?;
    match command {
        Command::Build => {
            let (first_page, verdict) = book::build(checkout)?;
            let status = say(&verdict);
            println!("the book: {}", first_page.display());
            Ok(status)
        }
        Command::Serve { port } => {
            book::serve(&checkout, *port)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { pages } => Ok(say(&book::check(checkout, pages)?)),
        Command::Steps { pages } => Ok(say(&book::steps(checkout, pages)?)),
        Command::Hunks { chapter } => {
            print!("{}", book::hunks(&checkout, chapter)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn say(verdict: &Verdict) -> ExitCode {
    print!("{}", verdict.report);
    ExitCode::from(if verdict.is_good { 0 } else { FAILED })
}
