//! `--hint`: help, as much as is asked for.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use labs::{Lab, hints};

use super::{Options, find};
use crate::chapters::Checkout;
use crate::lab::mistake;
use crate::lab::record::Record;

/// How many hints a task has.
const TIERS: usize = 2;

/// Prints the hints: as many of each task as `--hint` was said.
pub fn run(checkout: &Checkout, target: &Path, lab: &Lab, options: &Options) -> Result<ExitCode> {
    let named: Vec<_> = options.hint.iter().filter(|task| !task.is_empty()).collect();
    let tasks: Vec<_> = match named.as_slice() {
        [] => {
            let folder = find(checkout, lab, options.against.as_deref())?.folder;
            let record = Record::read(target);
            let passed = record.passed(&folder, &lab.chapter).unwrap_or(&[]);
            lab.tasks.iter().filter(|task| !passed.contains(&task.id)).collect()
        }
        names => {
            let find = |name: &&String| {
                let all: Vec<_> = lab.tasks.iter().map(|task| task.id.as_str()).collect();
                let unknown = || {
                    format!("{name}: {} has no such task\n  it has {}", lab.chapter, all.join(", "))
                };
                lab.task(name).map_or_else(|| mistake(unknown()), Ok)
            };
            let mut tasks = names.iter().map(find).collect::<Result<Vec<_>>>()?;
            tasks.dedup_by_key(|task| &task.id);
            tasks
        }
    };

    let hints = hints::read(&checkout.root, lab)?;
    let shown = options.hint.len().min(TIERS);
    let mut text = String::new();
    for task in &tasks {
        let hints =
            hints.iter().find(|hints| hints.task == task.id).context("each task has hints")?;
        text += &format!("{}: {}\n\n", task.id, task.title);
        text += &indented(&hints.tiers[..shown]);
    }
    let number = lab.number();
    text += &if tasks.is_empty() {
        format!("{number}: all tasks were passed when they were graded last\n")
    } else if shown < TIERS {
        format!("more: cargo xtask grade {number} --hint TASK --hint\n")
    } else {
        String::new()
    };
    io::stdout().write_all(text.as_bytes()).context("stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// Paragraphs, each indented and with an empty line after it.
fn indented(paragraphs: &[String]) -> String {
    let mut text = String::new();
    for paragraph in paragraphs {
        for line in paragraph.lines() {
            text += format!("  {line}").trim_end();
            text.push('\n');
        }
        text.push('\n');
    }
    text
}
