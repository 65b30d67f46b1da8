//! A small book of two chapters, in a directory of its own, to be spoilt.

use std::fs;
use std::path::{Path, PathBuf};

use chapter_diff::chapters::{Checkout, Tree, read_tree, write_tree};
use tempfile::TempDir;

use crate::Verdict;

/// A copy of `tests/fixture`, with the real book's configuration and theme.
pub struct Fixture {
    folder: TempDir,
}

impl Fixture {
    /// All is well in it.
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let fixture = Self { folder };
        let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
        let copy = |from: &Path, to: &Path| {
            write_tree(to, &Tree::new(), &read_tree(from).unwrap()).unwrap();
        };
        copy(&ours.join("tests/fixture"), fixture.root());
        // The theme, and what figures look like.
        for folder in ["theme", "figures"] {
            copy(&ours.join(folder), &fixture.path("book").join(folder));
        }
        fs::copy(ours.join("book.toml"), fixture.path("book/book.toml")).unwrap();
        fixture
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.root().join(file)
    }

    pub fn checkout(&self) -> Checkout {
        Checkout::at(self.root()).unwrap()
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    pub fn write(&self, file: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(file), contents).unwrap();
    }

    /// Replaces the first of what is there.
    pub fn replace(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{file} has no {from:?}");
        self.write(file, text.replacen(from, to, 1));
    }

    pub fn check(&self) -> Verdict {
        crate::check(self.checkout(), &[]).unwrap()
    }

    /// The only thing that is wrong.
    #[track_caller]
    pub fn the_problem(&self) -> String {
        let mut problems = self.problems();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        problems.remove(0)
    }

    /// All that is wrong.
    #[track_caller]
    pub fn problems(&self) -> Vec<String> {
        let Verdict { report, is_good } = self.check();
        let problems = problems(&report);
        assert_eq!(is_good, problems.is_empty(), "{report}");
        problems
    }

    /// A page of the site as it has been written by a check.
    pub fn html(&self, page: &str) -> String {
        self.read(&format!("target/book/{page}.html"))
    }
}

/// The problems of a report, without the table.
pub fn problems(report: &str) -> Vec<String> {
    let problems = report.split("\n\n").next().unwrap_or_default();
    let problems = problems.split("error: book/").skip(1);
    problems.map(|problem| problem.trim_end().to_owned()).collect()
}
