//! `cargo xtask test`: everything that must hold before a change goes in.
//!
//! Every step runs even if an earlier one failed, so that one run shows all there is to mend. A test
//! that was skipped is a test that did not pass.

use std::io::{self, Read, Write};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result};

use crate::cargo::cargo;
use crate::{nest, status};

/// One command of the test, as one would type it.
struct Step {
    arguments: &'static [&'static str],
    /// The component of the toolchain that brings the subcommand, if it is not cargo's own.
    component: Option<&'static str>,
    watch: Watch,
}

/// What to look for in a step's output, beside its status.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watch {
    Nothing,
    /// Warnings of the compiler, of build scripts and of the linker. Cargo repeats those of crates
    /// that it need not build again, where denying them by RUSTFLAGS would build everything anew.
    Warnings,
    /// The result lines of the test programs.
    Results,
}

const STEPS: [Step; 8] = [
    Step {
        arguments: &["fmt", "--all", "--check"],
        component: Some("rustfmt"),
        watch: Watch::Nothing,
    },
    Step {
        arguments: &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        component: Some("clippy"),
        watch: Watch::Nothing,
    },
    Step {
        arguments: &["build", "--workspace", "--all-targets"],
        component: None,
        watch: Watch::Warnings,
    },
    Step {
        arguments: &["test", "--workspace", "--no-fail-fast"],
        component: None,
        watch: Watch::Results,
    },
    Step { arguments: &["xtask", "lab", "check"], component: None, watch: Watch::Results },
    // With the seed that is always the same: other seeds are for longer runs.
    Step {
        arguments: &["xtask", "chaos", "--seconds", "30"],
        component: None,
        watch: Watch::Results,
    },
    Step {
        arguments: &["run", "--package", "book", "--", "check"],
        component: None,
        watch: Watch::Nothing,
    },
    Step {
        arguments: &["run", "--package", "book", "--", "steps"],
        component: None,
        watch: Watch::Nothing,
    },
];

/// Runs the command.
pub fn run() -> Result<ExitCode> {
    let mut counts = Counts::default();
    let mut failed_steps = Vec::new();
    for step in &STEPS {
        if let Err(why) = step.run(&mut counts)? {
            failed_steps.push(format!("cargo {}: {why}", step.arguments.join(" ")));
        }
    }

    let (summary, all_passed) = summary(&counts, &failed_steps);
    // The last line is for programs that read us: nothing may come after it.
    io::stdout().write_all(summary.as_bytes()).context("stdout")?;
    Ok(ExitCode::from(if all_passed { 0 } else { status::FAILED }))
}

/// What is said at the end, and whether all is well.
fn summary(counts: &Counts, failed_steps: &[String]) -> (String, bool) {
    let mut text = String::from("\n");
    for step in failed_steps {
        text += &format!("failed: {step}\n");
    }
    if counts.ignored > 0 {
        text += &format!("{} tests ignored: each counts as failed\n", counts.ignored);
    }
    if counts.filtered > 0 {
        text += &format!("{} tests filtered out: each counts as failed\n", counts.filtered);
    }
    if counts.passed == 0 {
        text += "no test passed: that counts as a failure\n";
    }
    let failed_tests = counts.failed + counts.ignored + counts.filtered;
    // The number is never 0 when something failed: a step counts as one failure, unless it is the
    // one of the tests and they are counted one by one.
    let tests_speak_for_their_step = u32::from(counts.failed > 0);
    let failed_steps = u32::try_from(failed_steps.len()).unwrap_or(u32::MAX);
    let nothing_ran = u32::from(counts.passed == 0 && failed_tests == 0 && failed_steps == 0);
    let failed =
        failed_tests + failed_steps.saturating_sub(tests_speak_for_their_step) + nothing_ran;
    text += &format!("{} passed, {failed} failed\n", counts.passed);
    (text, failed == 0)
}

impl Step {
    /// Runs the step to its end. The inner error says in what way it failed.
    fn run(&self, counts: &mut Counts) -> Result<Result<(), String>> {
        eprintln!("\n$ cargo {}", self.arguments.join(" "));
        if let Some(component) = self.component
            && !has_subcommand(self.arguments[0])
        {
            return Ok(Err(format!(
                "{component} is not installed: rustup component add {component} (or your \
                 distribution's package)"
            )));
        }
        let mut warnings = 0;
        let status = match self.watch {
            Watch::Nothing => self.command().status().context("cargo")?,
            Watch::Warnings => {
                let mut child = self.command().stderr(Stdio::piped()).spawn().context("cargo")?;
                let stderr = child.stderr.take().context("stderr")?;
                pass_through(stderr, io::stderr(), |line| {
                    warnings += u32::from(line.starts_with("warning"));
                })?;
                child.wait().context("cargo")?
            }
            Watch::Results => {
                let mut child = self.command().stdout(Stdio::piped()).spawn().context("cargo")?;
                let stdout = child.stdout.take().context("stdout")?;
                pass_through(stdout, io::stdout(), |line| counts.add_line(line))?;
                child.wait().context("cargo")?
            }
        };
        Ok(match warnings {
            _ if !status.success() => Err(describe(status)),
            0 => Ok(()),
            _ => Err("it warns, and a warning is an error here".to_owned()),
        })
    }

    fn command(&self) -> Command {
        let mut command = cargo();
        // No test may wait for a key, and none may leave a nest behind.
        command.args(self.arguments).stdin(Stdio::null()).env(nest::IDLE_VARIABLE, "0");
        command
    }
}

fn has_subcommand(name: &str) -> bool {
    cargo()
        .args([name, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn describe(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("status {code}"),
        None => status.to_string(),
    }
}

/// Copies everything at once as it comes, and shows each whole line to `look`.
fn pass_through(mut from: impl Read, mut to: impl Write, mut look: impl FnMut(&str)) -> Result<()> {
    let mut buffer = [0; 4096];
    let mut line = Vec::new();
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).context("reading cargo's output"),
        };
        to.write_all(&buffer[..length]).and_then(|()| to.flush()).context("passing output on")?;
        for &byte in &buffer[..length] {
            if byte == b'\n' {
                look(&String::from_utf8_lossy(&line));
                line.clear();
            } else {
                line.push(byte);
            }
        }
    }
    look(&String::from_utf8_lossy(&line));
    Ok(())
}

/// The sum of all result lines.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u32,
    failed: u32,
    ignored: u32,
    filtered: u32,
}

impl Counts {
    /// Adds a line like this one, and passes over all others:
    ///
    /// ```text
    /// test result: ok. 24 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
    /// ```
    fn add_line(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
        for count in counts.split("; ") {
            let Some((number, what)) = count.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u32>() else {
                continue;
            };
            match what.trim_end() {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                "filtered out" => self.filtered += number,
                _ => (),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_step_leaves_a_nest_behind() {
        for step in STEPS {
            let command = step.command();
            let idle = command.get_envs().find(|(name, _)| *name == "MINI_KVM_NEST_IDLE");
            assert_eq!(idle, Some(("MINI_KVM_NEST_IDLE".as_ref(), Some("0".as_ref()))));
        }
    }

    #[test]
    fn result_lines_are_summed_and_others_passed_over() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 24 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 4 filtered out; finished in 1.00s",
            "all doctests ran in 0.2s; merged doctests compilation took 0.1s",
            "test result: garbled",
        ] {
            counts.add_line(line);
        }
        assert_eq!(counts, Counts { passed: 26, failed: 3, ignored: 1, filtered: 4 });
    }

    fn end(counts: Counts, failed_steps: &[&str]) -> (String, bool) {
        let failed_steps: Vec<String> = failed_steps.iter().map(|&step| step.to_owned()).collect();
        let (text, all_passed) = summary(&counts, &failed_steps);
        (text.lines().last().unwrap().to_owned(), all_passed)
    }

    #[test]
    fn all_is_well_only_if_nothing_failed_or_was_skipped() {
        let passed = || Counts { passed: 5, ..Counts::default() };
        assert_eq!(end(passed(), &[]), ("5 passed, 0 failed".to_owned(), true));
        assert_eq!(
            end(Counts { ignored: 1, filtered: 2, ..passed() }, &[]),
            ("5 passed, 3 failed".to_owned(), false)
        );
    }

    #[test]
    fn a_failed_step_counts_once() {
        let passed = || Counts { passed: 5, ..Counts::default() };
        assert_eq!(
            end(passed(), &["cargo fmt", "cargo clippy"]),
            ("5 passed, 2 failed".to_owned(), false)
        );
        // A test program that crashed leaves no result line.
        assert_eq!(end(passed(), &["cargo test"]), ("5 passed, 1 failed".to_owned(), false));
        assert_eq!(
            end(Counts { failed: 2, ..passed() }, &["cargo fmt", "cargo test"]),
            ("5 passed, 3 failed".to_owned(), false)
        );
    }

    #[test]
    fn no_tests_at_all_is_a_failure() {
        assert_eq!(end(Counts::default(), &[]), ("0 passed, 1 failed".to_owned(), false));
    }

    #[test]
    fn output_is_passed_on_byte_for_byte() {
        let (mut copy, mut lines) = (Vec::new(), Vec::new());
        let output = b"one\ntwo\xff\nno line end";
        pass_through(&output[..], &mut copy, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(copy, output);
        assert_eq!(lines, ["one", "two\u{fffd}", "no line end"]);
    }
}
