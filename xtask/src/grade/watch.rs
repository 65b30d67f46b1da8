//! `--watch`: grades whenever the answer is saved.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context, Result};
use labs::{Lab, Labs};
use notify::{Event, EventKind, RecursiveMode, Watcher};

use super::{Options, find, grade};
use crate::chapters::{Checkout, belongs};
use crate::lab::build::Extent;

/// Editors write a file in several steps, and more files than one.
const QUIET: Duration = Duration::from_millis(300);

/// Grades now, and again after each change, with the same guests and numbers: what differs comes of
/// the change. Only Ctrl-C ends it.
pub fn run(
    checkout: &Checkout,
    all: &Labs,
    target: &Path,
    wanted: &[&Lab],
    options: &Options,
    seed: u32,
) -> Result<ExitCode> {
    let (sender, changes) = channel();
    let mut watcher = notify::recommended_watcher(sender).context("cannot watch files")?;
    let mut folders: Vec<PathBuf> = Vec::new();
    for lab in wanted {
        folders.push(find(checkout, lab, options.against.as_deref())?.folder);
        folders.extend(lab.folders.iter().map(|folder| checkout.root.join(folder)));
    }
    for folder in &folders {
        let watched = watcher.watch(folder, RecursiveMode::Recursive);
        watched.with_context(|| format!("cannot watch {}", folder.display()))?;
    }
    // What cargo says of the first time, which may take long, is worth reading.
    let mut extent = Extent::Least;
    loop {
        println!("{}", rule());
        match grade(checkout, all, target, wanted, options, seed, extent) {
            Ok(grade) => print!("{grade}"),
            // It may be a file that is half written.
            Err(error) => eprintln!("error: {error:#}"),
        }
        extent = Extent::Quiet;
        eprintln!("waiting for a change (Ctrl-C ends this)…");
        while !changes.recv().context("the watch has ended")?.is_ok_and(|it| matters(&it, &folders))
        {
        }
        while changes.recv_timeout(QUIET).is_ok() {}
    }
}

/// A line between two rounds, with the time.
fn rule() -> String {
    // The standard library does not know in which time zone we are.
    let time = Command::new("date").arg("+%H:%M:%S").output();
    let time = time.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned());
    format!("{:─<60}", format!("── {} ", time.unwrap_or_default()))
}

/// Whether something was saved that belongs to an answer. To read a file is an event, too.
fn matters(event: &Event, folders: &[PathBuf]) -> bool {
    let is_part =
        |path: &PathBuf| folders.iter().any(|folder| path.strip_prefix(folder).is_ok_and(belongs));
    !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(is_part)
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind};

    use super::*;

    #[test]
    fn a_round_begins_with_a_line_of_the_same_length() {
        let rule = rule();
        assert_eq!(rule.chars().count(), 60);
        assert_eq!(rule.matches(':').count(), 2, "{rule}");
    }

    #[test]
    fn only_a_saved_file_of_the_answer_matters() {
        let folders = [PathBuf::from("/a/chapters/ch01-x")];
        let saved = EventKind::Create(CreateKind::File);
        let event = |kind, path: &str| Event::new(kind).add_path(path.into());
        assert!(matters(&event(saved, "/a/chapters/ch01-x/src/main.rs"), &folders));
        assert!(!matters(&event(saved, "/a/chapters/ch01-x/src/.main.rs.swp"), &folders));
        assert!(!matters(&event(saved, "/a/chapters/ch02-y/src/main.rs"), &folders));
        let read = EventKind::Access(AccessKind::Any);
        assert!(!matters(&event(read, "/a/chapters/ch01-x/src/main.rs"), &folders));
    }
}
