//! What was passed when it was graded last: for prerequisites, and for which tasks a hint is due.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::places;

/// By the folder in which the answers lie and by chapter, the ids of the tasks that were passed.
type Passed = BTreeMap<PathBuf, BTreeMap<String, Vec<String>>>;

/// The record of a target directory.
pub struct Record {
    path: PathBuf,
    passed: Passed,
}

impl Record {
    /// Reads it. One that is missing or garbled is an empty one: it can be had again by grading.
    pub fn read(target: &Path) -> Self {
        let path = target.join("labs/grades.json");
        let text = fs::read_to_string(&path).unwrap_or_default();
        Self { passed: serde_json::from_str(&text).unwrap_or_default(), path }
    }

    /// The tasks of a chapter that were passed; `None` if it was not graded yet.
    pub fn passed(&self, folder: &Path, chapter: &str) -> Option<&[String]> {
        let chapters = self.passed.get(folder.parent()?)?;
        chapters.get(chapter).map(Vec::as_slice)
    }

    /// Notes the tasks that were passed by the answer in this folder.
    pub fn note(&mut self, folder: &Path, chapter: &str, passed: Vec<String>) {
        let place = folder.parent().unwrap_or(folder).to_owned();
        self.passed.entry(place).or_default().insert(chapter.to_owned(), passed);
    }

    /// Writes it.
    pub fn save(&self) -> Result<()> {
        let folder = self.path.parent().context("it lies in a folder")?;
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        places::write_whole(&self.path, &serde_json::to_vec_pretty(&self.passed)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_passed_is_remembered_for_each_tree() {
        let target = tempfile::tempdir().unwrap();
        let (mine, yours) = (Path::new("/a/chapters/ch01-x"), Path::new("/b/chapters/ch01-x"));
        let mut record = Record::read(target.path());
        assert_eq!(record.passed(mine, "ch01-x"), None);
        record.note(mine, "ch01-x", vec!["one".to_owned()]);
        record.save().unwrap();
        let record = Record::read(target.path());
        assert_eq!(record.passed(mine, "ch01-x").unwrap(), ["one"]);
        assert_eq!(record.passed(Path::new("/a/chapters/ch02-y"), "ch01-x").unwrap(), ["one"]);
        assert_eq!(record.passed(yours, "ch01-x"), None);
        fs::write(target.path().join("labs/grades.json"), "garbled").unwrap();
        assert_eq!(Record::read(target.path()).passed(mine, "ch01-x"), None);
    }
}
