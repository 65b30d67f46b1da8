//! What a chapter's run loop adds to an exit.
//!
//! A loop's cost per exit is the CPU time of a process with many exits less that of one with a
//! single exit, by the number of exits between: so starting the program does not count.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use performance::Group;
use tempfile::TempDir;

use super::image::{self, End, Exits};
use super::{Here, process};

/// How long one measurement should take: long against what the start of a QEMU varies by. A clock that
/// counts has little other noise.
fn duration(here: &Here) -> Duration {
    Duration::from_millis(if here.counted { 150 } else { 1000 })
}

/// A program that runs images.
struct Loop {
    name: &'static str,
    command: fn(&Here, PathBuf) -> Command,
    exits: Exits,
    status: i32,
}

const TO_UART: Exits = Exits { port: image::UART, al: b'x', end: End::Halt };
const TO_HYPERCALL: Exits = Exits { port: image::HYPERCALL, al: image::HC_PUTCHAR, end: End::Halt };

static LOOPS: [Loop; 5] = [
    Loop { name: "`KVM_RUN` alone", command: bare, exits: TO_UART, status: 0 },
    Loop { name: "`ch05-uart`", command: chapter_5, exits: TO_UART, status: 0 },
    Loop { name: "`ch07-hypercall`", command: chapter_7, exits: TO_HYPERCALL, status: 0 },
    Loop {
        name: "`KVM_RUN` and `KVM_GET_REGS`",
        command: bare_with_registers,
        exits: TO_UART,
        status: 0,
    },
    Loop {
        name: "QEMU, `-M pc`",
        command: qemu,
        exits: Exits { end: End::Hypercall, ..TO_UART },
        status: image::QEMU_STATUS,
    },
];

fn bare(here: &Here, image: PathBuf) -> Command {
    let mut command = Command::new(&here.this);
    command.args(["bench", "--bare"]).arg(image);
    command
}

fn bare_with_registers(here: &Here, image: PathBuf) -> Command {
    let mut command = bare(here, image);
    command.arg("--registers");
    command
}

fn chapter_5(here: &Here, image: PathBuf) -> Command {
    let mut command = Command::new(here.chapter("ch05-uart"));
    command.arg(image);
    command
}

fn chapter_7(here: &Here, image: PathBuf) -> Command {
    let mut command = Command::new(here.chapter("ch07-hypercall"));
    command.arg(image);
    command
}

fn qemu(here: &Here, image: PathBuf) -> Command {
    let mut command = image::qemu(&here.qemu, "kvm", &image);
    command.args(["-serial", "stdio"]);
    command
}

pub fn measure(here: &Here) -> Result<Vec<Group>> {
    let images = tempfile::tempdir().context("a directory for images")?;
    let time = |subject: &Loop, count: u32| -> Result<Duration> {
        let image = write(&images, subject, count)?;
        Ok(process::run(&mut (subject.command)(here, image), subject.status)?.cpu)
    };
    let count = process::count_for(duration(here), |count| time(&LOOPS[0], count))?;
    let mut rounds = Vec::new();
    for round in 1..=here.rounds {
        eprintln!("exits: round {round} of {}, {count} exits each", here.rounds);
        let values =
            LOOPS.iter().map(|it| process::nanoseconds_each(count, |count| time(it, count)));
        rounds.push(values.collect::<Result<Vec<_>>>()?);
    }
    let names = LOOPS.each_ref().map(|it| it.name);
    Ok(vec![Group::of_rounds(
        "exits",
        "a VM exit, an `OUT` of one byte",
        here.unit(),
        &names,
        &rounds,
    )])
}

fn write(images: &TempDir, subject: &Loop, count: u32) -> Result<PathBuf> {
    let mut code = image::exits(subject.exits, count);
    if subject.exits.end == End::Hypercall {
        code = image::firmware(&code)?;
    }
    let path = images.path().join(format!("{:?}-{count}", subject.exits.end));
    fs::write(&path, code).with_context(|| path.display().to_string())?;
    Ok(path)
}
