//! What it takes chapters to print: how many calls of `write`, and what each byte costs.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::fcntl::OFlag;
use nix::pty::openpty;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, pipe2};
use performance::Group;

use super::Here;
use super::image::{self, End, Exits};
use super::process::{cpu_time_of_children, nanoseconds_each};
use crate::programs;

/// What a program prints to.
#[derive(Clone, Copy)]
enum To {
    Pipe,
    Terminal,
}

struct Subject {
    name: &'static str,
    package: &'static str,
    /// What it runs, if it is not Linux.
    guests: &'static [&'static str],
    to: To,
}

const ONE: &[&str] = &["multiplication"];
const FOUR: &[&str] = &["multiplication", "multiplication", "multiplication", "multiplication"];

static SUBJECTS: [Subject; 5] = [
    Subject {
        name: "`ch07`, a terminal",
        package: "ch07-hypercall",
        guests: ONE,
        to: To::Terminal,
    },
    Subject { name: "`ch07`, a pipe", package: "ch07-hypercall", guests: ONE, to: To::Pipe },
    Subject {
        name: "`ch08`, 4 guests, a pipe",
        package: "ch08-multi-vcpu",
        guests: FOUR,
        to: To::Pipe,
    },
    Subject {
        name: "`ch08`, 4 guests, a terminal",
        package: "ch08-multi-vcpu",
        guests: FOUR,
        to: To::Terminal,
    },
    Subject {
        name: "`ch15`, Linux's log, a pipe",
        package: "ch15-linux-shell",
        guests: &[],
        to: To::Pipe,
    },
];

pub fn measure(here: &Here) -> Result<Vec<Group>> {
    eprintln!("output");
    let writes = SUBJECTS.iter().map(|subject| writes_per_line(subject, here));
    let writes = writes.collect::<Result<Vec<_>>>()?;
    let names = SUBJECTS.each_ref().map(|subject| subject.name);
    let title = "a line of output: `multiplication`, or Linux's log";
    Ok(vec![Group::of_rounds("output", title, "calls of `write`", &names, &[writes]), bytes(here)?])
}

fn writes_per_line(subject: &Subject, here: &Here) -> Result<f64> {
    let mut command = Command::new(here.chapter(subject.package));
    if subject.guests.is_empty() {
        // Without input the shell ends, and the machine with it.
        command.arg("--kernel").arg(&here.kernel).arg("--initrd").arg(&here.initrd);
        command.args(["--cmdline", "console=ttyS0 reboot=k,panic_warm panic=-1"]);
    }
    command.args(subject.guests);
    let ran = run(&mut command, subject.to)?;
    let lines = ran.printed.iter().filter(|byte| **byte == b'\n').count();
    ensure!(lines > 0, "{}: it printed nothing", programs::shown(&command));
    Ok(ran.writes as f64 / lines as f64)
}

/// What a byte costs that the guest of chapter 7 prints by hypercall.
fn bytes(here: &Here) -> Result<Group> {
    const COUNT: u32 = 10_000;
    let image = tempfile::NamedTempFile::new().context("a file for the image")?;
    let exits = Exits { port: image::HYPERCALL, al: image::HC_PUTCHAR, end: End::Halt };
    let time = |to: To, count: u32| -> Result<Duration> {
        fs::write(image.path(), image::exits(exits, count)).context("the image")?;
        Ok(run(Command::new(here.chapter("ch07-hypercall")).arg(image.path()), to)?.cpu)
    };
    let mut rounds = Vec::new();
    for _ in 0..here.rounds {
        let values =
            [To::Pipe, To::Terminal].map(|to| nanoseconds_each(COUNT, |count| time(to, count)));
        rounds.push(values.into_iter().collect::<Result<Vec<_>>>()?);
    }
    let names = ["a pipe", "a terminal"];
    let title = "a byte that a guest of chapter 7 prints";
    Ok(Group::of_rounds("output-bytes", title, here.unit(), &names, &rounds))
}

struct Ran {
    printed: Vec<u8>,
    writes: u64,
    cpu: Duration,
}

/// Runs a program to its end, reads all that it prints, and counts its calls of `write`: those of
/// standard output into a pipe, all of them onto a terminal.
fn run(command: &mut Command, to: To) -> Result<Ran> {
    let (reader, writer) = match to {
        To::Pipe => {
            // Each `write` is a packet, and each `read` gets one. pipe(2).
            let (reader, writer) = pipe2(OFlag::O_DIRECT | OFlag::O_CLOEXEC).context("a pipe")?;
            (File::from(reader), File::from(writer))
        }
        To::Terminal => {
            let pty = openpty(None, None).context("a terminal")?;
            (File::from(pty.master), File::from(pty.slave))
        }
    };
    let before = cpu_time_of_children()?;
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null());
    let mut child = command.spawn().with_context(|| programs::shown(command))?;
    // Our copy of the other end: the output ends with the last.
    command.stdout(Stdio::null());
    let reader = thread::spawn(move || read_all(reader));
    let pid = Pid::from_raw(child.id().cast_signed());
    // It has ended, and is still there to be asked.
    waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).context("waitid")?;
    let calls = calls_of_write(&Path::new("/proc").join(pid.to_string()));
    let status = child.wait().context("wait")?;
    ensure!(status.success(), "{}: {status}", programs::shown(command));
    let cpu = cpu_time_of_children()? - before;
    let Ok((printed, packets)) = reader.join() else { bail!("the reader of its output failed") };
    let writes = match to {
        To::Pipe => packets,
        To::Terminal => calls?,
    };
    Ok(Ran { printed, writes, cpu })
}

/// All that comes, and in how many pieces. A terminal that everybody has left ends with an error.
fn read_all(mut reader: File) -> (Vec<u8>, u64) {
    let (mut bytes, mut pieces) = (Vec::new(), 0);
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        bytes.extend(&buffer[..count]);
        pieces += 1;
    }
    (bytes, pieces)
}

/// proc(5): `syscw`.
fn calls_of_write(process: &Path) -> Result<u64> {
    let path = process.join("io");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let count = text.lines().find_map(|line| line.strip_prefix("syscw: "));
    count
        .and_then(|count| count.parse().ok())
        .with_context(|| format!("{}: no syscw", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_of_write_is_counted() {
        for to in [To::Pipe, To::Terminal] {
            let script = "echo one; echo two; echo three";
            let ran = run(Command::new("sh").args(["-c", script]), to).unwrap();
            assert_eq!(ran.writes, 3);
            let printed = String::from_utf8(ran.printed).unwrap().replace('\r', "");
            assert_eq!(printed, "one\ntwo\nthree\n");
        }
    }
}
