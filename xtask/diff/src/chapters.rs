//! The chapters of a checkout: where they are, what they are called, and which files they consist
//! of.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The files of a chapter or a solution, by their paths in its folder.
pub type Tree = BTreeMap<PathBuf, Vec<u8>>;

/// A tree of the workspace, with its chapters in the order of the book.
pub struct Checkout {
    /// The folder in which `chapters/` lies.
    pub root: PathBuf,
    /// Their names, as of the folders in `chapters/`.
    pub chapters: Vec<String>,
}

/// A chapter, or the solution of its lab.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Package {
    /// Its name.
    pub chapter: String,
    /// Whether the solution of its lab is meant.
    pub is_solution: bool,
}

/// The user named something that does not exist. The status is that of a wrong command line.
#[derive(Debug)]
pub struct Mistake(pub String);

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Mistake {}

impl Checkout {
    /// The checkout in which the current directory lies.
    pub fn here() -> Result<Self> {
        let here = std::env::current_dir().context("the current directory")?;
        match here.ancestors().find(|folder| folder.join("chapters").is_dir()) {
            Some(root) => Self::at(root),
            None => bail!("{}: no chapters here\n  go into the checkout first", here.display()),
        }
    }

    /// The checkout in this folder.
    pub fn at(root: &Path) -> Result<Self> {
        let folder = root.join("chapters");
        let mut chapters = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry.with_context(|| folder.display().to_string())?;
            if let Ok(name) = entry.file_name().into_string()
                && number(&name).is_some()
                // A folder that git left behind, say, because something unknown to it is in there.
                && entry.path().join("Cargo.toml").exists()
            {
                chapters.push(name);
            }
        }
        chapters.sort();
        Ok(Self { root: root.to_owned(), chapters })
    }

    /// The place in the book, from 0, of `ch07`, `7`, `ch07-hypercall` or `chapters/ch07-hypercall/`.
    pub fn position(&self, spelling: &str) -> Result<usize> {
        let name = spelling.trim_start_matches("chapters/").trim_end_matches('/');
        let wanted = name.strip_prefix("ch").unwrap_or(name).parse::<u32>().ok();
        let is_it = |chapter: &String| {
            *chapter == name || wanted.is_some_and(|wanted| number(chapter) == Some(wanted))
        };
        self.chapters.iter().position(is_it).ok_or_else(|| {
            let all = self.chapters.join("\n    ");
            let spelling = if spelling.is_empty() { "\"\"" } else { spelling };
            Mistake(format!("{spelling}: there is no such chapter\n  there are:\n    {all}")).into()
        })
    }

    /// Where the package is.
    pub fn folder(&self, package: &Package) -> PathBuf {
        self.root.join(package.folder())
    }

    /// The files of a package as they are now.
    pub fn tree(&self, package: &Package) -> Result<Tree> {
        read_tree(&self.folder(package))
    }
}

/// 7 of `ch07-hypercall`.
pub fn number(chapter: &str) -> Option<u32> {
    let (number, _) = chapter.strip_prefix("ch")?.split_once('-')?;
    number.parse().ok()
}

impl Package {
    /// The chapter of this name.
    pub fn chapter(name: &str) -> Self {
        Self { chapter: name.to_owned(), is_solution: false }
    }

    /// The solution of the chapter of this name.
    pub fn solution(name: &str) -> Self {
        Self { chapter: name.to_owned(), is_solution: true }
    }

    /// Its folder in the checkout.
    pub fn folder(&self) -> PathBuf {
        Path::new(if self.is_solution { "solutions" } else { "chapters" }).join(&self.chapter)
    }

    /// What cargo calls it.
    pub fn name(&self) -> String {
        format!("{}{}", self.chapter, if self.is_solution { "-solution" } else { "" })
    }
}

impl fmt::Display for Package {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.pad(&self.name())
    }
}

/// All files in and below a folder; none if there is no such folder.
pub fn read_tree(folder: &Path) -> Result<Tree> {
    let mut tree = Tree::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        let outer = folder.join(&inner);
        let entries = match fs::read_dir(&outer) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other.with_context(|| outer.display().to_string())?,
        };
        for entry in entries {
            let entry = entry.with_context(|| outer.display().to_string())?;
            let path = inner.join(entry.file_name());
            let kind = entry.file_type().with_context(|| entry.path().display().to_string())?;
            if !belongs(&path) {
                continue;
            } else if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let contents = fs::read(entry.path());
                let contents = contents.with_context(|| entry.path().display().to_string())?;
                tree.insert(path, contents);
            }
        }
    }
    Ok(tree)
}

/// Makes what is in a folder `to`, given that it is `from`. Files that do not differ are not
/// touched, so that cargo need not build them again.
pub fn write_tree(folder: &Path, from: &Tree, to: &Tree) -> Result<()> {
    for (path, contents) in to {
        if from.get(path) != Some(contents) {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
            }
            fs::write(&path, contents).with_context(|| path.display().to_string())?;
        }
    }
    for path in from.keys().filter(|path| !to.contains_key(*path)) {
        let path = folder.join(path);
        fs::remove_file(&path).with_context(|| path.display().to_string())?;
        // Folders go with their last file, as git has it.
        for parent in path.ancestors().skip(1).take_while(|parent| parent.starts_with(folder)) {
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
    }
    Ok(())
}

/// Not what editors and tools leave behind: it is no part of a chapter, tracked or not.
pub fn belongs(path: &Path) -> bool {
    !path.starts_with("target")
        && path.iter().all(|name| {
            let name = name.to_string_lossy();
            let leftover =
                ["~", ".orig", ".rej", ".snap.new"].iter().any(|end| name.ends_with(end));
            !leftover && !name.starts_with('.')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout() -> Checkout {
        let chapters = ["ch01-open-kvm", "ch07-hypercall", "ch10-paging"].map(str::to_owned);
        Checkout { root: PathBuf::new(), chapters: chapters.into() }
    }

    #[test]
    fn a_chapter_has_many_spellings() {
        for spelling in ["ch07", "7", "07", "ch07-hypercall", "chapters/ch07-hypercall/"] {
            assert_eq!(checkout().position(spelling).unwrap(), 1, "{spelling}");
        }
    }

    #[test]
    fn an_unknown_chapter_is_answered_with_the_list() {
        for spelling in ["ch08", "ch07-hypercal", "", "-7", "seven", "ch1O"] {
            let error = checkout().position(spelling).unwrap_err();
            assert!(error.is::<Mistake>());
            let spelling = if spelling.is_empty() { "\"\"" } else { spelling };
            assert_eq!(
                error.to_string(),
                format!(
                    "{spelling}: there is no such chapter\n  there are:\n    ch01-open-kvm\n    \
                     ch07-hypercall\n    ch10-paging"
                )
            );
        }
    }

    #[test]
    fn leftovers_of_editors_are_no_part_of_a_chapter() {
        for path in ["src/.main.rs.swp", "src/main.rs~", "src/main.rs.orig", "target/debug/x"] {
            assert!(!belongs(Path::new(path)), "{path}");
        }
        assert!(belongs(Path::new("src/main.rs")));
        assert!(belongs(Path::new("src/target/mod.rs")));
    }
}
