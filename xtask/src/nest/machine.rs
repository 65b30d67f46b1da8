//! The emulated machine: one QEMU process, and the messages that we exchange with its agent.
#![expect(unsafe_code, reason = "what QEMU's process does between fork and exec")]

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail};
use nest_agent::{Frames, FromNest, PORT_NAME, ToNest, VERSION, encode};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::Pid;
use thiserror::Error;

use super::setup::Pieces;
use crate::places::Places;
use crate::programs;

/// How long the machine may take until its agent speaks, ten times what it takes here and more. It
/// gets a second try: while its kernel patches itself, QEMU 7.2 now and then hangs.
const START_SECONDS: [u32; 2] = [30, 90];

/// How the nest's kernel mounts the outside. `cache=loose` trusts what it has read: a chapter starts
/// in 0.2 s the second time, where `cache=mmap` takes 0.6 s and `cache=none` 0.7 s or more. It writes
/// late; the agent writes everything back before it reports a command's end.
const MOUNT_OPTIONS: &str = "trans=virtio,version=9p2000.L,msize=524288,cache=loose,access=client";

/// What the kernel need not find out, look for, or do in an emulated machine.
const KERNEL_PARAMETERS: &str = "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check \
    random.trust_cpu=on cryptomgr.notests=1 8250.nr_uarts=1 audit=0 apparmor=0 lsm= nokaslr \
    ipv6.disable=1 mitigations=off";

/// The emulated machine failed, not what was to run in it. With all that it said.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct MachineFailed(String);

/// A running nest. It goes when this is dropped, and when this process dies.
pub struct Machine {
    qemu: Child,
    socket: UnixStream,
    frames: Frames,
    to_send: Vec<u8>,
    /// QEMU's words, shown if something goes wrong. Neither file has a name: whatever ends us, it
    /// leaves none behind.
    words: File,
    /// What the kernel and the agent wrote to their console.
    console: File,
}

impl Machine {
    /// Starts one, and waits until its agent speaks.
    pub fn start(pieces: &Pieces, places: &Places) -> Result<Self> {
        let mut hung = None;
        for seconds in START_SECONDS {
            let mut machine = Self::spawn(pieces, places)?;
            if machine.wait_for_hello(seconds)? {
                return Ok(machine);
            }
            let what = format!("the nest did not start within {seconds} seconds");
            hung = Some(machine.failure(&what));
        }
        Err(hung.expect("there is a first try"))
    }

    fn spawn(pieces: &Pieces, places: &Places) -> Result<Self> {
        let log = || {
            tempfile::tempfile_in(&places.nest)
                .with_context(|| format!("cannot write to {}", places.nest.display()))
        };
        let (words, console) = (log()?, log()?);
        // One end of a pair of sockets is QEMU's standard input: no path that others could see or
        // that could be too long, nothing to clean up, and each side notices when the other goes.
        let (socket, theirs) = UnixStream::pair().context("cannot make sockets")?;
        socket.set_nonblocking(true)?;

        let mut command = Command::new(&pieces.qemu);
        command
            .args(arguments(pieces))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(console.try_clone()?)
            .stderr(words.try_clone()?)
            // Ctrl-C is for the command inside, not for the machine around it.
            .process_group(0);
        let parent = Pid::this();
        // SAFETY: the closure only makes system calls that are safe between fork and exec, and
        // allocates nothing.
        unsafe {
            command.pre_exec(move || {
                sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                // It might have died before we said that we mind.
                if Pid::parent() == parent { Ok(()) } else { Err(ErrorKind::BrokenPipe.into()) }
            });
        }
        let qemu =
            command.spawn().with_context(|| format!("cannot start {}", pieces.qemu.display()))?;
        // It holds QEMU's end of the sockets, whose closing tells us that QEMU is gone.
        drop(command);
        let (frames, to_send) = (Frames::default(), Vec::new());
        Ok(Self { qemu, socket, frames, to_send, words, console })
    }

    /// Whether the agent spoke in time.
    fn wait_for_hello(&mut self, seconds: u32) -> Result<bool> {
        // Seconds that we waited, not seconds on the clock: we may be stopped in between.
        let mut waited = 0;
        let mut second = Instant::now();
        loop {
            match self.receive()? {
                Some(FromNest::Hello { version: VERSION }) => return Ok(true),
                Some(other) => bail!("the nest's agent is not of our version: it said {other:?}"),
                None => {}
            }
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut fds, PollTimeout::from(1000_u16));
            if second.elapsed() >= Duration::from_secs(1) {
                second = Instant::now();
                waited += 1;
            }
            if waited >= seconds {
                return Ok(false);
            }
        }
    }

    /// The next message, if there is one.
    pub fn receive(&mut self) -> Result<Option<FromNest>> {
        loop {
            if let Some(message) = self.frames.take()? {
                return Ok(Some(message));
            }
            let mut buffer = [0; 64 << 10];
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(self.death()),
                Ok(count) => self.frames.push(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(self.death()),
            }
        }
    }

    /// Queues a message, and sends what can be sent.
    pub fn send(&mut self, message: &ToNest) -> Result<()> {
        self.to_send.extend(encode(message));
        self.flush()
    }

    /// Sends what can be sent.
    pub fn flush(&mut self) -> Result<()> {
        while !self.to_send.is_empty() {
            match self.socket.write(&self.to_send) {
                Ok(count) => drop(self.to_send.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(self.death()),
            }
        }
        Ok(())
    }

    pub fn has_to_send(&self) -> bool {
        !self.to_send.is_empty()
    }

    /// What becomes readable when a message comes.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// QEMU has closed its end.
    fn death(&mut self) -> Error {
        // It is about to end, but a stuck one must not hold us up.
        let since = Instant::now();
        let status = loop {
            match self.qemu.try_wait() {
                Ok(Some(status)) => break format!("QEMU ended ({status})"),
                Ok(None) if since.elapsed() < Duration::from_secs(5) => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                _ => break "QEMU hung up".to_owned(),
            }
        };
        self.failure(&format!("the nest died: {status}"))
    }

    /// An error that shows the last that the machine said.
    pub fn failure(&self, what: &str) -> Error {
        let (qemu, console) = (last_words(&self.words), last_words(&self.console));
        let mut text = what.to_owned();
        if !qemu.is_empty() {
            text += &format!("\n  QEMU's last words:{qemu}");
        }
        if !console.is_empty() {
            text += &format!("\n  what its console showed last:{console}");
        }
        if qemu.contains("is not a valid device model") || qemu.contains("fsdev") {
            text += "\n  this QEMU lacks a device that the nest needs: install the full package";
        }
        MachineFailed(text).into()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // All that matters was written back before the command's end was reported.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// The end of a log, as [`programs::indented`] shows it, or all that a kernel in trouble said.
fn last_words(log: &File) -> String {
    let length = log.metadata().map_or(0, |data| data.len());
    let start = length.saturating_sub(64 << 10);
    let mut bytes = vec![0; (length - start) as usize];
    // QEMU shares our place in the file: read without moving it.
    let count = log.read_at(&mut bytes, start).unwrap_or(0);
    let text = String::from_utf8_lossy(&bytes[..count]);
    trouble(&text).map_or_else(|| programs::indented(&text), programs::all_indented)
}

/// What a kernel says from its first complaint on: the cause comes first, and how it ended last.
fn trouble(console: &str) -> Option<&str> {
    const BEGINNINGS: [&str; 4] = ["Kernel panic", "BUG:", "Oops", "general protection fault"];
    let at = BEGINNINGS.iter().filter_map(|beginning| console.find(beginning)).min()?;
    let line = console[..at].rfind('\n').map_or(0, |newline| newline + 1);
    Some(&console[line..])
}

fn arguments(pieces: &Pieces) -> Vec<OsString> {
    // One CPU in one thread. With several QEMU 7.2 was seen to go wrong, rarely and in ways of its own:
    // guests without a reason for a triple fault, kernel stacks overwritten. And one starts faster.
    let mut arguments: Vec<OsString> = [
        "-M pc -accel tcg,thread=single -smp 1 -cpu max,-la57 -m 2048",
        "-nodefaults -no-user-config -no-reboot -display none -monitor none",
        "-fsdev local,id=outside,path=/,security_model=none,multidevs=remap",
        "-device virtio-9p-pci,fsdev=outside,mount_tag=outside",
        "-chardev socket,id=agent,fd=0 -device virtio-serial-pci",
    ]
    .iter()
    .flat_map(|line| line.split(' '))
    .map(OsString::from)
    .collect();
    let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
    add("-device", format!("virtserialport,chardev=agent,name={PORT_NAME}").into());
    // Its standard output, but not as a terminal that it would read from as well.
    add("-chardev", "file,id=console,path=/proc/self/fd/1".into());
    add("-serial", "chardev:console".into());
    add("-kernel", pieces.kernel.clone().into());
    add("-initrd", pieces.initramfs.clone().into());
    add("-append", format!("{KERNEL_PARAMETERS} nest.9p={MOUNT_OPTIONS}").into());
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_shown_from_its_beginning() {
        let console =
            "[ 1.0] fine\n[ 2.0] BUG: unable to handle\n[ 2.1] RIP\n[ 2.2] Kernel panic\n";
        assert_eq!(trouble(console), Some(&console[12..]));
        assert_eq!(trouble("Oops"), Some("Oops"));
        assert_eq!(trouble("all is well\n"), None);
    }
}
