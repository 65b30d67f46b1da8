//! Why a check ends early.

use std::io;

/// Why a check ends early.
#[derive(Debug)]
pub enum Stop {
    /// The answer is wrong: what its author should read.
    Failed(String),
    /// The check could not be made, which says nothing about the answer.
    Broken(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// What a check comes to.
pub type Result<T> = std::result::Result<T, Stop>;

/// Fails the task for this reason.
pub fn fail<T>(why: impl Into<String>) -> Result<T> {
    Err(Stop::Failed(why.into()))
}
