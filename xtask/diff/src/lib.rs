//! What a chapter adds to the one before: compared item by item, with moved lines marked.
//!
//! `cargo xtask diff` prints it, and the book shows it.

pub mod chapters;
mod items;
mod moves;
mod pairs;
mod slide;
mod stat;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use similar::{Algorithm, ChangeTag, TextDiff};

use chapters::Tree;
use items::Segment;
pub use items::{Item, items};
pub use stat::{BUDGET, Counts, count, rust};

/// A file in which two chapters differ.
#[derive(Debug)]
pub struct File {
    /// In the folder of its chapter.
    pub path: PathBuf,
    /// The older chapter has no such file.
    pub is_new: bool,
    /// The newer chapter has no such file.
    pub is_gone: bool,
    /// All lines of both, in order; none if one of them is no text.
    pub lines: Vec<Line>,
}

/// A line of the older file, of the newer one, or of both.
#[derive(Debug)]
pub struct Line {
    /// What became of it.
    pub kind: Kind,
    /// Its number in the older file, from 1; 0 where it is not.
    pub old: usize,
    /// Its number in the newer file, from 1; 0 where it is not.
    pub new: usize,
    /// Without its line end.
    pub text: String,
    /// Whether it has a line end.
    pub ends: bool,
    /// The item it belongs to; nothing in a file that is not Rust, and in [`View::Patch`].
    pub item: Arc<str>,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is in both files.
    Same,
    /// It is only in the older one.
    Removed,
    /// It is only in the newer one.
    Added,
    /// To this place in the new chapter.
    MovedAway(Place),
    /// From this place in the old chapter.
    MovedHere(Place),
}

/// A line of a file, by the position of the file in the list and the number of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Position in the list of files that differ.
    pub file: usize,
    /// Number, from 1.
    pub line: usize,
}

/// How two files are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// As a whole, as a patch does: the fewest changed lines, which is what a budget counts.
    Patch,
    /// Item by item: a line is never taken for one of another item, and no hunk reaches from one
    /// item into the next.
    Items,
}

/// The files that differ, in the order of their paths, with moved lines marked.
pub fn compare(old: &Tree, new: &Tree, view: View) -> Vec<File> {
    let paths: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let mut files: Vec<_> = paths
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path))
        .map(|path| File {
            path: path.clone(),
            is_new: !old.contains_key(path),
            is_gone: !new.contains_key(path),
            lines: lines(path, old.get(path), new.get(path), view),
        })
        .collect();
    moves::mark(&mut files);
    files
}

fn lines(path: &Path, old: Option<&Vec<u8>>, new: Option<&Vec<u8>>, view: View) -> Vec<Line> {
    let text = |bytes: Option<&Vec<u8>>| String::from_utf8(bytes.cloned().unwrap_or_default());
    let (Ok(old), Ok(new)) = (text(old), text(new)) else {
        return Vec::new();
    };
    let segments = |text: &str| match view {
        View::Items => items::segments(path, text),
        View::Patch => items::whole(text),
    };
    let (old_segments, new_segments) = (segments(&old), segments(&new));
    let (old, new) = (Side::new(&old, &old_segments), Side::new(&new, &new_segments));

    // Items first, so that no line of one is taken for a line of another.
    let mut lines = Vec::new();
    for (before, after) in pairs::segments(&old, &new) {
        match (before, after) {
            (Some(before), Some(after)) => lines.extend(within_item(&old, before, &new, after)),
            (Some(before), None) => lines.extend(old.all(before, Kind::Removed)),
            (None, Some(after)) => lines.extend(new.all(after, Kind::Added)),
            (None, None) => {}
        }
    }
    lines
}

/// One of the two files.
struct Side<'a> {
    lines: Vec<&'a str>,
    segments: &'a [Segment],
}

impl<'a> Side<'a> {
    fn new(text: &'a str, segments: &'a [Segment]) -> Self {
        Self { lines: text.split_inclusive('\n').collect(), segments }
    }

    fn text(&self, segment: usize) -> String {
        self.lines[self.segments[segment].lines.clone()].concat()
    }

    /// A segment that the other file does not have.
    fn all(&self, segment: usize, kind: Kind) -> impl Iterator<Item = Line> {
        let segment = &self.segments[segment];
        segment.lines.clone().map(move |index| {
            let (old, new) = if kind == Kind::Removed { (index + 1, 0) } else { (0, index + 1) };
            line(kind, old, new, self.lines[index], &segment.item)
        })
    }
}

fn within_item(old: &Side, before: usize, new: &Side, after: usize) -> Vec<Line> {
    let (old_text, new_text) = (old.text(before), new.text(after));
    let (before, after) = (&old.segments[before], &new.segments[after]);
    // The histogram keeps blocks together where Myers would match stray braces.
    let diff =
        TextDiff::configure().algorithm(Algorithm::Histogram).diff_lines(&old_text, &new_text);
    let mut lines: Vec<_> = diff
        .iter_all_changes()
        .map(|change| {
            let kind = match change.tag() {
                ChangeTag::Equal => Kind::Same,
                ChangeTag::Delete => Kind::Removed,
                ChangeTag::Insert => Kind::Added,
            };
            let old = change.old_index().map_or(0, |index| before.lines.start + index + 1);
            let new = change.new_index().map_or(0, |index| after.lines.start + index + 1);
            line(kind, old, new, change.value(), &after.item)
        })
        .collect();
    slide::blocks(&mut lines);
    lines
}

fn line(kind: Kind, old: usize, new: usize, text: &str, item: &Arc<str>) -> Line {
    let ends = text.ends_with('\n');
    let text = text.trim_end_matches(['\n', '\r']).to_owned();
    Line { kind, old, new, text, ends, item: Arc::clone(item) }
}
