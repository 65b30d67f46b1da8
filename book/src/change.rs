//! What a chapter adds to the one before, in hunks that a page can show.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use chapter_diff::chapters::{Checkout, Package, Tree};
use chapter_diff::{File, Kind, Line, View, compare, rust};

use crate::directive::Target;
use crate::problem::Mistake;

/// The change that a chapter is.
pub struct Change {
    pub chapter: String,
    pub old: Tree,
    pub new: Tree,
    /// The files that differ.
    pub files: Vec<File>,
    /// In the order of the files, and of their lines.
    pub hunks: Vec<Hunk>,
    /// Lines of Rust that are new: what the budget is for.
    pub added: usize,
}

/// Changed lines of one item with no unchanged line between.
pub struct Hunk {
    /// Position in the list of files.
    pub file: usize,
    pub item: Arc<str>,
    /// From 1, within the item.
    pub number: usize,
    /// Positions in the file's list of lines.
    pub lines: Range<usize>,
}

/// Which hunks have been applied, by their positions in the list.
pub type Applied = Vec<bool>;

impl Change {
    /// The change of the chapter at `position` in the book.
    pub fn of(checkout: &Checkout, position: usize) -> Result<Self> {
        let chapter = checkout.chapters[position].clone();
        let new = checkout.tree(&Package::chapter(&chapter))?;
        let old = match position.checked_sub(1).map(|before| &checkout.chapters[before]) {
            Some(before) => checkout.tree(&Package::chapter(before))?,
            None => Tree::new(),
        };
        let files = compare(&old, &new, View::Items);
        let hunks = files.iter().enumerate().flat_map(|(index, file)| hunks(index, file)).collect();
        // As `cargo xtask diff --stat` counts.
        let added = rust(&compare(&old, &new, View::Patch)).added;
        Ok(Self { chapter, old, new, files, hunks, added })
    }

    /// The path of a hunk's file.
    pub fn path(&self, hunk: &Hunk) -> String {
        self.files[hunk.file].path.display().to_string()
    }

    /// How a page asks for this hunk.
    pub fn target(&self, hunk: &Hunk) -> String {
        let (item, numbered) =
            (quoted(&hunk.item), self.of_item(hunk.file, &hunk.item).count() > 1);
        let mut text = self.path(hunk);
        if !hunk.item.is_empty() {
            text += &format!(" item={item}");
        }
        if numbered {
            text += &format!(" hunk={}", hunk.number);
        }
        text
    }

    fn of_item(&self, file: usize, item: &str) -> impl Iterator<Item = (usize, &Hunk)> {
        self.of_file(file).filter(move |(_, hunk)| &*hunk.item == item)
    }

    /// The hunks of a file, with their positions.
    pub fn of_file(&self, file: usize) -> impl Iterator<Item = (usize, &Hunk)> {
        self.hunks.iter().enumerate().filter(move |(_, hunk)| hunk.file == file)
    }

    /// The file and the hunks that a directive is about, by their positions.
    pub fn find(&self, target: &Target) -> Result<(usize, Vec<usize>), Mistake> {
        let name = &target.file;
        let Some(file) = self.files.iter().position(|file| file.path == Path::new(name)) else {
            let exists = self.new.contains_key(Path::new(name));
            let changed: Vec<_> =
                self.files.iter().map(|file| file.path.display().to_string()).collect();
            return Err((
                format!(
                    "{name}: {}",
                    match exists {
                        true => format!("{} does not change this file", self.chapter),
                        false => format!("there is no such file in {}", self.chapter),
                    }
                ),
                format!("the files that change: {}", changed.join(", ")),
            ));
        };
        let mut found = Vec::new();
        if target.items.is_empty() {
            found.extend(self.of_file(file).map(|(index, _)| index));
        }
        for item in &target.items {
            let before = found.len();
            found.extend(self.of_item(file, item).map(|(index, _)| index));
            if found.len() == before {
                return Err(self.no_such_item(file, item));
            }
        }
        if let Some(wanted) = &target.hunks {
            let count = found.len();
            if wanted.last() > count {
                let what = target.items.first().map_or(name.as_str(), String::as_str);
                return Err((
                    format!("hunk={}: {what} has {count} hunks", wanted.last()),
                    format!("`cargo run -p book -- hunks {}` lists them", self.chapter),
                ));
            }
            let mut number = 0;
            found.retain(|_| {
                number += 1;
                wanted.contains(number)
            });
        }
        found.sort_unstable();
        Ok((file, found))
    }

    fn no_such_item(&self, file: usize, item: &str) -> Mistake {
        let path = self.files[file].path.display();
        let mut changed: Vec<_> = self.of_file(file).map(|(_, hunk)| quoted(&hunk.item)).collect();
        changed.dedup();
        let exists = self.files[file].lines.iter().any(|line| &*line.item == item);
        let what = match exists {
            true => format!("{path} item={item}: {} does not change this item", self.chapter),
            false => format!("{path}: there is no item {item:?} in {}", self.chapter),
        };
        (what, format!("the items that change: {}", changed.join(", ")))
    }

    /// The files as they are once these hunks have been applied to the previous chapter.
    pub fn tree(&self, applied: &Applied) -> Tree {
        let mut tree = self.old.clone();
        for (index, file) in self.files.iter().enumerate() {
            let of_file = || self.of_file(index).map(|(hunk, _)| applied[hunk]);
            let exists = match (file.is_new, file.is_gone) {
                (true, _) => of_file().any(|is_applied| is_applied),
                (_, true) => !of_file().all(|is_applied| is_applied),
                _ => true,
            };
            if !exists {
                tree.remove(&file.path);
            } else if of_file().any(|is_applied| is_applied) {
                let lines: Vec<_> = self.lines(index, applied).collect();
                let last = lines.len().saturating_sub(1);
                let mut text = String::new();
                for (position, line) in lines.into_iter().enumerate() {
                    text += &line.text;
                    // A line that was the last may not be the last now.
                    if line.ends || position < last {
                        text.push('\n');
                    }
                }
                tree.insert(file.path.clone(), text.into_bytes());
            }
        }
        tree
    }

    /// The lines that are in a file once these hunks have been applied.
    pub fn lines(&self, file: usize, applied: &Applied) -> impl Iterator<Item = &Line> {
        let states = self.states(file, applied);
        let lines = self.files[file].lines.iter().zip(states);
        lines.filter(|(line, applied)| is_there(line, *applied)).map(|(line, _)| line)
    }

    /// For each line of a file, whether its hunk has been applied. That of an unchanged line has not.
    pub fn states(&self, file: usize, applied: &Applied) -> Vec<bool> {
        let mut states = vec![false; self.files[file].lines.len()];
        for (index, hunk) in self.of_file(file) {
            states[hunk.lines.clone()].fill(applied[index]);
        }
        states
    }
}

/// Whether a line is in the file, by whether its hunk has been applied.
pub fn is_there(line: &Line, applied: bool) -> bool {
    match line.kind {
        Kind::Same => true,
        Kind::Added | Kind::MovedHere(_) => applied,
        Kind::Removed | Kind::MovedAway(_) => !applied,
    }
}

fn hunks(index: usize, file: &File) -> Vec<Hunk> {
    let mut hunks: Vec<Hunk> = Vec::new();
    for (position, line) in file.lines.iter().enumerate() {
        if line.kind == Kind::Same {
            continue;
        }
        match hunks.last_mut() {
            Some(last) if last.lines.end == position && last.item == line.item => {
                last.lines.end = position + 1;
            }
            _ => {
                let number = 1 + hunks.iter().filter(|hunk| hunk.item == line.item).count();
                hunks.push(Hunk {
                    file: index,
                    item: Arc::clone(&line.item),
                    number,
                    lines: position..position + 1,
                });
            }
        }
    }
    hunks
}

/// As the value of an argument of a directive.
pub fn quoted(text: &str) -> String {
    if text.contains(' ') { format!("\"{text}\"") } else { text.to_owned() }
}
