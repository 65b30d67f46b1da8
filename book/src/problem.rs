//! What is wrong with the book.

use std::fmt;
use std::path::PathBuf;

/// Something that `check` fails on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, from the top of the checkout.
    pub file: PathBuf,
    /// From 1; 0 if it is the whole file.
    pub line: usize,
    /// What is wrong, with which thing.
    pub what: String,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "error: {}", self.file.display())?;
        if self.line > 0 {
            write!(out, ":{}", self.line)?;
        }
        write!(out, ": {}", self.what)?;
        self.advice.lines().try_for_each(|line| write!(out, "\n  {line}"))
    }
}

/// What is wrong and what to do, where the place is known from elsewhere.
pub type Mistake = (String, String);

/// All problems, in order.
pub fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// How many.
pub fn count(problems: &[Problem]) -> String {
    match problems.len() {
        0 => "no problems\n".to_owned(),
        1 => "1 problem\n".to_owned(),
        many => format!("{many} problems\n"),
    }
}
