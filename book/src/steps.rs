//! `steps`: what a reader has at the end of every step must compile.
//!
//! All steps become packages of one workspace of their own, under `target/`, that is checked at
//! once. It has the dependencies and lints of ours, and shares its target directory.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Result;
use chapter_diff::chapters::{Tree, number};
use variants::Scratch;

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
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| checkout.join("target"));
    let mut scratch = Scratch::new(checkout, &checkout.join(FOLDER));
    for Step { package, tree, .. } in steps {
        scratch.add(Path::new(package), package, tree)?;
    }
    let workspace = scratch.write()?;
    let mut cargo = workspace.cargo("check", &target);
    let mut built = workspace.run(cargo.arg("--all-targets").stderr(Stdio::inherit()))?;

    let mut problems = Vec::new();
    for step in steps {
        let Some(errors) = built.errors.remove(&step.package) else {
            continue;
        };
        problems.push(Problem {
            file: step.page.clone(),
            line: step.line,
            what: format!("the step \"{}\" does not compile when it ends", step.title),
            advice: format!(
                "show what it lacks in it, or mark it with {{{{#unfinished}}}}:\n{}",
                errors.iter().take(ERRORS_MAX).map(String::as_str).collect::<String>()
            ),
        });
    }
    if !built.status.success() && problems.is_empty() {
        problems.push(Problem {
            file: PathBuf::from(FOLDER),
            line: 0,
            what: format!("cargo check: {}", built.status),
            advice: "see above what cargo says".to_owned(),
        });
    }
    Ok(problems)
}
