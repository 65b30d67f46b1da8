//! The wrong answers that are kept: patches against a solution, each a mistake that one makes.
//!
//! `wrong/chNN_NAME.patch` begins with a head, then comes the patch, with paths from the checkout:
//!
//! ```text
//! Fails: pointers
//! Says: not in guest memory
//! Why: the address is checked without the length
//!
//! --- a/solutions/ch07-hypercall/src/hypercall.rs
//! +++ b/solutions/ch07-hypercall/src/hypercall.rs
//! ```

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::Lab;

/// A wrong answer to a lab.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongAnswer {
    /// `NAME` of `chNN_NAME.patch`.
    pub name: String,
    /// The ids of the tasks that it fails; the others it passes.
    pub fails: Vec<String>,
    /// What the message of the first of them has to contain.
    pub says: String,
    /// The mistake.
    pub why: String,
    /// The patch itself.
    pub patch: String,
}

/// The wrong answers to a lab, by their names.
pub fn read(checkout: &Path, lab: &Lab) -> Result<Vec<WrongAnswer>> {
    let folder = checkout.join("tests/labs/wrong");
    let mut answers = Vec::new();
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let Some(name) = stem.strip_prefix(&format!("{}_", lab.number())) else { continue };
        if path.extension().is_none_or(|extension| extension != "patch") {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        answers.push(parse(name, &text, lab).with_context(|| path.display().to_string())?);
    }
    answers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(answers)
}

fn parse(name: &str, text: &str, lab: &Lab) -> Result<WrongAnswer> {
    let (head, patch) = text.split_once("\n\n").context("no empty line after the head")?;
    let field = |field: &str| -> Result<String> {
        let line = head.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
        let value = line.map(str::trim).filter(|value| !value.is_empty());
        Ok(value.with_context(|| format!("the head lacks \"{field}: ...\""))?.to_owned())
    };
    let fails: Vec<_> = field("Fails")?.split_whitespace().map(str::to_owned).collect();
    if let Some(unknown) = fails.iter().find(|id| lab.tasks.iter().all(|task| task.id != **id)) {
        bail!("Fails: {unknown}: {} has no such task", lab.chapter);
    }
    let (name, patch) = (name.to_owned(), patch.to_owned());
    Ok(WrongAnswer { name, fails, says: field("Says")?, why: field("Why")?, patch })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;

    fn lab() -> Lab {
        Lab {
            chapter: "ch01-a".to_owned(),
            title: String::new(),
            minutes: 60,
            prerequisites: Vec::new(),
            folders: Vec::new(),
            tasks: vec![Task { id: "cpu".to_owned(), title: String::new(), points: 1 }],
        }
    }

    #[test]
    fn a_wrong_answer_says_what_it_fails_and_why() {
        let text = "Fails: cpu\nSays: line 3\nWhy: no extended model\n\n--- a/x\n+++ b/x\n";
        let answer = parse("model", text, &lab()).unwrap();
        assert_eq!((&*answer.fails[0], &*answer.says), ("cpu", "line 3"));
        assert_eq!((&*answer.why, &*answer.patch), ("no extended model", "--- a/x\n+++ b/x\n"));
    }

    #[test]
    fn what_the_head_lacks_is_named() {
        let message = |text: &str| parse("x", text, &lab()).unwrap_err().to_string();
        assert!(message("Fails: cpu\nSays: x\n--- a/x").contains("no empty line"));
        assert!(message("Fails: cpu\nSays: x\n\n").contains("\"Why: ...\""));
        assert!(message("Fails: cpu\nSays: \nWhy: x\n\n").contains("\"Says: ...\""));
        assert!(message("Fails: gpu\nSays: x\nWhy: x\n\n").contains("ch01-a has no such task"));
    }
}
