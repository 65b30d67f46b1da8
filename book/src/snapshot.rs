//! The snapshots of the tests: what a chapter really printed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Where they are in the checkout.
pub const FOLDER: &str = "tests/snapshots";

/// What the tests say of output whose last line has no end.
const NO_LINE_END: &str = "(no newline at the end)";

/// A command, and what it printed.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// As a reader types it.
    pub command: String,
    /// What was wrong with KVM, on purpose: `KVM_FAULT` of `tests/shim`.
    pub fault: Option<String>,
    pub status: i32,
    pub stdout: Stream,
    pub stderr: Stream,
    /// The tests have seen something else, and nobody has looked at it.
    pub is_stale: bool,
}

/// What went to one stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stream {
    pub lines: Vec<String>,
    /// Whether the last line has an end.
    pub ends: bool,
}

impl Snapshot {
    /// Reads what `insta` keeps in a file.
    pub fn parse(text: &str) -> Result<Self> {
        let shape = "a header between two lines ---, then $ COMMAND, status: N, --- stdout, the \
                     output, --- stderr, the messages";
        let contents = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
        let mut lines = contents.context(shape)?.1.lines();
        let command = lines.next().and_then(|line| line.strip_prefix("$ ")).context(shape)?;
        let status = lines.next().and_then(|line| line.strip_prefix("status: ")).context(shape)?;
        let status = status.parse().context(shape)?;
        if lines.next() != Some("--- stdout") {
            bail!(shape);
        }
        let lines: Vec<_> = lines.collect();
        // The guest may print such a line, the VMM does not: the last one is ours.
        let middle = lines.iter().rposition(|line| *line == "--- stderr").context(shape)?;
        let (command, fault) = as_typed(command);
        let (stdout, stderr) = (stream(&lines[..middle]), stream(&lines[middle + 1..]));
        Ok(Self { command, fault, status, stdout, stderr, is_stale: false })
    }

    /// All lines after the command, in the order in which they are shown.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.stdout.lines.iter().chain(&self.stderr.lines).map(String::as_str)
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.lines().count()
    }
}

fn stream(lines: &[&str]) -> Stream {
    let (lines, ends) = match lines {
        [lines @ .., NO_LINE_END] => (lines, false),
        lines => (lines, true),
    };
    Stream { lines: lines.iter().map(|line| (*line).to_owned()).collect(), ends }
}

/// `ch04-exits triple-fault` is `cargo run -p ch04-exits -- triple-fault` where the chapter is.
fn as_typed(command: &str) -> (String, Option<String>) {
    let (input, run) = match command.rsplit_once(" | ") {
        Some((input, run)) => (format!("{input} | "), run),
        None => (String::new(), command),
    };
    let (fault, run) = match run.strip_prefix("KVM_FAULT=").and_then(|rest| rest.split_once(' ')) {
        Some((fault, run)) => (Some(fault.to_owned()), run),
        None => (None, run),
    };
    let run = match run.split_once(' ') {
        Some((chapter, arguments)) => format!("cargo run -p {chapter} -- {arguments}"),
        None => format!("cargo run -p {run}"),
    };
    (input + &run, fault)
}

/// All snapshots of a checkout, by the names of their cases.
pub fn all(checkout: &Path) -> Result<BTreeMap<String, Snapshot>> {
    let folder = checkout.join(FOLDER);
    let mut snapshots = BTreeMap::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        let is_snapshot = path.extension().is_some_and(|extension| extension == "snap");
        let Some(case) = path.file_stem().filter(|_| is_snapshot).and_then(|stem| stem.to_str())
        else {
            continue;
        };
        let name = || path.display().to_string();
        let text = fs::read_to_string(&path).with_context(name)?;
        let mut snapshot = Snapshot::parse(&text).with_context(name)?;
        // Left by insta where a test saw something else.
        snapshot.is_stale = path.with_extension("snap.new").exists();
        snapshots.insert(case.to_owned(), snapshot);
    }
    Ok(snapshots)
}
