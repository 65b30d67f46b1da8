//! The chapters: what each adds, in words and in lines, and what it runs if nobody says what.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use chapter_diff::chapters::{Checkout, Package, Tree};
use chapter_diff::{View, compare, rust};

use super::{markdown, row};
use crate::figures::constants::Constants;

/// What the first chapters show: they have no guest to choose.
const WITHOUT_GUESTS: [&str; 3] =
    ["what KVM can do", "the memory map", "the registers before and after `hlt`"];

/// Package, what it adds, lines, default run.
pub fn table(checkout: &Path) -> Result<String> {
    let tree = Checkout::at(checkout)?;
    let mut rows = vec![row(["package", "adds", "lines of Rust added", "default run"])];
    let mut before = Tree::new();
    for (index, name) in tree.chapters.iter().enumerate() {
        let after = tree.tree(&Package::chapter(name))?;
        let added = rust(&compare(&before, &after, View::Patch)).added;
        let run = match WITHOUT_GUESTS.get(index) {
            Some(words) => (*words).to_owned(),
            None => default_guests(checkout, name)?,
        };
        rows.push(row([&format!("`{name}`"), &adds(checkout, name)?, &added.to_string(), &run]));
        before = after;
    }
    Ok(markdown(&rows))
}

/// What the first line of `main.rs` says: `//! Chapter 5: a serial port that the guest can print on.`
fn adds(checkout: &Path, package: &str) -> Result<String> {
    let file = format!("chapters/{package}/src/main.rs");
    let source = fs::read_to_string(checkout.join(&file)).with_context(|| file.clone())?;
    let line = source.lines().next().and_then(|line| line.strip_prefix("//! Chapter "));
    let words = line.and_then(|line| line.split_once(": ")).map(|(_, words)| words);
    let words = words.with_context(|| format!("{file} does not begin with //! Chapter N: …"))?;
    Ok(words.trim_end_matches('.').to_owned())
}

fn default_guests(checkout: &Path, package: &str) -> Result<String> {
    let constants = Constants::of_chapter(checkout, package)?;
    let guests = constants.defaults("guests").or_else(|_| constants.defaults("guest"))?;
    Ok(guests.iter().map(|guest| format!("`{guest}`")).collect::<Vec<_>>().join(", "))
}
