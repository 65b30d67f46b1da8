//! Whether this machine's KVM is complete, and the cache of the answer.
//!
//! The tiny guests of the doctor answer it in some milliseconds, but cargo's runner asks before
//! every program: so the answer is kept in `kvm-verdict` in the target directory, whose first line
//! the script `xtask/runner` reads too:
//!
//! ```text
//! complete 72f77a13-8a67-4a32-a5d2-f0d330d120be
//! incomplete 72f77a13-8a67-4a32-a5d2-f0d330d120be 32-bit paging (KVM_EXIT_SHUTDOWN)
//! ```
//!
//! The boot's identity makes it void after a restart (a new kernel, another BIOS setting). That
//! there is no KVM at all is never kept: finding that out is one failing `open`, and the user may
//! just have mended it.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::Result;

use crate::doctor;

/// What the doctor's tiny guests found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All four ran to their `hlt`, and every capability is there.
    Complete,
    /// KVM answers, but these things do not work.
    Incomplete(Vec<String>),
    /// `/dev/kvm` cannot be used at all, and why.
    None(String),
}

/// Between two reasons, on the screen and in the cache.
const SEPARATOR: &str = "; ";

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Verdict::Complete => write!(out, "complete"),
            Verdict::Incomplete(reasons) => {
                write!(out, "incomplete: {}", reasons.join(SEPARATOR))
            }
            Verdict::None(reason) => write!(out, "none: {reason}"),
        }
    }
}

/// The verdict of this boot: from the cache in the target directory, or found out now.
pub fn of_this_machine() -> Result<Verdict> {
    // Opening comes first: a cache that another container of this boot wrote may know of a
    // /dev/kvm that we do not have.
    if let Err(reason) = doctor::open_kvm() {
        return Ok(Verdict::None(reason));
    }
    if let Some(verdict) = cached() {
        return Ok(verdict);
    }
    let verdict = doctor::examine().verdict;
    remember(&verdict);
    Ok(verdict)
}

/// Keeps a verdict for the rest of this boot. A cache that cannot be written is no error: the next
/// program finds out for itself.
pub fn remember(verdict: &Verdict) {
    let (Some(path), Some(boot)) = (cache_path(), boot_id()) else {
        return;
    };
    let _ = match cache_line(verdict, &boot) {
        Some(line) => replace(&path, &line),
        None => fs::remove_file(&path),
    };
}

fn cached() -> Option<Verdict> {
    parse_cache(&fs::read_to_string(cache_path()?).ok()?, &boot_id()?)
}

/// `target/kvm-verdict`, beside the `debug` or `release` directory in which this program lies.
fn cache_path() -> Option<PathBuf> {
    let program = crate::places::this_program().ok()?;
    Some(program.parent()?.parent()?.join("kvm-verdict"))
}

/// A random number that the kernel draws at each boot. random(4).
fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

/// Writes the whole file or nothing: several programs may start at the same moment.
fn replace(path: &Path, line: &str) -> io::Result<()> {
    let new = path.with_file_name(format!("kvm-verdict.{}", process::id()));
    fs::write(&new, line).and_then(|()| fs::rename(&new, path)).inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })
}

fn cache_line(verdict: &Verdict, boot: &str) -> Option<String> {
    match verdict {
        Verdict::Complete => Some(format!("complete {boot}\n")),
        Verdict::Incomplete(reasons) => {
            let reasons = reasons.join(SEPARATOR).replace('\n', " ");
            Some(format!("incomplete {boot} {reasons}\n"))
        }
        Verdict::None(_) => None,
    }
}

/// The verdict in a cache that was written in this boot; anything else counts as no cache.
fn parse_cache(text: &str, boot: &str) -> Option<Verdict> {
    let mut words = text.lines().next()?.splitn(3, ' ');
    let (word, written_in) = (words.next()?, words.next()?);
    if written_in != boot {
        return None;
    }
    match (word, words.next()) {
        ("complete", None) => Some(Verdict::Complete),
        ("incomplete", Some(reasons)) if !reasons.is_empty() => {
            Some(Verdict::Incomplete(reasons.split(SEPARATOR).map(str::to_owned).collect()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = "72f77a13-8a67-4a32-a5d2-f0d330d120be";

    fn incomplete() -> Verdict {
        Verdict::Incomplete(vec![
            "32-bit paging (KVM_EXIT_SHUTDOWN)".to_owned(),
            "KVM_CAP_PIT2".to_owned(),
        ])
    }

    #[test]
    fn verdicts_read_as_the_doctor_says_them() {
        assert_eq!(Verdict::Complete.to_string(), "complete");
        assert_eq!(
            incomplete().to_string(),
            "incomplete: 32-bit paging (KVM_EXIT_SHUTDOWN); KVM_CAP_PIT2"
        );
        assert_eq!(
            Verdict::None("/dev/kvm: permission denied".to_owned()).to_string(),
            "none: /dev/kvm: permission denied"
        );
    }

    #[test]
    fn the_cache_gives_back_what_was_kept() {
        for verdict in [Verdict::Complete, incomplete()] {
            let line = cache_line(&verdict, BOOT).unwrap();
            assert_eq!(line.lines().count(), 1);
            assert_eq!(parse_cache(&line, BOOT), Some(verdict));
        }
    }

    #[test]
    fn no_kvm_is_never_kept() {
        assert_eq!(cache_line(&Verdict::None("gone".to_owned()), BOOT), None);
    }

    #[test]
    fn another_boot_or_a_garbled_file_is_no_cache() {
        for text in [
            "",
            "\n",
            "complete",
            "complete \n",
            "complete 00000000-0000-0000-0000-000000000000\n",
            "complete 72f77a13-8a67-4a32-a5d2-f0d330d120be and more\n",
            "incomplete 72f77a13-8a67-4a32-a5d2-f0d330d120be\n",
            "incomplete 72f77a13-8a67-4a32-a5d2-f0d330d120be \n",
            "perhaps 72f77a13-8a67-4a32-a5d2-f0d330d120be\n",
        ] {
            assert_eq!(parse_cache(text, BOOT), None, "{text:?}");
        }
    }

    #[test]
    fn a_line_break_in_a_reason_does_not_break_the_file() {
        let verdict = Verdict::Incomplete(vec!["one\ntwo".to_owned()]);
        assert_eq!(cache_line(&verdict, BOOT).unwrap(), format!("incomplete {BOOT} one two\n"));
    }
}
