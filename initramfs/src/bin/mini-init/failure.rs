//! Why a program ends, in words for its user.

use std::fmt::Display;
use std::io::{self, Write};

use nix::errno::Errno;

/// What a program prints after its name, and the status with which it ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    pub message: String,
    pub status: u8,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), status: 1 }
    }

    /// The user called it in a way that it does not understand.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), status: 2 }
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::usage(error.to_string())
    }
}

/// An error of the standard output: all others are given the name of their file.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // Rust ignores SIGPIPE; this is how it would have ended us, without a word.
            return Self { message: String::new(), status: 128 + 13 };
        }
        Self::new(format!("standard output: {}", reason(&error)))
    }
}

/// The error in the C library's words alone: Rust adds "(os error 2)".
pub fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

/// Prints a message for the user. If nobody can read it, that is no reason to end.
pub fn say(message: impl Display) {
    let _ = writeln!(io::stderr(), "{message}");
}

/// Says what it was that failed.
pub trait Named<T> {
    fn named(self, thing: impl Display) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Named<T> for Result<T, E> {
    fn named(self, thing: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(format!("{thing}: {}", reason(&error.into()))))
    }
}
