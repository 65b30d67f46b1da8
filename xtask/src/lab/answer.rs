//! Where an answer to a lab is: a chapter of this checkout, its solution, or a student's tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use labs::Lab;

use super::NoInput;
use super::workshop::Workshop;
use crate::chapters::{Checkout, Package, Tree, read_tree};

/// An answer to a lab.
pub struct Answer {
    /// What its outcome is called. No two that are built together have the same name.
    pub name: String,
    /// The package's name of the chapter.
    pub chapter: String,
    pub files: Files,
}

/// What an answer consists of.
pub enum Files {
    /// A package of this workspace, as it lies there.
    Member(Package),
    /// Files from elsewhere, to be built beside this workspace.
    Elsewhere {
        /// Where they come from.
        folder: PathBuf,
        package: Tree,
        /// By name, the folders outside the package that the answer changes.
        folders: BTreeMap<String, Tree>,
        /// What the workspace that they come from depends on, if it has a manifest.
        manifest: Option<String>,
    },
}

impl Answer {
    /// The chapter itself, as it is in the checkout.
    pub fn chapter(lab: &Lab) -> Self {
        let package = Package::chapter(&lab.chapter);
        Self { name: package.name(), chapter: lab.chapter.clone(), files: Files::Member(package) }
    }

    /// The answer in somebody's tree: a workspace with `chapters/`, a folder of packages such as
    /// `solutions`, or the package itself.
    pub fn find(checkout: &Checkout, lab: &Lab, tree: &Path) -> Result<Self> {
        let tree = fs::canonicalize(tree)
            .map_err(|error| NoInput(format!("--against {}: {error}", tree.display())))?;
        let candidates = [tree.join("chapters").join(&lab.chapter), tree.join(&lab.chapter)];
        let is_package = |folder: &PathBuf| folder.join("Cargo.toml").is_file();
        let folder = candidates.into_iter().find(is_package);
        let folder = folder.or_else(|| is_itself(&tree, lab).then(|| tree.clone()));
        let Some(folder) = folder else {
            let chapter = &lab.chapter;
            return Err(NoInput(format!(
                "--against {}: no {chapter} there\n  name a folder that has {chapter} or \
                 chapters/{chapter} in it, or {chapter} itself",
                tree.display()
            ))
            .into());
        };
        for package in [Package::chapter(&lab.chapter), Package::solution(&lab.chapter)] {
            if fs::canonicalize(checkout.folder(&package)).is_ok_and(|ours| ours == folder) {
                return Self::of_checkout(checkout, lab, package);
            }
        }

        let mut folders = BTreeMap::new();
        for name in lab.folders.iter().filter(|name| tree.join(name).is_dir()) {
            folders.insert(name.clone(), read_tree(&tree.join(name))?);
        }
        Ok(Self {
            name: format!("{}-answer", lab.chapter),
            chapter: lab.chapter.clone(),
            files: Files::Elsewhere {
                package: read_tree(&folder)?,
                manifest: fs::read_to_string(tree.join("Cargo.toml")).ok(),
                folder,
                folders,
            },
        })
    }

    /// The solution of this checkout.
    pub fn solution(checkout: &Checkout, lab: &Lab) -> Result<Self> {
        Self::of_checkout(checkout, lab, Package::solution(&lab.chapter))
    }

    /// A package of this checkout. What it changes outside its folder, a patch in there does.
    fn of_checkout(checkout: &Checkout, lab: &Lab, package: Package) -> Result<Self> {
        let folder = checkout.folder(&package);
        if !folder.is_dir() {
            return Err(NoInput(format!("{}: there is no such folder", folder.display())).into());
        }
        let files = match package.is_solution && !lab.folders.is_empty() {
            true => solution_files(checkout, lab, &package)?,
            false => Files::Member(package.clone()),
        };
        Ok(Self { name: package.name(), chapter: lab.chapter.clone(), files })
    }

    /// The solution with a patch: its name is `NAME`, and its paths begin at the checkout.
    pub fn patched(checkout: &Checkout, lab: &Lab, name: &str, patch: &str) -> Result<Self> {
        let package = Package::solution(&lab.chapter);
        let mut files = solution_files(checkout, lab, &package)?;
        let Files::Elsewhere { package: tree, folders, .. } = &mut files else {
            unreachable!("solution_files makes no members");
        };
        let mut all = prefixed(&package.folder(), std::mem::take(tree));
        for (folder, tree) in std::mem::take(folders) {
            all.extend(prefixed(Path::new(&folder), tree));
        }
        apply(patch, &mut all).context("the patch")?;
        *tree = below(&package.folder(), &all);
        *folders = lab.folders.iter().map(|it| (it.clone(), below(Path::new(it), &all))).collect();
        Ok(Self { name: format!("{}-{name}", lab.chapter), chapter: lab.chapter.clone(), files })
    }

    /// Where the package's sources are when it is checked: those of a patched one are in the workshop.
    pub fn sources(&self, checkout: &Checkout, target: &Path) -> PathBuf {
        match &self.files {
            Files::Member(package) => checkout.folder(package),
            Files::Elsewhere { .. } => Workshop::place(target, &self.name),
        }
    }

    /// Where the package came from.
    pub fn folder(&self, checkout: &Checkout) -> PathBuf {
        match &self.files {
            Files::Member(package) => checkout.folder(package),
            Files::Elsewhere { folder, .. } => folder.clone(),
        }
    }
}

/// The files of a solution, with the folders that its patches change: `solutions/chNN-name/*.patch`.
fn solution_files(checkout: &Checkout, lab: &Lab, package: &Package) -> Result<Files> {
    let mut folders = Tree::new();
    for folder in &lab.folders {
        folders.extend(prefixed(Path::new(folder), read_tree(&checkout.root.join(folder))?));
    }
    let tree = checkout.tree(package)?;
    for (path, patch) in &tree {
        if path.extension().is_some_and(|extension| extension == "patch") {
            let patch = String::from_utf8_lossy(patch);
            apply(&patch, &mut folders)
                .with_context(|| package.folder().join(path).display().to_string())?;
        }
    }
    Ok(Files::Elsewhere {
        folder: checkout.folder(package),
        package: tree,
        folders: lab
            .folders
            .iter()
            .map(|it| (it.clone(), below(Path::new(it), &folders)))
            .collect(),
        manifest: None,
    })
}

/// Whether the folder is the package: its manifest says so.
fn is_itself(folder: &Path, lab: &Lab) -> bool {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let Ok(manifest) = manifest.parse::<toml_edit::DocumentMut>() else { return false };
    let name = manifest.get("package").and_then(|package| package.get("name"));
    name.and_then(|name| name.as_str()).is_some_and(|name| {
        [Package::chapter(&lab.chapter), Package::solution(&lab.chapter)]
            .iter()
            .any(|package| package.name() == name)
    })
}

fn prefixed(folder: &Path, tree: Tree) -> Tree {
    tree.into_iter().map(|(path, contents)| (folder.join(path), contents)).collect()
}

fn below(folder: &Path, all: &Tree) -> Tree {
    let inside = all.iter().filter_map(|(path, contents)| {
        Some((path.strip_prefix(folder).ok()?.to_owned(), contents.clone()))
    });
    inside.collect()
}

/// Makes a patch's changes in files, whose paths begin where those of the patch do.
fn apply(patch: &str, files: &mut Tree) -> Result<()> {
    use diffy::patch_set::{FileOperation, ParseOptions, PatchSet};

    let mut changed = 0;
    for file in PatchSet::parse(patch, ParseOptions::unidiff()) {
        let file = file.context("not a patch")?;
        let hunks = file.patch().as_text().context("not a patch of text")?;
        let (old, new) = match file.operation().strip_prefix(1) {
            FileOperation::Create(new) => (None, Some(new.into_owned())),
            FileOperation::Delete(old) => (Some(old.into_owned()), None),
            FileOperation::Modify { original, modified }
            | FileOperation::Rename { from: original, to: modified }
            | FileOperation::Copy { from: original, to: modified } => {
                (Some(original.into_owned()), Some(modified.into_owned()))
            }
        };
        let before = match &old {
            Some(old) => {
                files.remove(Path::new(old)).with_context(|| format!("{old}: no such file"))?
            }
            None => Vec::new(),
        };
        let before = String::from_utf8(before).context("not a text")?;
        let after = diffy::apply(&before, hunks)
            .with_context(|| old.or_else(|| new.clone()).unwrap_or_default())?;
        if let Some(new) = new {
            files.insert(new.into(), after.into_bytes());
        }
        changed += 1;
    }
    anyhow::ensure!(changed > 0, "it changes nothing");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Tree {
        Tree::from([(PathBuf::from("os-1k/a.c"), text.as_bytes().to_vec())])
    }

    #[test]
    fn a_patch_changes_makes_and_deletes_files() {
        let mut tree = files("one\ntwo\nthree\n");
        let patch = "diff -ru a/os-1k/a.c b/os-1k/a.c\n--- a/os-1k/a.c\n+++ b/os-1k/a.c\n\
            @@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n--- /dev/null\n+++ b/os-1k/b.c\n@@ -0,0 +1 @@\n+new\n";
        apply(patch, &mut tree).unwrap();
        assert_eq!(tree[Path::new("os-1k/a.c")], b"one\n2\nthree\n");
        assert_eq!(tree[Path::new("os-1k/b.c")], b"new\n");
        let patch = "--- a/os-1k/b.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-new\n";
        apply(patch, &mut tree).unwrap();
        assert_eq!(tree.len(), 1);
    }

    #[test]
    fn a_patch_that_does_not_fit_is_refused() {
        let message =
            |patch: &str| format!("{:#}", apply(patch, &mut files("other\n")).unwrap_err());
        let fits_not = "--- a/os-1k/a.c\n+++ b/os-1k/a.c\n@@ -1 +1 @@\n-two\n+2\n";
        assert!(message(fits_not).contains("os-1k/a.c"), "{}", message(fits_not));
        assert!(message(&fits_not.replace("a.c", "b.c")).contains("no such file"));
        assert!(message("Why: x\n").contains("changes nothing") || message("x").contains("patch"));
    }
}
