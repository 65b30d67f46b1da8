//! Where an answer to a lab is: a chapter of this checkout, its solution, or a student's tree.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use labs::Lab;
use variants::Patch;

use super::NoInput;
use crate::chapters::{Checkout, Package, Tree, read_tree};

/// An answer to a lab.
pub struct Answer {
    /// What its outcome is called, and the program of one that is built beside the workspace: no
    /// other answer, and no member of the workspace, has the same name.
    pub name: String,
    /// The package's name of the chapter.
    pub chapter: String,
    /// Where it comes from.
    pub folder: PathBuf,
    pub files: Files,
}

/// What an answer consists of.
pub enum Files {
    /// A package of this workspace, as it lies there.
    Member(Package),
    /// Files that are to be built beside this workspace.
    Elsewhere {
        /// All of them, as they would lie in a checkout. If there are guests among them, and the 1K
        /// OS, which is one, the answer is built with these.
        tree: Tree,
        /// The package's folder in it.
        home: PathBuf,
        /// The manifest of the workspace that they come from, if they have one.
        manifest: Option<String>,
    },
}

/// What the guests are made of.
const GUESTS: [&str; 2] = ["guests", "os-1k"];

impl Answer {
    /// The chapter itself, as it is in the checkout.
    pub fn chapter(checkout: &Checkout, lab: &Lab) -> Self {
        Self::member(checkout, Package::chapter(&lab.chapter))
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
        let is_ours = |package: &Package| {
            fs::canonicalize(checkout.folder(package)).is_ok_and(|ours| ours == folder)
        };
        let (chapter, solution) = (Package::chapter(&lab.chapter), Package::solution(&lab.chapter));
        if is_ours(&chapter) {
            return Ok(Self::member(checkout, chapter));
        } else if is_ours(&solution) {
            return Self::solution(checkout, lab);
        }

        let home = chapter.folder();
        let root = root_of(&folder);
        let mut files = prefixed(&home, read_tree(&folder)?);
        if !lab.folders.is_empty() {
            for name in GUESTS {
                let is_theirs = lab.folders.iter().any(|it| it == name);
                let of = if is_theirs { root } else { &checkout.root };
                if is_theirs && !of.join(name).is_dir() {
                    return Err(NoInput(format!(
                        "--against {}: no {name} there, and the lab of {} is about it\n  \
                         it has to be at {}",
                        tree.display(),
                        lab.chapter,
                        of.join(name).display()
                    ))
                    .into());
                }
                files.extend(prefixed(Path::new(name), read_tree(&of.join(name))?));
            }
        }
        let manifest = fs::read_to_string(root.join("Cargo.toml")).ok();
        Ok(Self {
            name: format!("{}-answer", lab.chapter),
            chapter: lab.chapter.clone(),
            folder,
            files: Files::Elsewhere { tree: files, home, manifest },
        })
    }

    /// The solution of this checkout. What it changes outside its folder, patches in there do.
    pub fn solution(checkout: &Checkout, lab: &Lab) -> Result<Self> {
        let package = Package::solution(&lab.chapter);
        let folder = checkout.folder(&package);
        if !folder.is_dir() {
            return Err(NoInput(format!("{}: there is no such folder", folder.display())).into());
        }
        let mut answer = Self::member(checkout, package.clone());
        if !lab.folders.is_empty() {
            let tree = solution_tree(checkout, &package, true)?;
            // The member's program, which has other guests, goes to the same target directory.
            answer.name += "-patched";
            answer.files = Files::Elsewhere { tree, home: package.folder(), manifest: None };
        }
        Ok(answer)
    }

    /// The solution with a patch, under this name.
    pub fn patched(checkout: &Checkout, lab: &Lab, name: &str, patch: &Patch) -> Result<Self> {
        let package = Package::solution(&lab.chapter);
        let mut tree = solution_tree(checkout, &package, !lab.folders.is_empty())?;
        patch.apply(&mut tree)?;
        Ok(Self {
            name: name.to_owned(),
            chapter: lab.chapter.clone(),
            folder: checkout.folder(&package),
            files: Files::Elsewhere { tree, home: package.folder(), manifest: None },
        })
    }

    fn member(checkout: &Checkout, package: Package) -> Self {
        Self {
            name: package.name(),
            chapter: package.chapter.clone(),
            folder: checkout.folder(&package),
            files: Files::Member(package),
        }
    }

    /// Where the package's sources are when it is checked, given where answers are built.
    pub fn sources(&self, workspace: &Path) -> PathBuf {
        match &self.files {
            Files::Member(_) => self.folder.clone(),
            Files::Elsewhere { home, .. } => workspace.join(&self.name).join(home),
        }
    }
}

/// The files of a solution, with guests as its patches `solutions/chNN-name/*.patch` change them.
fn solution_tree(checkout: &Checkout, package: &Package, has_guests: bool) -> Result<Tree> {
    let own = checkout.tree(package)?;
    let mut tree = prefixed(&package.folder(), own.clone());
    if has_guests {
        for name in GUESTS {
            tree.extend(prefixed(Path::new(name), read_tree(&checkout.root.join(name))?));
        }
    }
    let is_patch = |path: &&PathBuf| path.extension().is_some_and(|it| it == "patch");
    for path in own.keys().filter(is_patch) {
        let path = package.folder().join(path);
        let patched =
            Patch::read(&checkout.root.join(&path)).and_then(|(_, it)| it.apply(&mut tree));
        patched.with_context(|| path.display().to_string())?;
    }
    Ok(tree)
}

/// Where `guests` and `os-1k` lie that belong to the package in this folder: beside `chapters`, or
/// beside the package if that is not in such a folder.
fn root_of(folder: &Path) -> &Path {
    let parent = folder.parent().unwrap_or(folder);
    match parent.file_name() {
        Some(name) if name == "chapters" => parent.parent().unwrap_or(parent),
        _ => parent,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A checkout with a chapter and its solution, and a student's workspace.
    fn scratch() -> (tempfile::TempDir, Checkout) {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for (root, name) in [
            ("ours/chapters", "ch01-a"),
            ("ours/solutions", "ch01-a-solution"),
            ("theirs/chapters", "ch01-a"),
        ] {
            write(&format!("{root}/ch01-a/Cargo.toml"), &format!("[package]\nname = \"{name}\"\n"));
            write(&format!("{root}/ch01-a/src/main.rs"), root);
        }
        write("ours/guests/lib.rs", "our guests");
        write("ours/os-1k/main.c", "our OS\n");
        write("theirs/guests/lib.rs", "their guests");
        write("theirs/os-1k/main.c", "their OS\n");
        write("theirs/Cargo.toml", "[workspace]\n");
        write("none/README.md", "");
        let checkout = Checkout::at(&folder.path().join("ours")).unwrap();
        (folder, checkout)
    }

    fn lab(folders: &[&str]) -> Lab {
        Lab {
            chapter: "ch01-a".to_owned(),
            title: String::new(),
            minutes: 60,
            prerequisites: Vec::new(),
            folders: folders.iter().map(|it| (*it).to_owned()).collect(),
            needs: Vec::new(),
            tasks: Vec::new(),
        }
    }

    fn tree(answer: &Answer) -> &Tree {
        match &answer.files {
            Files::Elsewhere { tree, .. } => tree,
            Files::Member(package) => panic!("{package} is a member"),
        }
    }

    #[test]
    fn an_answer_is_found_wherever_one_may_keep_it() {
        let (folder, checkout) = scratch();
        for place in ["theirs", "theirs/chapters", "theirs/chapters/ch01-a"] {
            let answer = Answer::find(&checkout, &lab(&[]), &folder.path().join(place)).unwrap();
            assert_eq!(tree(&answer)[Path::new("chapters/ch01-a/src/main.rs")], b"theirs/chapters");
            assert_eq!(tree(&answer).len(), 2, "{place}");
        }
        for (place, name) in
            [("ours", "ch01-a"), ("ours/chapters", "ch01-a"), ("ours/solutions", "ch01-a-solution")]
        {
            let answer = Answer::find(&checkout, &lab(&[]), &folder.path().join(place)).unwrap();
            assert!(matches!(&answer.files, Files::Member(package) if package.name() == name));
        }
    }

    #[test]
    fn a_tree_without_the_chapter_is_refused() {
        let (folder, checkout) = scratch();
        for place in ["none", "nowhere", "none/README.md"] {
            let error =
                Answer::find(&checkout, &lab(&[]), &folder.path().join(place)).err().unwrap();
            assert!(error.is::<NoInput>(), "{place}: {error}");
        }
    }

    #[test]
    fn only_what_the_lab_is_about_is_taken_from_a_student() {
        let (folder, checkout) = scratch();
        for place in ["theirs", "theirs/chapters", "theirs/chapters/ch01-a"] {
            let place = folder.path().join(place);
            let answer = Answer::find(&checkout, &lab(&["os-1k"]), &place).unwrap();
            assert_eq!(tree(&answer)[Path::new("os-1k/main.c")], b"their OS\n");
            assert_eq!(tree(&answer)[Path::new("guests/lib.rs")], b"our guests");
            let Files::Elsewhere { manifest, .. } = answer.files else { panic!() };
            assert_eq!(manifest.unwrap(), "[workspace]\n");
        }
    }

    #[test]
    fn a_tree_without_what_the_lab_is_about_is_refused() {
        let (folder, checkout) = scratch();
        let theirs = folder.path().join("theirs");
        fs::remove_dir_all(theirs.join("os-1k")).unwrap();
        for place in [theirs.clone(), theirs.join("chapters/ch01-a")] {
            let error = Answer::find(&checkout, &lab(&["os-1k"]), &place).err().unwrap();
            assert!(error.is::<NoInput>(), "{error}");
            let place = theirs.canonicalize().unwrap().join("os-1k");
            assert!(error.to_string().ends_with(place.to_str().unwrap()), "{error}");
        }
        Answer::find(&checkout, &lab(&[]), &theirs).unwrap();
    }

    #[test]
    fn a_solution_changes_what_is_outside_by_a_patch() {
        let (_folder, checkout) = scratch();
        let patch = "--- a/os-1k/main.c\n+++ b/os-1k/main.c\n@@ -1 +1 @@\n-our OS\n+solved\n";
        fs::write(checkout.root.join("solutions/ch01-a/os-1k.patch"), patch).unwrap();
        let answer = Answer::solution(&checkout, &lab(&["os-1k"])).unwrap();
        assert_eq!(answer.name, "ch01-a-solution-patched");
        assert_eq!(tree(&answer)[Path::new("os-1k/main.c")], b"solved\n");

        let wrong = Patch::parse(&patch.replace("our OS", "solved").replace("+solved", "+wrong"));
        let wrong = Answer::patched(&checkout, &lab(&["os-1k"]), "ch01-wrong", &wrong.unwrap().1);
        assert_eq!(tree(&wrong.unwrap())[Path::new("os-1k/main.c")], b"wrong\n");

        fs::write(checkout.root.join("os-1k/main.c"), "another OS\n").unwrap();
        let error = format!("{:#}", Answer::solution(&checkout, &lab(&["os-1k"])).err().unwrap());
        assert!(error.contains("solutions/ch01-a/os-1k.patch"), "{error}");
    }
}
