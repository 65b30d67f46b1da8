//! `cargo xtask diff`: what a chapter adds to the one before.

mod print;
mod table;

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use chapter_diff::{View, compare};

use crate::chapters::{self, Checkout, Package, Tree};
use crate::status;

/// What the lines begin with, and the exit status, for `--help`.
pub const AFTER_HELP: &str = "\
Every line of a hunk begins with its kind:
  -  removed       +  added
  <  moved away    >  moved here, perhaps indented in another way

Exit status:
   0  the chapter's change was shown
   1  --stat: the chapter adds more Rust than its budget
  64  there is no such chapter";

/// Runs the command.
pub fn run(chapter: &str, only_numbers: bool) -> ExitCode {
    attempt(chapter, only_numbers).unwrap_or_else(|error| chapters::fail(&error))
}

fn attempt(chapter: &str, only_numbers: bool) -> Result<ExitCode> {
    let checkout = Checkout::here()?;
    let position = checkout.position(chapter)?;
    let new_name = &checkout.chapters[position];
    let new = checkout.tree(&Package::chapter(new_name))?;
    let (old_name, old) = match position.checked_sub(1).map(|before| &checkout.chapters[before]) {
        Some(name) => (Some(name.as_str()), checkout.tree(&Package::chapter(name))?),
        None => (None, Tree::new()),
    };

    let files = compare(&old, &new, View::Patch);
    let (text, within_budget) = if only_numbers {
        table::table(new_name, old_name, &files)
    } else {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colored = io::stdout().is_terminal() && !no_color;
        (print::hunks(new_name, old_name, &files, colored), true)
    };
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads us has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        other => other.context("stdout")?,
    }
    Ok(ExitCode::from(if within_budget { 0 } else { status::FAILED }))
}

#[cfg(test)]
mod tests;
