//! The wrong answers that are kept: patches against a solution, each a mistake that one makes.
//!
//! `tests/labs/wrong/chNN_NAME.patch` begins with a header, then comes what `git diff` prints:
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
use labs::{Lab, Labs};
use variants::{Header, Patch};

/// A wrong answer to a lab.
pub struct WrongAnswer {
    /// `NAME` of `chNN_NAME.patch`.
    pub name: String,
    /// The ids of the tasks that it fails; the others it passes.
    pub fails: Vec<String>,
    /// What the message of the first of them has to contain.
    pub says: String,
    pub patch: Patch,
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
        let answer =
            Patch::read(&path).and_then(|(header, patch)| answer(name, header, patch, lab));
        answers.push(answer.with_context(|| path.display().to_string())?);
    }
    answers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(answers)
}

/// The files among the wrong answers that belong to no lab.
pub fn strays(checkout: &Path, labs: &Labs) -> Result<Vec<String>> {
    let folder = checkout.join("tests/labs/wrong");
    let mut strays = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let name = entry.with_context(|| folder.display().to_string())?.file_name();
        let name = name.to_string_lossy().into_owned();
        let is_of = |lab: &Lab| {
            let rest = name.strip_prefix(lab.number()).and_then(|rest| rest.strip_prefix('_'));
            rest.is_some_and(|rest| rest.ends_with(".patch"))
        };
        // An editor's own files begin with a dot.
        if !name.starts_with('.') && !labs.labs.iter().any(is_of) {
            strays.push(name);
        }
    }
    Ok(strays)
}

fn answer(name: &str, mut header: Header, patch: Patch, lab: &Lab) -> Result<WrongAnswer> {
    let fails = header.need("Fails", "puts")?;
    let says = header.need("Says", "expected  42")?;
    header.need("Why", "the answer never reaches the guest")?;
    header.end()?;
    let fails: Vec<_> = fails.split_whitespace().map(str::to_owned).collect();
    if let Some(unknown) = fails.iter().find(|id| lab.tasks.iter().all(|task| task.id != **id)) {
        bail!("Fails: {unknown}: {} has no such task", lab.chapter);
    }
    Ok(WrongAnswer { name: name.to_owned(), fails, says, patch })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n";

    fn parse(header: &str) -> Result<WrongAnswer> {
        let lab = Lab {
            chapter: "ch01-a".to_owned(),
            title: String::new(),
            minutes: 60,
            prerequisites: Vec::new(),
            folders: Vec::new(),
            needs: Vec::new(),
            tasks: vec![labs::Task { id: "cpu".to_owned(), title: String::new(), points: 1 }],
        };
        let (header, patch) = Patch::parse(&format!("{header}{DIFF}"))?;
        answer("model", header, patch, &lab)
    }

    #[test]
    fn a_wrong_answer_says_what_it_fails_and_why() {
        let answer = parse("Fails: cpu\nSays: line 3\nWhy: no extended model\n").unwrap();
        assert_eq!((&*answer.fails[0], &*answer.says), ("cpu", "line 3"));
    }

    #[test]
    fn what_is_wrong_with_the_header_is_named() {
        let message = |header: &str| parse(header).err().unwrap().to_string();
        assert!(message("Fails: cpu\nSays: x\n").contains("no `Why:` line"));
        assert!(message("Fails: cpu\nSays:\nWhy: x\n").contains("no `Says:` line"));
        assert!(message("Fails: gpu\nSays: x\nWhy: x\n").contains("ch01-a has no such task"));
        assert!(message("Fails: cpu\nSays: x\nWhy: x\nSay: y\n").contains("`Say:`"));
    }
}
