//! `steps`: what a reader has at the end of every step must compile.
//!
//! All steps become packages of one workspace of their own, under `target/`, that is checked at
//! once. It has the dependencies and lints of ours, and shares its target directory.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use cargo_metadata::Message;
use cargo_metadata::diagnostic::DiagnosticLevel;
use chapter_diff::chapters::{Tree, number, read_tree, write_tree};
use toml_edit::{Array, DocumentMut, value};

use crate::Verdict;
use crate::book::{Book, PAGES};
use crate::problem::{Problem, count, list};

/// The workspace of the steps, below the checkout.
const FOLDER: &str = "target/book-steps";

/// Errors shown of each step.
const ERRORS_MAX: usize = 2;

/// The end of a step.
struct Step {
    /// What its package is called.
    package: String,
    page: PathBuf,
    line: usize,
    title: String,
    tree: Tree,
}

/// How many of a chapter's steps were looked at.
struct Row {
    chapter: String,
    steps: usize,
    unfinished: usize,
    /// The same as the chapter, or as the step before: that has been compiled already.
    same: usize,
    compiled: usize,
}

/// Compiles the steps of all pages, or of some.
pub fn run(book: &Book, pages: &[String]) -> Result<Verdict> {
    let (mut steps, mut rows, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let is_wanted = |chapter: &str| {
        pages.is_empty() || pages.iter().any(|page| chapter.starts_with(page.as_str()))
    };
    for change in book.changes.iter().filter(|change| is_wanted(&change.chapter)) {
        let chapter = &change.chapter;
        let Some(replay) = book.replay(change) else {
            problems.push(Problem {
                file: PathBuf::from(PAGES).join(format!("{chapter}.md")),
                line: 0,
                what: format!("no page for chapter {}", number(chapter).unwrap_or(0)),
                advice: "write it, and name it in SUMMARY.md".to_owned(),
            });
            continue;
        };
        let mut row =
            Row { chapter: chapter.clone(), steps: 0, unfinished: 0, same: 0, compiled: 0 };
        let mut last = change.old.clone();
        for (index, step) in replay.steps.iter().enumerate() {
            row.steps += 1;
            let tree = change.tree(&step.after);
            if !step.is_finished {
                row.unfinished += 1;
            } else if tree == change.new || tree == last {
                row.same += 1;
            } else {
                row.compiled += 1;
                last.clone_from(&tree);
                let (package, title) =
                    (format!("{chapter}-step-{}", index + 1), step.title.clone());
                let page = book.pages[chapter].file.clone();
                steps.push(Step { package, page, line: step.line, title, tree });
            }
        }
        rows.push(row);
    }
    if !steps.is_empty() {
        problems.extend(compile(&book.checkout.root, &steps)?);
    }
    problems.sort();
    Ok(Verdict { report: report(&problems, &rows), is_good: problems.is_empty() })
}

fn report(problems: &[Problem], rows: &[Row]) -> String {
    let mut text = list(problems);
    let width = rows.iter().map(|row| row.chapter.len()).max().unwrap_or(0);
    text += &format!(
        "\n{:width$}  {:>5}  {:>10}  {:>7}  {:>8}\n",
        "", "steps", "unfinished", "as such", "compiled"
    );
    for Row { chapter, steps, unfinished, same, compiled } in rows {
        text +=
            &format!("{chapter:width$}  {steps:>5}  {unfinished:>10}  {same:>7}  {compiled:>8}\n");
    }
    text += "(as such: the chapter itself, or the same as the step before)\n";
    text + &count(problems)
}

fn compile(checkout: &Path, steps: &[Step]) -> Result<Vec<Problem>> {
    let folder = checkout.join(FOLDER);
    write(checkout, &folder, steps)?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let mut child = Command::new(cargo)
        .args(["check", "--workspace", "--all-targets", "--keep-going", "--message-format=json"])
        .arg("--target-dir")
        .arg(target.unwrap_or_else(|| checkout.join("target")))
        .current_dir(&folder)
        .env("CARGO_INCREMENTAL", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo")?;
    let stdout = child.stdout.take().context("cargo's output")?;
    let mut errors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for message in Message::parse_stream(BufReader::new(stdout)) {
        if let Message::CompilerMessage(message) = message.context("cargo's output")?
            && matches!(message.message.level, DiagnosticLevel::Error | DiagnosticLevel::Ice)
        {
            let text = message.message.rendered.unwrap_or(message.message.message);
            let of_step = errors.entry(message.target.name).or_default();
            // The program and its tests have most errors in common.
            if !of_step.contains(&text) {
                of_step.push(text);
            }
        }
    }
    let status = child.wait().context("cargo")?;

    let mut problems = Vec::new();
    for step in steps {
        let Some(errors) = errors.remove(&step.package) else {
            continue;
        };
        let shown = errors.iter().filter(|error| !error.starts_with("error: aborting"));
        problems.push(Problem {
            file: step.page.clone(),
            line: step.line,
            what: format!("the step \"{}\" does not compile when it ends", step.title),
            advice: format!(
                "show what it lacks in it, or mark it with {{{{#unfinished}}}}:\n{}",
                shown.take(ERRORS_MAX).map(String::as_str).collect::<String>()
            ),
        });
    }
    if !status.success() && problems.is_empty() {
        problems.push(Problem {
            file: PathBuf::from(FOLDER),
            line: 0,
            what: format!("cargo check: {status}"),
            advice: "see above what cargo says".to_owned(),
        });
    }
    Ok(problems)
}

/// Writes the workspace. What has not changed since the last time is left alone.
fn write(checkout: &Path, folder: &Path, steps: &[Step]) -> Result<()> {
    let before = read_tree(folder)?;
    let mut after = Tree::new();
    for step in steps {
        for (path, contents) in &step.tree {
            let contents = match path.as_path() == Path::new("Cargo.toml") {
                true => renamed(contents, &step.package)
                    .with_context(|| format!("{}: Cargo.toml", step.package))?,
                false => contents.clone(),
            };
            after.insert(Path::new(&step.package).join(path), contents);
        }
    }
    after.insert(PathBuf::from("Cargo.toml"), workspace(checkout, steps)?.into_bytes());
    // The versions of ours. Cargo adds the steps to it, and need not the next time.
    let lock = Path::new("Cargo.lock");
    let ours = checkout.join(lock);
    let is_newer = |one: &Path, other: &Path| {
        let time = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
        time(one) > time(other)
    };
    match before.get(lock) {
        Some(contents) if !is_newer(&ours, &folder.join(lock)) => {
            after.insert(lock.to_owned(), contents.clone());
        }
        _ if ours.is_file() => {
            let contents = fs::read(&ours).with_context(|| ours.display().to_string())?;
            after.insert(lock.to_owned(), contents);
        }
        _ => {}
    }
    write_tree(folder, &before, &after)
}

/// The manifest of a step, under a name that no other has.
fn renamed(manifest: &[u8], name: &str) -> Result<Vec<u8>> {
    let mut manifest: DocumentMut = str::from_utf8(manifest)?.parse()?;
    manifest["package"]["name"] = value(name);
    Ok(manifest.to_string().into_bytes())
}

/// The manifest of the workspace: ours with other members, and with paths that are right there.
fn workspace(checkout: &Path, steps: &[Step]) -> Result<String> {
    let path = checkout.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut manifest: DocumentMut = text.parse().with_context(|| path.display().to_string())?;
    // Of packages that the steps do not have.
    manifest.remove("profile");
    let workspace = &mut manifest["workspace"];
    let members: Array = steps.iter().map(|step| step.package.as_str()).collect();
    workspace["members"] = value(members);
    if let Some(workspace) = workspace.as_table_mut() {
        workspace.remove("default-members");
    }
    let dependencies = workspace.get_mut("dependencies").and_then(|it| it.as_table_like_mut());
    for (_, dependency) in dependencies.into_iter().flat_map(|table| table.iter_mut()) {
        let relative = dependency.get("path").and_then(|path| path.as_str()).map(str::to_owned);
        if let Some(relative) = relative {
            dependency["path"] = value(checkout.join(relative).display().to_string());
        }
    }
    Ok(manifest.to_string())
}
