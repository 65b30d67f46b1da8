//! `--stat`: how many lines, and whether they are few enough.

use std::ops::AddAssign;

use super::{File, Kind};

/// Lines of Rust that a chapter may add: what a reader takes in on one evening.
const BUDGET: usize = 250;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub added: usize,
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

/// The table, and whether the chapter keeps to its budget.
pub fn table(new: &str, old: Option<&str>, files: &[File]) -> (String, bool) {
    let (mut all, mut rust) = (Counts::default(), Counts::default());
    let mut rows = Vec::new();
    for file in files {
        let counts = count(file);
        all += counts;
        if file.path.extension().is_some_and(|extension| extension == "rs") {
            rust += counts;
        }
        rows.push((file.path.display().to_string(), counts));
    }
    rows.push(("all".to_owned(), all));
    rows.push(("Rust".to_owned(), rust));

    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = format!("{new}, against {}\n", old.unwrap_or("nothing"));
    text += &format!("{:width$}  {:>6} {:>8} {:>6}\n", "", "added", "removed", "moved");
    for (name, Counts { added, removed, moved }) in rows {
        text += &format!("{name:width$}  {added:>6} {removed:>8} {moved:>6}\n");
    }
    let added = rust.added;
    text += &match added.checked_sub(BUDGET) {
        None | Some(0) => format!("{added} of {BUDGET} lines of Rust: within the budget\n"),
        Some(excess) => {
            format!("{added} of {BUDGET} lines of Rust: {excess} too many, make two steps of it\n")
        }
    };
    (text, added <= BUDGET)
}
