//! Redirections: opens files in the place of the standard input and outputs.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::expand::{self, Lookup};
use super::lexer::Direction;
use super::parse::Redirection;
use crate::failure::{Failure, Named};

/// What was in the place of those that were redirected, the last one last.
#[derive(Default)]
pub struct Saved(Vec<(u8, OwnedFd)>);

/// Redirects, from left to right: `> file 2>&1` leads both to the file.
pub fn apply(redirections: &[Redirection], lookup: Lookup) -> Result<Saved, Failure> {
    let mut saved = Saved::default();
    for redirection in redirections {
        if let Err(failure) = apply_one(redirection, lookup, &mut saved) {
            saved.restore();
            return Err(failure);
        }
    }
    Ok(saved)
}

fn apply_one(redirection: &Redirection, lookup: Lookup, saved: &mut Saved) -> Result<(), Failure> {
    let number = redirection.descriptor;
    let target = expand::text(&redirection.target, lookup);
    let file: OwnedFd = match redirection.direction {
        Direction::From => File::open(&target).named(&target)?.into(),
        Direction::To => File::create(&target).named(&target)?.into(),
        Direction::Append => {
            File::options().append(true).create(true).open(&target).named(&target)?.into()
        }
        Direction::Copy => match target.as_str() {
            "0" => duplicate(0)?,
            "1" => duplicate(1)?,
            "2" => duplicate(2)?,
            _ => {
                return Err(Failure::new(format!("{target}: not 0, 1 or 2, which can be copied")));
            }
        },
    };
    saved.0.push((number, duplicate(number)?));
    replace(number, file.as_fd()).named(&target)
}

impl Saved {
    /// Undoes the redirections.
    pub fn restore(self) {
        // What is still in Rust's buffer was meant for the file.
        let _ = io::stdout().flush();
        for (number, old) in self.0.into_iter().rev() {
            // It was open in that place before: it can be again.
            let _ = replace(number, old.as_fd());
        }
    }
}

fn duplicate(number: u8) -> Result<OwnedFd, Failure> {
    let copy = match number {
        0 => io::stdin().as_fd().try_clone_to_owned(),
        1 => io::stdout().as_fd().try_clone_to_owned(),
        _ => io::stderr().as_fd().try_clone_to_owned(),
    };
    copy.named(format!("descriptor {number}"))
}

/// Puts a file in the place of the standard input (0), output (1) or error output (2).
pub fn replace(number: u8, file: BorrowedFd) -> nix::Result<()> {
    match number {
        0 => dup2_stdin(file),
        1 => {
            let _ = io::stdout().flush();
            dup2_stdout(file)
        }
        _ => dup2_stderr(file),
    }
}
