//! How many lines.

use std::ops::AddAssign;

use crate::{File, Kind};

/// Lines of Rust that a chapter may add: what a reader takes in on one evening.
pub const BUDGET: usize = 250;

/// Lines of one file, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines that are new.
    pub added: usize,
    /// Lines that are gone.
    pub removed: usize,
    /// Counted where they arrived.
    pub moved: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.added += other.added;
        self.removed += other.removed;
        self.moved += other.moved;
    }
}

/// The changed lines of a file.
pub fn count(file: &File) -> Counts {
    let mut counts = Counts::default();
    for line in &file.lines {
        match line.kind {
            Kind::Added => counts.added += 1,
            Kind::Removed => counts.removed += 1,
            Kind::MovedHere(_) => counts.moved += 1,
            Kind::MovedAway(_) | Kind::Same => {}
        }
    }
    counts
}

/// The changed lines of all Rust: what is held against the budget.
pub fn rust(files: &[File]) -> Counts {
    let mut all = Counts::default();
    for file in files.iter().filter(|file| file.path.extension().is_some_and(|end| end == "rs")) {
        all += count(file);
    }
    all
}
