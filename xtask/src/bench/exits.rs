//! What a chapter's run loop adds to an exit.
//!
//! A loop's cost per exit is the CPU time of a process with many exits less that of one with a
//! single exit, by the number of exits between: so neither starting the program counts, nor waiting
//! while another has the CPU. All loops take turns, round after round, and each chapter is compared
//! with the bare loop of its own round: what else the machine does meanwhile meets them all alike.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::image;
use crate::cargo::cargo;
use crate::{runner, status};

/// What the exit status means, for `--help`.
pub const EXIT_STATUS: &str = "\
The programs are built with the release profile, and measured where KVM is complete: here, or else
in the nest (MINI_KVM=native or MINI_KVM=nest chooses).

Exit status: 0 if every chapter is within the target, 1 if not.";

/// A chapter's loop may cost this much, in bare loops.
const TARGET: f64 = 1.10;

/// How long one measurement should take: long against the start of a process.
const DURATION: Duration = Duration::from_secs(1);

/// So few that it takes no time even in the nest, to find out how many fill [`DURATION`].
const TRIAL: u32 = 2_000;

/// A chapter whose loop is measured, and the guest that makes it loop.
struct Subject {
    package: &'static str,
    port: u16,
    al: u8,
}

const SUBJECTS: [Subject; 2] = [
    Subject { package: "ch05-uart", port: image::UART, al: b'x' },
    Subject { package: "ch07-hypercall", port: image::HYPERCALL, al: image::HC_PUTCHAR },
];

/// Builds what is to be measured, and has it measured where KVM is complete. Nothing compiles there.
pub fn build_and_measure(rounds: u32) -> Result<ExitCode> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--package", "xtask"]);
    for subject in &SUBJECTS {
        build.args(["--package", subject.package]);
    }
    let built = build.stdin(Stdio::null()).status().context("cargo")?;
    ensure!(built.success(), "cargo build --release: {built}");

    let this = std::env::current_exe().context("the path of this program")?;
    let target = this.parent().and_then(Path::parent).context("no target directory")?;
    let program = target.join("release/xtask");
    let rounds = rounds.to_string();
    let arguments = ["bench", "exits", "--here", "--rounds", &rounds].map(OsString::from);
    runner::run(program.as_os_str(), &arguments)
}

/// Measures the programs that lie beside this one.
pub fn measure(rounds: u32) -> Result<ExitCode> {
    let this = std::env::current_exe().context("the path of this program")?;
    let beside = this.parent().context("no directory")?.to_owned();
    let images = Images::new()?;

    let count = exits_in(DURATION, &this, &images)?;
    let mut measured: Vec<Vec<Round>> = SUBJECTS.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        eprint!("\rround {round} of {rounds}, {count} exits each …");
        for (subject, measured) in SUBJECTS.iter().zip(&mut measured) {
            let bare = |image: &Path| {
                let mut command = Command::new(&this);
                command.args(["bench", "bare"]).arg(image);
                command
            };
            let chapter = |image: &Path| {
                let mut command = Command::new(beside.join(subject.package));
                command.arg(image);
                command
            };
            measured.push(Round {
                bare: nanoseconds_per_exit(&images, subject, count, bare)?,
                chapter: nanoseconds_per_exit(&images, subject, count, chapter)?,
            });
        }
    }
    eprintln!();

    let (table, all_met) = table(&measured);
    io::stdout().write_all(table.as_bytes()).context("stdout")?;
    println!("medians of {rounds} rounds of {count} exits, release profile");
    Ok(ExitCode::from(if all_met { 0 } else { status::FAILED }))
}

/// Nanoseconds per exit of one round.
struct Round {
    bare: f64,
    chapter: f64,
}

/// How many exits of the bare loop take about that long.
fn exits_in(duration: Duration, this: &Path, images: &Images) -> Result<u32> {
    let mut bare = |image: &Path| {
        let mut command = Command::new(this);
        command.args(["bench", "bare"]).arg(image);
        command
    };
    let one = nanoseconds_per_exit(images, &SUBJECTS[0], TRIAL, &mut bare)?.max(1.0);
    let count = duration.as_nanos() as f64 / one;
    Ok((count as u32).clamp(TRIAL, 10_000_000))
}

fn nanoseconds_per_exit(
    images: &Images,
    subject: &Subject,
    count: u32,
    mut command: impl FnMut(&Path) -> Command,
) -> Result<f64> {
    let mut time = |count| {
        let image = images.write(subject, count)?;
        let mut command = command(&image);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let before = microseconds_of_children()?;
        let output = command.output().with_context(|| format!("{command:?}"))?;
        let time = microseconds_of_children()? - before;
        ensure!(
            output.status.success(),
            "{command:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(time as f64 * 1000.0)
    };
    let (few, many) = (time(1)?, time(1 + count)?);
    Ok((many - few) / f64::from(count))
}

/// The CPU time, in user mode, in the kernel and as a guest, of all children that have ended.
fn microseconds_of_children() -> Result<i64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("getrusage")?;
    Ok((usage.user_time() + usage.system_time()).num_microseconds())
}

fn table(measured: &[Vec<Round>]) -> (String, bool) {
    let mut text = format!("{:<16}{:>14}{:>14}{:>10}\n", "", "ns per exit", "bare loop", "ratio");
    let mut missed = Vec::new();
    for (subject, rounds) in SUBJECTS.iter().zip(measured) {
        let chapter = median(rounds.iter().map(|round| round.chapter));
        let bare = median(rounds.iter().map(|round| round.bare));
        let ratio = median(rounds.iter().map(|round| round.chapter / round.bare));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<16}{chapter:>14.0}{bare:>14.0}{ratio:>10.2}", subject.package);
        if ratio > TARGET {
            missed.push(subject.package);
        }
    }
    text += &format!("target: at most {TARGET:.2} times the bare loop: ");
    text += &match missed[..] {
        [] => "met\n".to_owned(),
        _ => format!("missed by {}\n", missed.join(", ")),
    };
    (text, missed.is_empty())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

/// A directory for the images, gone when this is dropped.
struct Images(PathBuf);

impl Images {
    fn new() -> Result<Images> {
        let path = std::env::temp_dir().join(format!("mini-kvm-bench-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Images(path))
    }

    fn write(&self, subject: &Subject, count: u32) -> Result<PathBuf> {
        let path = self.0.join(format!("{}-{count}", subject.package));
        let code = image::exits(subject.port, subject.al, count);
        fs::write(&path, code).with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
    }

    #[test]
    fn the_table_says_who_missed_the_target() {
        let measured = [
            vec![Round { bare: 1000.0, chapter: 1050.0 }],
            vec![Round { bare: 1000.0, chapter: 1200.0 }],
        ];
        let (text, all_met) = table(&measured);
        assert_eq!(
            text,
            "                   ns per exit     bare loop     ratio\n\
             ch05-uart                 1050          1000      1.05\n\
             ch07-hypercall            1200          1000      1.20\n\
             target: at most 1.10 times the bare loop: missed by ch07-hypercall\n"
        );
        assert!(!all_met);
        assert!(table(&measured[..1]).1);
    }
}
