//! `--watch`: grades whenever the answer is saved.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context, Result};
use labs::Lab;
use notify_debouncer_mini::new_debouncer;
use notify_debouncer_mini::notify::RecursiveMode;

use super::{Options, find, grade};
use crate::chapters::{Checkout, belongs};

/// Editors write a file in several steps, and more files than one.
const QUIET: Duration = Duration::from_millis(300);

/// Grades now, and again after each change; only Ctrl-C ends it.
pub fn run(
    checkout: &Checkout,
    target: &Path,
    labs: &[&Lab],
    options: &Options,
) -> Result<ExitCode> {
    let (sender, changes) = channel();
    let mut watcher = new_debouncer(QUIET, sender).context("cannot watch files")?;
    let mut folders: Vec<PathBuf> = Vec::new();
    for lab in labs {
        folders.push(find(checkout, lab, options.against.as_deref())?.folder(checkout));
        folders.extend(lab.folders.iter().map(|folder| checkout.root.join(folder)));
    }
    for folder in &folders {
        let watched = watcher.watcher().watch(folder, RecursiveMode::Recursive);
        watched.with_context(|| format!("cannot watch {}", folder.display()))?;
    }
    loop {
        match grade(checkout, target, labs, options) {
            Ok(grade) => print!("{grade}"),
            // It may be a file that is half written.
            Err(error) => eprintln!("error: {error:#}"),
        }
        eprintln!("waiting for a change (Ctrl-C ends this)…");
        loop {
            let events = changes.recv().context("the watch has ended")?;
            let matters = |path: &Path| {
                folders.iter().any(|folder| path.strip_prefix(folder).is_ok_and(belongs))
            };
            if events.is_ok_and(|events| events.iter().any(|event| matters(&event.path))) {
                break;
            }
        }
    }
}
