//! `cargo xtask lab`: what there is to labs beside grading them. [`crate::grade`] uses what is here.

pub mod answer;
pub mod build;
pub mod check;
pub mod record;
pub mod session;
mod start;
mod wrong;

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::chapters::{Checkout, Mistake};
use crate::status;

#[derive(Subcommand)]
pub enum Command {
    /// Make a student's workspace for a lab: the chapter, guests and checks, no answers
    #[command(after_help = start::AFTER_HELP)]
    Start {
        /// ch07, 7 or ch07-hypercall
        chapter: String,
        /// Where it goes: a folder that does not exist yet, or is empty
        directory: PathBuf,
    },
    /// Hold the labs to what they promise: starters fail, solutions pass, wrong answers say why
    #[command(after_help = check::AFTER_HELP)]
    Check(check::Options),
}

/// Runs the command.
pub fn run(command: &Command) -> ExitCode {
    let result = match command {
        Command::Start { chapter, directory } => start::run(chapter, directory),
        Command::Check(options) => check::run(options),
    };
    result.unwrap_or_else(|error| fail(&error))
}

/// Refuses a command that needs the book and the solutions in a student's workspace.
pub fn need_whole_checkout(checkout: &Checkout, command: &str) -> Result<()> {
    let root = &checkout.root;
    if root.join("book/pages").is_dir() || root.join("solutions").is_dir() {
        return Ok(());
    }
    Err(NoInput(format!(
        "{}: this is a student's workspace, with neither the book nor the solutions\n  cargo xtask \
         {command} is for a whole checkout of mini-kvm",
        root.display()
    ))
    .into())
}

/// Runs such a command. Outside of any checkout it says so itself.
pub fn in_whole_checkout(
    command: &str,
    run: impl FnOnce() -> Result<ExitCode>,
) -> Result<ExitCode> {
    let here = Checkout::here();
    match here.map_or(Ok(()), |checkout| need_whole_checkout(&checkout, command)) {
        Ok(()) => run(),
        Err(error) => Ok(fail(&error)),
    }
}

/// Waits until no other command grades: they share the place where answers are built and checked.
/// The lock goes with the file.
pub fn take_turn(target: &Path) -> Result<File> {
    let folder = target.join("labs");
    let path = folder.join("lock");
    let file = fs::create_dir_all(&folder).and_then(|()| File::create(&path));
    let file = file.with_context(|| path.display().to_string())?;
    if file.try_lock().is_err() {
        eprintln!("grade: another command is grading: waiting for it…");
        file.lock().with_context(|| path.display().to_string())?;
    }
    Ok(file)
}

/// A file or folder that the user named is not there, or not what it should be.
#[derive(Debug)]
pub struct NoInput(pub String);

impl fmt::Display for NoInput {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for NoInput {}

/// Says what went wrong, and gives the status for it.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(if error.is::<Mistake>() {
        status::USAGE
    } else if error.is::<NoInput>() {
        status::NO_INPUT
    } else {
        status::of(error)
    })
}

/// The user named something that does not exist.
pub fn mistake<T>(what: impl Into<String>) -> Result<T> {
    Err(Mistake(what.into()).into())
}
