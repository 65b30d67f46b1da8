//! Output that was typed instead of taken from a snapshot.

use std::collections::HashMap;

use crate::book::Book;
use crate::page::{Fence, Page};
use crate::problem::{Mistake, Problem};

/// The language of commands.
const CONSOLE: &str = "console";

/// A line as long as this that stands in a snapshot does not stand on a page by chance.
const TELLING: usize = 12;

/// What is wrong with the fenced blocks of a page.
pub fn check(book: &Book, page: &Page) -> Vec<Problem> {
    if page.fences.is_empty() {
        return Vec::new();
    }
    let mut printed: HashMap<&str, &str> = HashMap::new();
    for (case, snapshot) in &book.snapshots {
        for line in snapshot.lines().map(str::trim).filter(|line| line.len() >= TELLING) {
            printed.entry(line).or_insert(case);
        }
    }
    let wrong = |fence: &Fence| {
        let mistake = match fence.info.as_str() {
            "" => Some((
                0,
                (
                    "a fenced block that does not say what it is".to_owned(),
                    "```console for commands, ```text for a layout, ```rust, ```asm, ..."
                        .to_owned(),
                ),
            )),
            CONSOLE => console(fence),
            _ => other(fence, &printed),
        };
        mistake.map(|(offset, mistake)| page.problem(fence.line + offset, mistake))
    };
    page.fences.iter().filter_map(wrong).collect()
}

/// Only commands, which may go on after a backslash.
fn console(fence: &Fence) -> Option<(usize, Mistake)> {
    let mut goes_on = false;
    for (index, line) in fence.lines.iter().enumerate() {
        if !goes_on && !line.starts_with("$ ") && !line.trim().is_empty() {
            let what = format!("{line:?} in a console block is no command");
            let advice = "only lines `$ ...` here; output comes from {{#output CASE}}".to_owned();
            return Some((index + 1, (what, advice)));
        }
        goes_on = line.ends_with('\\');
    }
    None
}

fn other(fence: &Fence, printed: &HashMap<&str, &str>) -> Option<(usize, Mistake)> {
    fence.lines.iter().enumerate().find_map(|(index, line)| {
        let mistake = if line.starts_with("$ ") {
            (
                format!("a command in a block of {}", fence.info),
                "commands are for ```console, and what they print for {{#output CASE}}".to_owned(),
            )
        } else {
            let case = printed.get(line.trim())?;
            (
                format!("output typed by hand: {:?} is printed by case {case}", line.trim()),
                format!("show it with {{{{#output {case}}}}}, perhaps with lines="),
            )
        };
        Some((index + 1, mistake))
    })
}
