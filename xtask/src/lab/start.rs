//! `cargo xtask lab start`: a student's workspace, which builds and grades on its own.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use labs::{Lab, Labs, page};
use toml_edit::{Array, DocumentMut, value};

use super::{NoInput, mistake, need_whole_checkout};
use crate::cargo::cargo;
use crate::chapters::{Checkout, Package, Tree, read_tree, write_tree};
use crate::grade::quoted;
use crate::programs;

pub const AFTER_HELP: &str = "\
Exit status:
   0  the workspace is there
  64  there is no such chapter, or it has no lab
  66  the folder is not empty, cannot be made, or has a name that cargo has no use for; or this is
      itself a student's workspace";

/// What a student needs beside the chapter, as it is in the checkout.
const FOLDERS: [&str; 6] = ["guests", "initramfs", "os-1k", "tests/src", "tests/shim", "xtask"];

/// The same, single files, and the folder whose name does not matter to anyone who reads it.
const FILES: [&str; 9] = [
    ".cargo/config.toml",
    ".gitignore",
    "Cargo.lock",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "clippy.toml",
    "rustfmt.toml",
    "tests/Cargo.toml",
    "tests/build.rs",
];

/// Of the labs, all but the answers.
const LABS: [&str; 5] = ["Cargo.toml", "labs.toml", "src", "checks", "hints"];

/// Runs the command.
pub fn run(chapter: &str, directory: &Path) -> Result<ExitCode> {
    let checkout = Checkout::here()?;
    need_whole_checkout(&checkout, "lab start")?;
    let labs = Labs::read(&checkout.root)?;
    let chapter = &checkout.chapters[checkout.position(chapter)?];
    let Some(lab) = labs.find(chapter) else {
        return mistake(format!("{chapter} has no lab"));
    };
    let files = workspace(&checkout, lab)?;
    make_empty(directory)?;
    write_tree(directory, &Tree::new(), &files)?;
    make_executable(&directory.join("xtask/runner"))?;
    settle(directory);

    let shown = directory.display();
    println!("{shown}: the lab of {chapter}, \"{}\"", lab.title);
    println!("  {shown}/README.md says what to do; the program is in {shown}/chapters/{chapter}");
    println!("  $ cd {}", quoted(&shown.to_string()));
    println!("  $ cargo xtask grade {}", lab.number());
    Ok(ExitCode::SUCCESS)
}

/// All its files.
fn workspace(checkout: &Checkout, lab: &Lab) -> Result<Tree> {
    let root = &checkout.root;
    let mut files = Tree::new();
    let mut add = |path: &Path| -> Result<()> {
        let full = root.join(path);
        if full.is_dir() {
            let tree = read_tree(&full)?;
            files.extend(tree.into_iter().map(|(inner, contents)| (path.join(inner), contents)));
        } else {
            let contents = fs::read(&full).with_context(|| full.display().to_string())?;
            files.insert(path.to_owned(), contents);
        }
        Ok(())
    };
    for path in FOLDERS.iter().chain(&FILES) {
        add(Path::new(path))?;
    }
    for path in LABS {
        add(&Path::new("tests/labs").join(path))?;
    }
    add(&Package::chapter(&lab.chapter).folder())?;

    let hints = format!("tests/labs/hints/{}.md", lab.number());
    files.retain(|path, _| !path.starts_with("tests/labs/hints") || *path == Path::new(&hints));
    files.insert("Cargo.toml".into(), manifest(root)?.into_bytes());
    files.insert("README.md".into(), readme(root, lab)?.into_bytes());
    Ok(files)
}

/// The workspace's manifest with the members that are there.
fn manifest(root: &Path) -> Result<String> {
    let path = root.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut manifest = text.parse::<DocumentMut>().with_context(|| path.display().to_string())?;
    const NOT_THERE: [&str; 4] = ["book", "solutions/*", "tests/chaos", "tests/fuzz"];
    let is_there = |member: &&str| !NOT_THERE.contains(member);
    for key in ["members", "default-members"] {
        let members = manifest["workspace"][key].as_array().context("the workspace's members")?;
        let members: Array = members.iter().filter_map(|it| it.as_str()).filter(is_there).collect();
        manifest["workspace"][key] = value(members);
    }
    // It is about crates of the book, which is not there.
    manifest["profile"]["dev"].as_table_like_mut().map(|profile| profile.remove("package"));
    Ok(manifest.to_string())
}

/// The task, as the book has it.
fn readme(root: &Path, lab: &Lab) -> Result<String> {
    let path = root.join("book/pages").join(&lab.chapter).with_extension("md");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let section = page::section(&text).context("the page has no section on the lab")?;
    let section = without_links_to_pages(section);
    let chapter = &lab.chapter;
    let number = lab.number();
    let title = &lab.title;
    let folders: String = lab.folders.iter().map(|folder| format!(" and in `{folder}`")).collect();
    let commands = commands(&[
        (
            "cargo build -p xtask".to_owned(),
            "once: this takes a minute or two, and says how far it is",
        ),
        (format!("cargo run -p {chapter}"), "run it"),
        (format!("cargo xtask grade {number}"), "grade it; the first time builds the checks"),
        (format!("cargo xtask grade {number} --watch"), "grade it on every save"),
        (format!("cargo xtask grade {number} --hint"), "a hint for the first task not passed yet"),
        (format!("cargo xtask grade {number} --hint TASK --hint"), "two hints for a task"),
        ("cargo xtask doctor".to_owned(), "what this machine's KVM can do"),
    ]);
    Ok(format!(
        "# {title}: the lab of {chapter}\n\n\
         {section}\n\n\
         ## Commands\n\n\
         Work in `chapters/{chapter}`{folders}. You need Linux on x86-64, Rust 1.95 or newer, and a C \
         compiler with binutils.\n\n\
         ```console\n\
         {commands}\
         ```\n\n\
         Where `/dev/kvm` is missing or lacks something, the first program that needs it fetches what \
         it takes to run in an emulated machine, and says so.\n\n\
         What is built takes about 1.2 GB. The workspaces of several labs can share it, and then only \
         the first waits: set `CARGO_TARGET_DIR` to one folder for all of them, in each shell \
         (`export CARGO_TARGET_DIR=$HOME/labs-target`).\n"
    ))
}

/// Commands as one types them, each with what it is for, all of these below each other.
fn commands(commands: &[(String, &str)]) -> String {
    let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    commands.iter().map(|(command, what)| format!("$ {command:width$}  # {what}\n")).collect()
}

/// A link to another page of the book leads nowhere here: its text has to do.
fn without_links_to_pages(section: &str) -> String {
    let mut text = String::new();
    let mut rest = section;
    while let Some((before, link)) = rest.split_once("](") {
        let Some((target, after)) = link.split_once(')') else { break };
        match before.rsplit_once('[') {
            Some((start, words)) if !target.contains("://") => {
                text += &format!("{start}{words} (in the book)");
            }
            _ => text += &format!("{before}]({target})"),
        }
        rest = after;
    }
    text + rest
}

fn make_empty(directory: &Path) -> Result<()> {
    let shown = directory.display();
    let refuse = |why: &str| Err(NoInput(format!("{shown}: {why}")).into());
    let whole = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    if whole.to_str().is_none() {
        return refuse(
            "cargo cannot work where a folder's name is not UTF-8\n  name another place",
        );
    }
    // A link that leads nowhere does exist, too.
    if fs::symlink_metadata(directory).is_ok() && !directory.is_dir() {
        return refuse("this is no folder\n  name one that does not exist yet");
    }
    let is_empty = match fs::create_dir_all(directory).and_then(|()| fs::read_dir(directory)) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => return refuse(&error.to_string()),
    };
    match is_empty {
        true => Ok(()),
        false => refuse("the folder is not empty\n  name one that does not exist yet"),
    }
}

/// Cargo's runner is a script, and files as we copy them are not to be executed.
fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| path.display().to_string())
}

/// What is good to have, and may be lacking: a lock file without what is not there, and a first
/// commit to compare with.
fn settle(directory: &Path) {
    let quietly = |command: &mut Command| {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let metadata = ["metadata", "--offline", "--format-version=1", "--manifest-path"];
    quietly(cargo().args(metadata).arg(directory.join("Cargo.toml")));
    if programs::find("git").is_none() {
        return;
    }
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        // Whoever has not told git their name can still begin.
        git.arg("-C").arg(directory).args(["-c", "user.name=mini-kvm"]);
        quietly(git.args(["-c", "user.email=mini-kvm@localhost"]).args(arguments))
    };
    let begun = git(&["init", "--quiet"])
        && git(&["add", "--all"])
        && git(&["commit", "--quiet", "--no-verify", "--message", "Begin the lab"]);
    if !begun {
        eprintln!("git: no repository was made in {}; the lab does without", directory.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_cannot_be_a_workspace_is_refused() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        symlink(at("nowhere"), at("link")).unwrap();
        symlink(folder.path(), at("full")).unwrap();
        let odd = folder.path().join(OsStr::from_bytes(b"caf\xe9"));
        for (place, why) in [
            (at("file"), "this is no folder"),
            (at("link"), "this is no folder"),
            (at("file/inside"), "Not a directory"),
            (at("full"), "not empty"),
            (odd.clone(), "not UTF-8"),
            (odd.join("inside"), "not UTF-8"),
        ] {
            let error = make_empty(&place).unwrap_err();
            assert!(error.is::<NoInput>() && error.to_string().contains(why), "{error}");
        }
        assert!(!odd.exists());
        make_empty(&at("new/folder")).unwrap();
        make_empty(&at("new/folder")).unwrap();
    }

    #[test]
    fn what_commands_are_for_is_below_each_other() {
        let commands = commands(&[("a".to_owned(), "one"), ("a --long".to_owned(), "two")]);
        assert_eq!(commands, "$ a         # one\n$ a --long  # two\n");
    }

    #[test]
    fn links_within_the_book_become_words() {
        let text =
            "See the [lab of chapter 4](ch04-exits.md#lab), [cpio](https://x.org/a) and [a] (b).";
        assert_eq!(
            without_links_to_pages(text),
            "See the lab of chapter 4 (in the book), [cpio](https://x.org/a) and [a] (b)."
        );
    }
}
