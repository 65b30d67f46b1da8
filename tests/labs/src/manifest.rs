//! `labs.toml`: which labs there are, and what their tasks are worth.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// All labs, in the order of the book.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labs {
    /// Chapters whose labs are still to be written. Anything else without a lab is a mistake.
    #[serde(default)]
    pub missing: Vec<String>,
    /// The labs there are.
    #[serde(rename = "lab")]
    pub labs: Vec<Lab>,
}

/// The lab of a chapter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lab {
    /// The package's name.
    pub chapter: String,
    /// As the book has it.
    pub title: String,
    /// How long it takes.
    pub minutes: u32,
    /// The chapters, as `ch05`, whose labs teach what this one uses.
    #[serde(default)]
    pub prerequisites: Vec<String>,
    /// What a student works on beside the chapter: top-level folders of the workspace.
    #[serde(default)]
    pub folders: Vec<String>,
    /// What its checks need of KVM beyond the basics: names of the doctor's guests.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Its tasks, in order.
    pub tasks: Vec<Task>,
}

/// A task of a lab.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// A word by which commands, checks, hints and wrong answers know it.
    pub id: String,
    /// As the book has it.
    pub title: String,
    /// What it is worth.
    pub points: u32,
}

/// The folders outside `chapters/` that a lab may have its students change.
const FOLDERS: [&str; 2] = ["guests", "os-1k"];

impl Labs {
    /// Reads `tests/labs/labs.toml` of a checkout.
    pub fn read(checkout: &Path) -> Result<Self> {
        let path = checkout.join("tests/labs/labs.toml");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let labs: Self = toml_edit::de::from_str(text)?;
        let mut before: Option<&Lab> = None;
        for lab in &labs.labs {
            lab.validate().with_context(|| lab.chapter.clone())?;
            if let Some(before) = before.filter(|before| before.chapter >= lab.chapter) {
                bail!(
                    "{} comes after {}: the order is that of the book",
                    lab.chapter,
                    before.chapter
                );
            }
            if labs.missing.contains(&lab.chapter) {
                bail!("{} has a lab: take it from the list of missing ones", lab.chapter);
            }
            before = Some(lab);
        }
        Ok(labs)
    }

    /// The lab of the chapter of this name, if it has one.
    pub fn find(&self, chapter: &str) -> Option<&Lab> {
        self.labs.iter().find(|lab| lab.chapter == chapter)
    }
}

impl Lab {
    /// What all its tasks are worth.
    pub fn points(&self) -> u32 {
        self.tasks.iter().map(|task| task.points).sum()
    }

    /// `ch07` of `ch07-hypercall`.
    pub fn number(&self) -> &str {
        short(&self.chapter)
    }

    /// The task of this id, or of this number, counted from 1.
    pub fn task(&self, id: &str) -> Option<&Task> {
        let by_number = || self.tasks.get(id.parse::<usize>().ok()?.checked_sub(1)?);
        self.tasks.iter().find(|task| task.id == id).or_else(by_number)
    }

    fn validate(&self) -> Result<()> {
        let ids: BTreeSet<_> = self.tasks.iter().map(|task| &task.id).collect();
        if ids.len() != self.tasks.len() {
            bail!("two tasks have the same id");
        }
        for task in &self.tasks {
            let is_word = task.id.starts_with(|first: char| first.is_ascii_lowercase())
                && task
                    .id
                    .chars()
                    .all(|c| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit());
            if !is_word {
                bail!("{:?}: a task's id is a word of a-z, 0-9 and -", task.id);
            }
            if task.points == 0 {
                bail!("{}: a task is worth a point at least", task.id);
            }
        }
        if self.tasks.is_empty() {
            bail!("no tasks");
        }
        if let Some(folder) = self.folders.iter().find(|it| !FOLDERS.contains(&it.as_str())) {
            bail!("{folder}: no folder that a lab may change; there are {}", FOLDERS.join(", "));
        }
        let is_earlier = |chapter: &&String| chapter.as_str() < self.number();
        if let Some(later) = self.prerequisites.iter().find(|chapter| !is_earlier(chapter)) {
            bail!("{later}: a prerequisite is an earlier chapter, as ch05");
        }
        Ok(())
    }
}

/// `ch07` of `ch07-hypercall`.
pub fn short(chapter: &str) -> &str {
    chapter.split_once('-').map_or(chapter, |(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(task: &str, more: &str) -> String {
        format!(
            "[[lab]]\nchapter = \"ch02-b\"\ntitle = \"T\"\nminutes = 60\n{more}\ntasks = [{task}]\n"
        )
    }

    const TASK: &str = "{ id = \"one\", title = \"One\", points = 3 }";

    #[test]
    fn a_lab_is_found_by_its_chapter_and_a_task_by_id_or_number() {
        let two = format!("{TASK}, {{ id = \"two\", title = \"Two\", points = 4 }}");
        let labs = Labs::parse(&lab(&two, "prerequisites = [\"ch01\"]")).unwrap();
        assert!(labs.find("ch03-c").is_none());
        let lab = labs.find("ch02-b").unwrap();
        assert_eq!((lab.points(), lab.number()), (7, "ch02"));
        assert_eq!(lab.task("two").unwrap().points, 4);
        assert_eq!(lab.task("2").unwrap().id, "two");
        assert!(["0", "3", "three", ""].iter().all(|id| lab.task(id).is_none()));
    }

    #[test]
    fn mistakes_are_named() {
        let message = |text: &str| format!("{:#}", Labs::parse(text).unwrap_err());
        let zero = "{ id = \"one\", title = \"One\", points = 0 }";
        let spaced = "{ id = \"a b\", title = \"One\", points = 1 }";
        for (text, part) in [
            (lab("", ""), "no tasks"),
            (lab(zero, ""), "worth a point"),
            (lab(spaced, ""), "is a word"),
            (lab(&format!("{TASK}, {TASK}"), ""), "same id"),
            (lab(TASK, "prerequisites = [\"ch02\"]"), "an earlier chapter"),
            (lab(TASK, "folders = [\"xtask\"]"), "no folder that a lab may change"),
            (lab(TASK, "color = 3"), "unknown field"),
            (lab(TASK, "") + &lab(TASK, ""), "the order is that of the book"),
            (format!("missing = [\"ch02-b\"]\n{}", lab(TASK, "")), "list of missing"),
        ] {
            assert!(message(&text).contains(part), "{part:?} not in {}", message(&text));
        }
    }
}
