//! Machines that boot Linux: chapter 15's, and QEMU's.

use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Here;
use crate::programs;

/// What /init prints first.
pub const MARK: &[u8] = b"[mini-kvm] userspace init started";

/// What our shell prints when it waits.
pub const PROMPT: &[u8] = b"mini-kvm:/# ";

const MEBIBYTES: &str = "256";

/// The words of the command line that all machines get: ours by default.
const WORDS: &str = "console=ttyS0 loglevel=3 reboot=k,panic_warm panic=-1";

/// A machine that takes longer hangs: twenty times what the slowest takes in the nest.
const PATIENCE: Duration = Duration::from_secs(300);

/// A clock that counts leaps while everything waits for a file from outside.
const COUNTED_PATIENCE: Duration = Duration::from_secs(100_000);

/// A machine that boots Linux.
pub struct Machine {
    pub name: &'static str,
    /// The `-M` of QEMU; without one it is ours.
    qemu: Option<&'static str>,
    /// What this machine has told of its devices, beside [`WORDS`].
    words: &'static str,
}

pub static MACHINES: [Machine; 3] = [
    Machine { name: "`ch15-linux-shell`", qemu: None, words: "" },
    // Without ACPI its serial port has no interrupt: the kernel's words come, but not /init's.
    Machine { name: "QEMU, `-M microvm`", qemu: Some("microvm"), words: "" },
    Machine { name: "QEMU, `-M pc`", qemu: Some("pc"), words: "acpi=off" },
];

impl Machine {
    pub fn command(&self, here: &Here) -> Command {
        let words = format!("{WORDS} {}", self.words);
        let Some(machine) = self.qemu else {
            let mut command = Command::new(here.chapter("ch15-linux-shell"));
            command.args(["--memory", &format!("{MEBIBYTES}M"), "--cmdline", words.trim_end()]);
            command.arg("--kernel").arg(&here.kernel).arg("--initrd").arg(&here.initrd);
            return command;
        };
        let mut command = Command::new(&here.qemu);
        command.args(["-M", machine, "-accel", "kvm", "-cpu", "host", "-m", MEBIBYTES]);
        // Nothing but what is measured: no screen, no network card, no monitor.
        command.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
        command.args(["-serial", "stdio", "-append", words.trim_end()]);
        command.arg("-kernel").arg(&here.kernel).arg("-initrd").arg(&here.initrd);
        command
    }

    /// Starts it.
    pub fn start(&self, here: &Here) -> Result<Running> {
        let patience = if here.counted { COUNTED_PATIENCE } else { PATIENCE };
        Running::new(&mut self.command(here), patience).context(self.name)
    }
}

/// A machine that goes when this is dropped.
pub struct Running {
    child: Child,
    /// Open, so that its input does not end.
    _input: ChildStdin,
    console: ChildStdout,
    /// Where its standard error goes.
    words: fs::File,
    printed: Vec<u8>,
    line: String,
    start: Instant,
    patience: Duration,
}

impl Running {
    fn new(command: &mut Command, patience: Duration) -> Result<Self> {
        let words = tempfile::tempfile().context("a temporary file")?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(words.try_clone()?);
        let start = Instant::now();
        let mut child = command.spawn().with_context(|| programs::shown(command))?;
        let console = child.stdout.take().context("no standard output")?;
        let _input = child.stdin.take().context("no standard input")?;
        let line = programs::shown(command);
        Ok(Self { child, _input, console, words, printed: Vec::new(), line, start, patience })
    }

    /// Waits until it has printed something.
    pub fn wait_for(&mut self, text: &[u8]) -> Result<()> {
        while !self.printed.windows(text.len()).any(|window| window == text) {
            let is_late =
                !is_readable(&self.console, self.patience.saturating_sub(self.start.elapsed()))?;
            if is_late || self.read_more()? == 0 {
                let what = if is_late { "was too late with" } else { "ended before" };
                let said = text_of(&self.words) + &String::from_utf8_lossy(&self.printed);
                bail!(
                    "{} {what} {:?}{}",
                    self.line,
                    String::from_utf8_lossy(text),
                    programs::indented(&said)
                );
            }
        }
        Ok(())
    }

    fn read_more(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 4096];
        let count = self.console.read(&mut buffer)?;
        self.printed.extend(&buffer[..count]);
        Ok(count)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it.
    pub fn end(mut self) -> Result<()> {
        self.kill().context("cannot end it")
    }

    fn kill(&mut self) -> io::Result<()> {
        // It may have ended already.
        let _ = self.child.kill();
        self.child.wait().map(drop)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Whether there is something to read before the time is over.
fn is_readable(file: &impl AsFd, time: Duration) -> Result<bool> {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    let time = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    Ok(poll(&mut fds, time).context("poll")? > 0)
}

/// All that was written to a file, from its beginning.
fn text_of(mut file: &fs::File) -> String {
    use std::io::Seek;
    let mut bytes = Vec::new();
    let _ = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_ends_before_the_line_is_shown_with_its_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no root; echo no kvm >&2"]);
        let mut machine = Running::new(&mut command, PATIENCE).unwrap();
        let error = machine.wait_for(MARK).unwrap_err().to_string();
        assert!(error.contains("ended before"), "{error}");
        assert!(error.contains("no root") && error.contains("no kvm"), "{error}");
    }

    #[test]
    fn a_machine_that_says_nothing_is_too_late() {
        let mut command = Command::new("sleep");
        command.arg("100");
        let mut machine = Running::new(&mut command, Duration::from_millis(10)).unwrap();
        let error = machine.wait_for(MARK).unwrap_err().to_string();
        assert!(error.contains("was too late with"), "{error}");
    }
}
