//! The emulated machine: one QEMU process, and the messages that we exchange with its agent.
#![expect(unsafe_code, reason = "what QEMU's process does between fork and exec")]

use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail};
use nest_agent::{Frames, FromNest, PORT_NAME, ToNest, VERSION, encode};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::places::Places;
use super::programs;
use super::setup::Pieces;

/// How long the machine may take until its agent speaks: ten times what it takes here.
const START_SECONDS: u32 = 90;

/// How the nest's kernel mounts the outside. Nothing is cached from one open file to the next, so
/// that what one side writes the other sees; `mmap` lets programs map files for writing.
const MOUNT_OPTIONS: &str = "trans=virtio,version=9p2000.L,msize=524288,cache=mmap,access=client";

/// What the kernel need not find out, look for, or do in an emulated machine.
const KERNEL_PARAMETERS: &str = "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check \
    random.trust_cpu=on cryptomgr.notests=1 8250.nr_uarts=1 audit=0 apparmor=0 lsm= nokaslr \
    ipv6.disable=1 mitigations=off";

/// A running nest. It goes when this is dropped, and when this process dies.
pub struct Machine {
    qemu: Child,
    socket: UnixStream,
    frames: Frames,
    to_send: Vec<u8>,
    /// The console and QEMU's words, shown if something goes wrong.
    logs: TempDir,
}

impl Machine {
    /// Starts one, and waits until its agent speaks.
    pub fn start(pieces: &Pieces, places: &Places) -> Result<Self> {
        let logs = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&places.nest)
            .context("cannot make a directory for the nest's logs")?;
        // One end of a pair of sockets is QEMU's standard input: no path that others could see or
        // that could be too long, nothing to clean up, and each side notices when the other goes.
        let (socket, theirs) = UnixStream::pair().context("cannot make sockets")?;
        socket.set_nonblocking(true)?;

        let mut command = Command::new(&pieces.qemu);
        command
            .args(arguments(pieces, logs.path()))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(fs::File::create(logs.path().join("qemu"))?)
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
        let (frames, to_send) = (Frames::default(), Vec::new());
        let mut machine = Self { qemu, socket, frames, to_send, logs };
        machine.wait_for_hello()?;
        Ok(machine)
    }

    fn wait_for_hello(&mut self) -> Result<()> {
        // Seconds that we waited, not seconds on the clock: we may be stopped in between.
        let mut waited = 0;
        let mut second = Instant::now();
        loop {
            match self.receive()? {
                Some(FromNest::Hello { version: VERSION }) => return Ok(()),
                Some(other) => bail!("the nest's agent is not of our version: it said {other:?}"),
                None => {}
            }
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut fds, PollTimeout::from(1000_u16));
            if second.elapsed() >= Duration::from_secs(1) {
                second = Instant::now();
                waited += 1;
            }
            if waited >= START_SECONDS {
                let what = format!("the nest did not start within {START_SECONDS} seconds");
                return Err(self.failure(&what));
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
        let said = |name| {
            let bytes = fs::read(self.logs.path().join(name)).unwrap_or_default();
            programs::indented(&String::from_utf8_lossy(&bytes))
        };
        let (qemu, console) = (said("qemu"), said("console"));
        let mut text = what.to_owned();
        if !qemu.is_empty() {
            text += &format!("\n  QEMU's last words:{qemu}");
        }
        if !console.is_empty() {
            text += &format!("\n  the last lines of its console:{console}");
        }
        if qemu.contains("is not a valid device model") || qemu.contains("fsdev") {
            text += "\n  this QEMU lacks a device that the nest needs: install the full package";
        }
        anyhow!("{text}")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // All that matters was written back before the command's end was reported.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

fn arguments(pieces: &Pieces, logs: &Path) -> Vec<OsString> {
    // More would only be in each other's way.
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get().min(4));
    let mut arguments: Vec<OsString> = [
        "-M pc -accel tcg,thread=multi -cpu max,-la57 -m 2048",
        "-nodefaults -no-user-config -no-reboot -display none -monitor none",
        "-fsdev local,id=outside,path=/,security_model=none,multidevs=remap",
        "-device virtio-9p-pci,fsdev=outside,mount_tag=outside",
        "-chardev socket,id=agent,fd=0 -device virtio-serial-pci",
    ]
    .iter()
    .flat_map(|line| line.split(' '))
    .map(OsString::from)
    .collect();
    // In QEMU's options a comma within a value is written twice.
    let mut console = OsString::from("file,id=console,path=");
    console.push(logs.join("console").to_string_lossy().replace(',', ",,"));
    let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
    add("-smp", processors.to_string().into());
    add("-device", format!("virtserialport,chardev=agent,name={PORT_NAME}").into());
    add("-chardev", console);
    add("-serial", "chardev:console".into());
    add("-kernel", pieces.kernel.clone().into());
    add("-initrd", pieces.initramfs.clone().into());
    add("-append", format!("{KERNEL_PARAMETERS} nest.9p={MOUNT_OPTIONS}").into());
    arguments
}
