//! `--hint`: help, as much as is asked for.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use labs::{Lab, Labs, Task, hints};

use super::{Options, find, named};
use crate::chapters::Checkout;
use crate::lab::mistake;
use crate::lab::record::Record;

/// How many hints a task has.
const TIERS: usize = 2;

/// No line is longer, however wide the terminal: it could not be read.
const COLUMNS_MAX: usize = 100;

/// Prints the hints: as many of each task as `--hint` was said.
pub fn run(checkout: &Checkout, target: &Path, labs: &Labs, options: &Options) -> Result<ExitCode> {
    let (chapters, names) = chapters_and_tasks(&options.chapters, &options.hint, |word| {
        checkout.position(word).is_ok()
    });
    let wanted = named(checkout, labs, &chapters)?;
    let [lab] = wanted.as_slice() else {
        return mistake("--hint: name one chapter\n  cargo xtask grade ch07 --hint");
    };
    let tasks = if names.is_empty() {
        let folder = find(checkout, lab, options.against.as_deref())?.folder;
        let record = Record::read(target);
        let passed = record.passed(&folder, &lab.chapter).unwrap_or(&[]);
        // One is enough: the next may be clear when this one is done.
        lab.tasks.iter().filter(|task| !passed.contains(&task.id)).take(1).collect()
    } else {
        tasks(lab, &names)?
    };

    let hints = hints::read(&checkout.root, lab)?;
    let shown = options.hint.len().min(TIERS);
    let mut text = String::new();
    for task in &tasks {
        let hints =
            hints.iter().find(|hints| hints.task == task.id).context("each task has hints")?;
        text += &format!("{}: {}\n\n", task.id, task.title);
        text += &indented(&hints.tiers[..shown], columns());
    }
    let number = lab.number();
    text += &match tasks.as_slice() {
        [] => format!("{number}: all tasks were passed when they were graded last\n"),
        [task] if shown < TIERS => {
            format!("more: cargo xtask grade {number} --hint {} --hint\n", task.id)
        }
        _ if shown < TIERS => format!("more: cargo xtask grade {number} --hint TASK --hint\n"),
        _ => String::new(),
    };
    io::stdout().write_all(text.as_bytes()).context("stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// What was typed as chapters and as tasks, with the first word behind `--hint` taken for a chapter
/// if none was named and it is one: `--hint ch07`.
fn chapters_and_tasks(
    chapters: &[String],
    hint: &[String],
    is_chapter: impl Fn(&str) -> bool,
) -> (Vec<String>, Vec<String>) {
    let mut chapters = chapters.to_vec();
    let mut tasks: Vec<_> = hint.iter().filter(|task| !task.is_empty()).cloned().collect();
    if chapters.is_empty() && tasks.first().is_some_and(|task| is_chapter(task)) {
        chapters.push(tasks.remove(0));
    }
    (chapters, tasks)
}

/// The tasks of these names, each once.
fn tasks<'a>(lab: &'a Lab, names: &[String]) -> Result<Vec<&'a Task>> {
    let mut tasks: Vec<&Task> = Vec::new();
    for name in names {
        let Some(task) = lab.task(name) else {
            let all: Vec<_> = lab.tasks.iter().map(|task| task.id.as_str()).collect();
            let all = all.join(", ");
            return mistake(format!("{name}: {} has no such task\n  it has {all}", lab.chapter));
        };
        if tasks.iter().all(|other| other.id != task.id) {
            tasks.push(task);
        }
    }
    Ok(tasks)
}

/// How long a line may be.
fn columns() -> usize {
    match io::stdout().is_terminal() {
        true => textwrap::termwidth().min(COLUMNS_MAX),
        false => COLUMNS_MAX,
    }
}

/// Paragraphs, each indented, with no longer lines than this, and with an empty line after it.
fn indented(paragraphs: &[String], columns: usize) -> String {
    let options = textwrap::Options::new(columns)
        .initial_indent("  ")
        .subsequent_indent("  ")
        .break_words(false);
    let mut text = String::new();
    for paragraph in paragraphs {
        for line in paragraph.lines() {
            text += textwrap::fill(line, &options).trim_end();
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_behind_hint_is_taken_for_one() {
        let split = |chapters: &[&str], hint: &[&str]| {
            let owned =
                |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
            let is_chapter = |word: &str| word.starts_with("ch");
            let (chapters, tasks) = chapters_and_tasks(&owned(chapters), &owned(hint), is_chapter);
            format!("{} | {}", chapters.join(" "), tasks.join(" "))
        };
        assert_eq!(split(&["ch07"], &[""]), "ch07 | ");
        assert_eq!(split(&[], &["ch07"]), "ch07 | ");
        assert_eq!(split(&[], &["ch07", "puts"]), "ch07 | puts");
        assert_eq!(split(&["ch07"], &["puts", ""]), "ch07 | puts");
        assert_eq!(split(&[], &["puts"]), " | puts");
    }

    #[test]
    fn long_lines_are_wrapped() {
        let paragraphs = ["one two three".to_owned(), "a `very_long_word`".to_owned()];
        assert_eq!(indented(&paragraphs, 10), "  one two\n  three\n\n  a\n  `very_long_word`\n\n");
    }
}
