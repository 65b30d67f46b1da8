//! Other people's programs: found, run, and shown when they fail.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// How many lines of a log are enough to see what went wrong.
const TAIL_LINES: usize = 12;

/// Where `name` is in `PATH`.
pub fn find(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let is_program = |path: &PathBuf| {
        path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(is_program)
}

/// Runs a program quietly: what it says goes to `log`, the end of which is in the error.
pub fn run_logged(command: &mut Command, log: &Path) -> Result<()> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let line = shown(command);
    let status = command.status().with_context(|| format!("cannot run {line}"))?;
    if status.success() {
        return Ok(());
    }
    let log_text = fs::read_to_string(log).unwrap_or_default();
    bail!("{line}: {status}{}{}", cause(&log_text), tail(log));
}

/// What a program writes to its standard output.
pub fn output_of(command: &mut Command) -> Result<Vec<u8>> {
    let line = shown(command);
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {line}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{line}: {}{}{}", output.status, cause(&said), indented(&said));
    }
    Ok(output.stdout)
}

/// What a failed program most likely stumbled over, if its words tell.
fn cause(said: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if says(&["No space left on device", "You don't have enough free space"]) {
        ": no disk space"
    } else if says(&[
        "Temporary failure resolving",
        "Could not resolve",
        "Network is unreachable",
        "Could not connect",
        "Unable to connect",
    ]) {
        ": no network"
    } else {
        ""
    }
}

/// A command as one would type it.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The last lines of a log, for an error: empty if there are none.
pub fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mut shown = indented(&text);
    if !shown.is_empty() {
        let _ = write!(shown, "\n  the whole log: {}", log.display());
    }
    shown
}

/// The last lines of a text, each on a line of its own, indented.
pub fn indented(text: &str) -> String {
    let lines = printable_lines(text);
    joined(&lines[lines.len().saturating_sub(TAIL_LINES)..])
}

/// The same of all its lines.
pub fn all_indented(text: &str) -> String {
    joined(&printable_lines(text))
}

fn printable_lines(text: &str) -> Vec<String> {
    let printable = |line: &str| -> String {
        line.chars().filter(|character| !character.is_control()).collect()
    };
    text.lines()
        .map(|line| printable(line).trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

fn joined(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        let _ = write!(text, "\n  | {line}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_what_was_said_is_shown() {
        let said: String = (0..100).map(|number| format!("line {number}\r\n\n")).collect();
        let shown = indented(&said);
        assert!(shown.starts_with("\n  | line 88\n"), "{shown}");
        assert!(shown.ends_with("\n  | line 99"), "{shown}");
        assert_eq!(indented(""), "");
    }

    #[test]
    fn causes_are_named() {
        assert_eq!(cause("tar: x: Cannot write: No space left on device"), ": no disk space");
        assert_eq!(cause("Err:1 http://… Temporary failure resolving 'x'"), ": no network");
        assert_eq!(cause("E: something else"), "");
    }

    #[test]
    fn a_failing_program_is_shown_with_its_words() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let error = run_logged(&mut command, &log).unwrap_err().to_string();
        assert!(error.contains("exit status: 3\n  | out\n  | err\n"), "{error}");
    }
}
