//! The hints: for each lab a file `hints/chNN.md`, for each task in it two of them.
//!
//! ```text
//! ## puts
//!
//! ### First
//!
//! Where to look.
//!
//! ### Second
//!
//! What to do, nearly.
//! ```

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::Lab;

/// What the two tiers are called.
const TIERS: [&str; 2] = ["First", "Second"];

/// The hints for a task: first where to look, then nearly what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Hints {
    /// The task's id.
    pub task: String,
    /// The two hints, without their headings.
    pub tiers: [String; 2],
}

/// The hints for each task of a lab, in the tasks' order.
pub fn read(checkout: &Path, lab: &Lab) -> Result<Vec<Hints>> {
    let path = checkout.join(format!("tests/labs/hints/{}.md", lab.number()));
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let tasks: Vec<_> = lab.tasks.iter().map(|task| task.id.as_str()).collect();
    parse(&text, &tasks).with_context(|| path.display().to_string())
}

fn parse(text: &str, tasks: &[&str]) -> Result<Vec<Hints>> {
    let sections = split(text, "## ");
    let found: Vec<_> = sections.iter().map(|(task, _)| *task).collect();
    if found != tasks {
        bail!("the hints are for {found:?}, the tasks are {tasks:?}\n  head each with \"## TASK\"");
    }
    sections
        .into_iter()
        .map(|(task, text)| {
            let tiers = split(text, "### ");
            let [(first, one), (second, two)] = tiers.as_slice() else {
                bail!("{task}: {} hints, not two", tiers.len());
            };
            if [*first, *second] != TIERS || one.is_empty() || two.is_empty() {
                bail!("{task}: the hints are \"### First\" and \"### Second\", each with a text");
            }
            let tiers = [(*one).to_owned(), (*two).to_owned()];
            Ok(Hints { task: task.to_owned(), tiers })
        })
        .collect()
}

/// The texts below each heading of a level. Whatever is before the first does not count.
fn split<'a>(text: &'a str, mark: &str) -> Vec<(&'a str, &'a str)> {
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    let mut is_code = false;
    for line in text.split_inclusive('\n') {
        is_code ^= line.trim_start().starts_with("```");
        if line.starts_with(mark) && !is_code {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| {
            let section = &text[start + mark.len()..end];
            let (heading, below) = section.split_once('\n').unwrap_or((section, ""));
            (heading.trim(), below.trim())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_task_has_two_hints() {
        let text = "# Hints\n\n## a\n\n### First\n\nLook.\n\n### Second\n\n```sh\n## no heading\n```\n\n\
            ## b\n### First\nx\n### Second\ny\n";
        let hints = parse(text, &["a", "b"]).unwrap();
        assert_eq!(hints[0].tiers, ["Look.".to_owned(), "```sh\n## no heading\n```".to_owned()]);
        assert_eq!(hints[1].task, "b");
    }

    #[test]
    fn what_is_missing_is_named() {
        let message = |text: &str| parse(text, &["a"]).unwrap_err().to_string();
        assert!(message("").contains("the hints are for []"));
        assert!(message("## b\n### First\nx\n### Second\ny\n").contains("[\"b\"]"));
        assert!(message("## a\n### First\nx\n").contains("1 hints, not two"));
        assert!(message("## a\n### First\nx\n### Third\ny\n").contains("\"### First\""));
        assert!(message("## a\n### First\n### Second\ny\n").contains("each with a text"));
    }
}
