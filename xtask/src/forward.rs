//! `cargo xtask forward`: takes a change made in one chapter to all later ones and to the solutions.

mod carry;
mod format;
mod git;
mod lists;
mod merge;
mod state;

use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::chapters::{self, Checkout, Package, write_tree};
use crate::status;
use carry::{Change, Fate};
use merge::Labels;
use state::{State, Stop};

/// How it goes on, for `--help`.
pub const AFTER_HELP: &str = "\
Each later chapter, and the solution of each, is merged with the change of the chapter before it.
At a conflict, it stops: mend the files it names, then --continue; or --abort. Commit what was
carried before you carry more, lest you meet the same conflicts again.

Exit status:
   0  the change is everywhere, or there was none
   1  a conflict, or something went wrong
  64  there is no such chapter, or no such commit";

#[derive(clap::Args)]
pub struct Options {
    /// The chapter that was changed: ch03, 3 or ch03-hlt
    #[arg(required_unless_present_any = ["go_on", "abort"], conflicts_with_all = ["go_on", "abort"])]
    chapter: Option<String>,
    /// The commit before the change; without it, what is not committed yet is the change
    #[arg(long, value_name = "REV", requires = "chapter")]
    base: Option<String>,
    /// Go on after a conflict that you have mended
    #[arg(long = "continue", conflicts_with = "abort")]
    go_on: bool,
    /// Make all chapters and solutions what they were before
    #[arg(long)]
    abort: bool,
}

/// Runs the command.
pub fn run(options: &Options) -> ExitCode {
    let attempt = || {
        let checkout = Checkout::here()?;
        let out = &mut io::stdout();
        match &options.chapter {
            Some(chapter) => {
                start(&checkout, chapter, options.base.as_deref().unwrap_or("HEAD"), out)
            }
            None if options.go_on => go_on(&checkout, out),
            None => abort(&checkout, out),
        }
    };
    attempt().unwrap_or_else(|error: anyhow::Error| chapters::fail(&error))
}

/// A report that nobody reads is no reason to leave the tree half done.
macro_rules! say {
    ($out:expr, $($format:tt)*) => {{
        let _ = writeln!($out, $($format)*);
    }};
}

fn start(
    checkout: &Checkout,
    chapter: &str,
    revision: &str,
    out: &mut impl Write,
) -> Result<ExitCode> {
    state::refuse_second(checkout)?;
    let position = checkout.position(chapter)?;
    let source = Package::chapter(&checkout.chapters[position]);
    let commit = git::commit(&checkout.root, revision)?;
    let base = git::tree(&checkout.root, &commit, &source.folder())?;
    if base.is_empty() {
        bail!(
            "{source}: not in {revision}\n  commit the chapter before you change it, or name a \
             commit that has it: --base REV"
        );
    }
    if base == checkout.tree(&source)? {
        say!(out, "{source}: nothing to carry: it is as in {revision}");
        return Ok(ExitCode::SUCCESS);
    }

    let mut targets = Vec::new();
    for (place, name) in checkout.chapters.iter().enumerate().skip(position) {
        // A solution follows its chapter: who has mended a conflict in one will know how to mend it
        // in the other.
        let chapter = (place > position).then(|| Package::chapter(name));
        let solution = Some(Package::solution(name)).filter(|it| checkout.folder(it).exists());
        targets.extend([chapter, solution].into_iter().flatten());
    }
    if targets.is_empty() {
        say!(out, "{source}: nothing to carry it to: it is the last chapter, without a solution");
        return Ok(ExitCode::SUCCESS);
    }

    let state = State::begin(checkout, source.clone(), targets)?;
    // First of all, so that its layout is carried as it will be.
    for complaint in format::format(checkout, std::slice::from_ref(&source))? {
        say!(out, "{complaint}");
    }
    state.remember_left(checkout, &source)?;
    let change = Change { base, theirs: checkout.tree(&source)? };
    say!(out, "{source}: changed since {revision}: {}", names(change.files()));
    carry_on(checkout, state, change, source, 0, out)
}

fn go_on(checkout: &Checkout, out: &mut impl Write) -> Result<ExitCode> {
    let mut state = State::load(checkout)?;
    let Some(stop) = state.stop.clone() else {
        bail!(
            "the last forward was interrupted, not stopped by a conflict\n  to put everything back \
             as it was: cargo xtask forward --abort\n  then begin it anew"
        );
    };
    let target = state.targets[stop.position].clone();
    let tree = checkout.tree(&target)?;
    let is_unfinished = |path: &&PathBuf| {
        let contents = tree.get(*path);
        contents.is_some_and(|contents| merge::has_markers(&String::from_utf8_lossy(contents)))
    };
    let unfinished: Vec<_> = stop.conflicts.iter().filter(is_unfinished).collect();
    if !unfinished.is_empty() {
        let folder = target.folder();
        let names: String = unfinished
            .into_iter()
            .map(|path| format!("\n  {}", folder.join(path).display()))
            .collect();
        bail!("conflict markers are left in{names}\n  decide what goes there, and remove them");
    }

    // From here on, being killed means that --abort is the only way.
    state.stop = None;
    state.save()?;
    let base = state.next_base()?;
    let mended = Change { base, theirs: tree };
    let carried = if mended.files().is_empty() { "nothing to carry" } else { "carried" };
    report(out, &target, carried, &names(mended.files()));
    for complaint in format::format(checkout, std::slice::from_ref(&target))? {
        say!(out, "{complaint}");
    }

    let (change, neighbour) = match target.is_solution {
        true => (state.change()?, stop.neighbour),
        false => (mended, target),
    };
    carry_on(checkout, state, change, neighbour, stop.position + 1, out)
}

fn abort(checkout: &Checkout, out: &mut impl Write) -> Result<ExitCode> {
    if State::clear_remains(checkout)? {
        say!(out, "no chapter was in the middle of a change");
        return Ok(ExitCode::SUCCESS);
    }
    let state = State::load(checkout)?;
    let aside = state.put_back(checkout)?;
    say!(out, "{} and all after it are as they were before the forward", state.source);
    if let Some(aside) = aside {
        say!(out, "  what you have changed since is kept in {}", aside.display());
    }
    state.end()?;
    Ok(ExitCode::SUCCESS)
}

/// Carries `change`, which is in `neighbour`, to the targets from `start` on.
fn carry_on(
    checkout: &Checkout,
    mut state: State,
    mut change: Change,
    mut neighbour: Package,
    start: usize,
    out: &mut impl Write,
) -> Result<ExitCode> {
    for (position, target) in state.targets.clone().into_iter().enumerate().skip(start) {
        let labels = Labels {
            ours: target.to_string(),
            base: format!("{neighbour} before the change"),
            theirs: format!("{neighbour} with the change"),
        };
        let before = checkout.tree(&target)?;
        let carried = change.carry_to(&before, &labels);
        let with = |wanted: fn(&Fate) -> bool| {
            names(carried.files.iter().filter(|(_, fate)| wanted(fate)).map(|(path, _)| path))
        };
        match carried.fate() {
            Fate::NothingToCarry => report(out, &target, "nothing to carry", ""),
            Fate::AlreadyThere => {
                report(out, &target, "already there", &with(|fate| *fate == Fate::AlreadyThere));
            }
            Fate::Carried => {
                report(out, &target, "carried", &with(|fate| *fate == Fate::Carried));
            }
            Fate::Conflict(_) => {
                report(out, &target, "conflict", &with(|fate| matches!(fate, Fate::Conflict(_))));
            }
        }
        write_tree(&checkout.folder(&target), &before, &carried.tree)?;

        if let Fate::Conflict(_) = carried.fate() {
            let conflicts: Vec<_> = carried.conflicts().collect();
            let stop = Stop {
                position,
                neighbour,
                conflicts: conflicts.iter().map(|(path, _)| (*path).clone()).collect(),
            };
            state.save_stop(stop, &change, &carried.base)?;
            state.remember_left(checkout, &target)?;
            finish(checkout, &state, start..position, out)?;
            say!(out, "{}", how_to_go_on(&target, &conflicts));
            return Ok(ExitCode::from(status::FAILED));
        }
        // What is carried on is not formatted: another chapter's unfinished work may become so, and
        // would travel along.
        if !target.is_solution {
            change = Change { base: carried.base, theirs: carried.tree };
            neighbour = target;
        }
    }
    finish(checkout, &state, start..state.targets.len(), out)?;
    state.end()?;
    Ok(ExitCode::SUCCESS)
}

/// Formats what we have changed, and notes that it was us.
fn finish(
    checkout: &Checkout,
    state: &State,
    targets: Range<usize>,
    out: &mut impl Write,
) -> Result<()> {
    let mut changed = Vec::new();
    for target in &state.targets[targets] {
        if state.was_changed(checkout, target)? {
            changed.push(target.clone());
        }
    }
    for complaint in format::format(checkout, &changed)? {
        say!(out, "{complaint}");
    }
    changed.iter().try_for_each(|target| state.remember_left(checkout, target))
}

fn how_to_go_on(target: &Package, conflicts: &[(&PathBuf, &str)]) -> String {
    let folder = target.folder();
    let files: String = conflicts
        .iter()
        .map(|(path, why)| format!("\n  {}: {why}", folder.join(path).display()))
        .collect();
    format!(
        "\nconflict in {target}{files}\n  mend it, then: cargo xtask forward --continue\n  or put \
         everything back as it was: cargo xtask forward --abort"
    )
}

fn report(out: &mut impl Write, package: &Package, fate: &str, files: &str) {
    say!(out, "{}", format!("{package:<28}  {fate:<16}  {files}").trim_end());
}

fn names<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let names: Vec<_> = paths.into_iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
