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

use super::{cpu_time_of_children, image, median};
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

/// Where the search for a count that fills [`DURATION`] begins: short even in the nest.
const TRIAL: u32 = 2_000;

/// A chapter whose loop is measured, and the guest that makes it loop.
struct Subject {
    package: &'static str,
    port: u16,
    al: u8,
}

static SUBJECTS: [Subject; 2] = [
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

    let loops = SUBJECTS.each_ref().map(|subject| Loops {
        bare: Loop { program: this.clone(), arguments: &["bench", "bare"], subject },
        chapter: Loop { program: beside.join(subject.package), arguments: &[], subject },
    });
    let count = exits_in(DURATION, &loops[0].bare, &images)?;
    let mut measured = SUBJECTS.each_ref().map(|_| Vec::new());
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}, {count} exits each");
        for (loops, measured) in loops.iter().zip(&mut measured) {
            measured.push(Round {
                bare: nanoseconds_per_exit(&loops.bare, &images, count)?,
                chapter: nanoseconds_per_exit(&loops.chapter, &images, count)?,
            });
        }
    }

    let (mut text, all_met) = table(&measured);
    text += &format!("CPU time, medians of {rounds} rounds of {count} exits, release profile\n");
    io::stdout().write_all(text.as_bytes()).context("stdout")?;
    Ok(ExitCode::from(if all_met { 0 } else { status::FAILED }))
}

/// A program that runs images, and the guest it is to run.
struct Loop {
    program: PathBuf,
    arguments: &'static [&'static str],
    subject: &'static Subject,
}

/// A chapter's loop, and the bare one with the same guest.
struct Loops {
    bare: Loop,
    chapter: Loop,
}

/// Nanoseconds per exit of one round.
struct Round {
    bare: f64,
    chapter: f64,
}

/// How many exits of the bare loop take about that long. The trial grows until it is long itself: a
/// short one would say more about the start of the process than about its exits.
fn exits_in(duration: Duration, bare: &Loop, images: &Images) -> Result<u32> {
    let start = images.run(bare, 1)?;
    let mut count = TRIAL;
    loop {
        let time = images.run(bare, count)?.saturating_sub(start);
        if time >= duration / 4 {
            let more = duration.as_secs_f64() / time.as_secs_f64();
            return Ok((f64::from(count) * more) as u32);
        }
        count *= 2;
    }
}

fn nanoseconds_per_exit(measured: &Loop, images: &Images, count: u32) -> Result<f64> {
    let few = images.run(measured, 1)?;
    let many = images.run(measured, 1 + count)?;
    Ok((many.as_secs_f64() - few.as_secs_f64()) * 1e9 / f64::from(count))
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

/// A directory for the images, gone when this is dropped.
struct Images(PathBuf);

impl Images {
    fn new() -> Result<Images> {
        let path = std::env::temp_dir().join(format!("mini-kvm-bench-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Images(path))
    }

    /// Runs the guest with that many `OUT`s, and returns the CPU time that the program took.
    fn run(&self, measured: &Loop, count: u32) -> Result<Duration> {
        let image = self.write(measured.subject, count)?;
        let mut command = Command::new(&measured.program);
        command.args(measured.arguments).arg(&image);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let before = cpu_time_of_children()?;
        let output = command.output().with_context(|| format!("{command:?}"))?;
        let time = cpu_time_of_children()? - before;
        ensure!(
            output.status.success(),
            "{command:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(time)
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
