//! `cargo xtask diff`: what a chapter adds to the one before.

mod moves;
mod print;
mod slide;
mod stat;

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use similar::{Algorithm, ChangeTag, TextDiff};

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

/// A file in which two chapters differ.
struct File {
    path: PathBuf,
    is_new: bool,
    is_gone: bool,
    /// All lines of both, in order; none if one of them is no text.
    lines: Vec<Line>,
}

struct Line {
    kind: Kind,
    /// Line numbers, from 1; 0 where it is not.
    old: usize,
    new: usize,
    /// Without its line end.
    text: String,
    ends: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Same,
    Removed,
    Added,
    /// To this place in the new chapter.
    MovedAway(Place),
    /// From this place in the old chapter.
    MovedHere(Place),
}

/// A line of a file, by the position of the file in the list and the number of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    file: usize,
    line: usize,
}

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

    let files = compare(&old, &new);
    let (text, within_budget) = if only_numbers {
        stat::table(new_name, old_name, &files)
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

/// The files that differ, with moved lines marked.
fn compare(old: &Tree, new: &Tree) -> Vec<File> {
    let paths: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let mut files: Vec<_> = paths
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path))
        .map(|path| File {
            path: path.clone(),
            is_new: !old.contains_key(path),
            is_gone: !new.contains_key(path),
            lines: lines(old.get(path), new.get(path)),
        })
        .collect();
    moves::mark(&mut files);
    files
}

fn lines(old: Option<&Vec<u8>>, new: Option<&Vec<u8>>) -> Vec<Line> {
    let text = |bytes: Option<&Vec<u8>>| String::from_utf8(bytes.cloned().unwrap_or_default());
    let (Ok(old), Ok(new)) = (text(old), text(new)) else {
        return Vec::new();
    };
    // The histogram keeps functions together where Myers would match stray braces.
    let diff = TextDiff::configure().algorithm(Algorithm::Histogram).diff_lines(&old, &new);
    let mut lines: Vec<_> = diff
        .iter_all_changes()
        .map(|change| Line {
            kind: match change.tag() {
                ChangeTag::Equal => Kind::Same,
                ChangeTag::Delete => Kind::Removed,
                ChangeTag::Insert => Kind::Added,
            },
            old: change.old_index().map_or(0, |index| index + 1),
            new: change.new_index().map_or(0, |index| index + 1),
            text: change.value().trim_end_matches(['\n', '\r']).to_owned(),
            ends: !change.missing_newline(),
        })
        .collect();
    slide::blocks(&mut lines);
    lines
}

#[cfg(test)]
mod tests;
