//! The hypercall ABI, from the constants of `guests` and their doc comments.

use std::path::Path;

use anyhow::{Result, ensure};

use super::{docs, markdown, row};
use crate::figures::constants::Constants;

const FILE: &str = "guests/src/hypercall.rs";

/// Number, name, argument, effect.
pub fn table(checkout: &Path) -> Result<String> {
    let numbers = Constants::read(checkout, "guests/src")?;
    let mut calls = Vec::new();
    for (name, doc) in docs::constants(checkout, FILE)? {
        if name.starts_with("HC_") {
            ensure!(!doc.is_empty(), "{FILE}: {name} has no doc comment to put into the table");
            calls.push((numbers.number("hypercall", &name)?, name, doc));
        }
    }
    ensure!(!calls.is_empty(), "{FILE} has no constants HC_… any more");
    calls.sort();
    let mut rows = vec![row(["`AL`", "name", "argument", "effect"])];
    for (number, name, doc) in calls {
        // "`BL` = status: the guest ends with it." begins with an argument.
        let (argument, effect) = match doc.split_once(": ") {
            Some((argument, effect)) if argument.starts_with("`B") => (argument, effect),
            _ => ("", doc.as_str()),
        };
        let effect = effect.trim_end_matches('.');
        rows.push(row([&number.to_string(), &format!("`{name}`"), argument, &lower(effect)]));
    }
    Ok(markdown(&rows))
}

/// Begins with a small letter, as what stands in a cell does.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
