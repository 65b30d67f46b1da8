//! A VMM as a process: started, fed, read, ended when its time is over, and reaped.
#![expect(unsafe_code, reason = "wait4 alone tells how much memory this one child needed")]

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::case::Input;

/// How often we look whether something is to be done.
const TICK: Duration = Duration::from_millis(10);

/// What a VMM may use up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From its start until its vCPUs are there.
    pub start: Duration,
    /// From then on until it gets its signal.
    pub guest: Duration,
    /// From the signal until it must have ended: so long that a busy machine is no reason.
    pub patience: Duration,
    /// Bytes on standard output, after which it gets its signal, too.
    pub stdout: usize,
    /// The same on standard error.
    pub stderr: usize,
}

/// Why a VMM got its signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalled {
    /// Its time was over.
    Late,
    /// It had printed enough.
    Loud,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// It did not, and was killed: no vCPU was there in time, or the signal did not end it.
    Hung,
}

/// What a finished VMM leaves behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// Whether that was our wish.
    pub signalled: Option<Signalled>,
    /// How much it printed for its guest.
    pub stdout_bytes: usize,
    /// How much it said.
    pub stderr_bytes: usize,
    /// The beginning of it, and the end.
    pub stderr: Vec<u8>,
    /// The most memory that it had, in KiB. With what the guest touched.
    pub peak_kib: i64,
    /// How long it ran.
    pub time: Duration,
}

/// Runs a program to its end, or until its limits.
///
/// # Errors
///
/// If it cannot be started, or watched: that says nothing about it.
pub fn run(
    program: &Path,
    arguments: &[OsString],
    vcpus: usize,
    input: &Input,
    signal: Signal,
    limits: &Limits,
) -> io::Result<Finished> {
    let mut command = Command::new(program);
    command.args(arguments).env("NO_COLOR", "1");
    // What is not in the case is not given.
    command.env_remove("MINI_KVM_KERNEL").env_remove("MINI_KVM_INITRD");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.display())))?;
    let watched = Watch::new(&mut child, input, limits).and_then(|mut watch| {
        let is_hung = !watch.follow(vcpus, signal)?;
        Ok((watch, is_hung))
    });
    let Ok((watch, is_hung)) = watched else {
        child.kill().and_then(|()| child.wait())?;
        return Err(watched.err().unwrap_or_else(|| ErrorKind::Other.into()));
    };
    let reaped = if is_hung { None } else { reap_within(&child, limits.patience)? };
    let (end, peak_kib) = match reaped {
        Some(reaped) => reaped,
        None => {
            child.kill()?;
            let reaped = reap_within(&child, limits.patience)?;
            let peak = reaped.ok_or_else(|| io::Error::other("not even SIGKILL ends it"))?.1;
            (End::Hung, peak)
        }
    };
    let [stdout, stderr] = watch.outputs;
    Ok(Finished {
        end,
        signalled: watch.signalled,
        stdout_bytes: stdout.count,
        stderr_bytes: stderr.count,
        stderr: [stderr.beginning, stderr.end].concat(),
        peak_kib,
        time: watch.started.elapsed(),
    })
}

/// Waits for the end of the process. `None` if it does not come.
fn reap_within(child: &Child, time: Duration) -> io::Result<Option<(End, i64)>> {
    let since = Instant::now();
    loop {
        let mut status = 0;
        // SAFETY: rusage is made of plain numbers.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both are ours, and the kernel only writes to them.
        let pid = unsafe {
            libc::wait4(child.id().cast_signed(), &raw mut status, libc::WNOHANG, &raw mut usage)
        };
        match pid {
            0 if since.elapsed() > time => return Ok(None),
            0 => sleep(TICK / 10),
            -1 => return Err(io::Error::last_os_error()),
            _ if libc::WIFSIGNALED(status) => {
                return Ok(Some((End::Signal(libc::WTERMSIG(status)), usage.ru_maxrss)));
            }
            _ => return Ok(Some((End::Status(libc::WEXITSTATUS(status)), usage.ru_maxrss))),
        }
    }
}

/// What happens to a process that runs.
struct Watch<'a> {
    pid: Pid,
    limits: &'a Limits,
    started: Instant,
    /// When its vCPUs were there.
    ready: Option<Instant>,
    looked: Instant,
    signalled: Option<Signalled>,
    feed: Feed,
    outputs: [Output; 2],
}

impl<'a> Watch<'a> {
    fn new(child: &mut Child, input: &Input, limits: &'a Limits) -> io::Result<Self> {
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(io::Error::other("no pipes"));
        };
        let now = Instant::now();
        Ok(Self {
            pid: Pid::from_raw(child.id().cast_signed()),
            limits,
            started: now,
            ready: None,
            looked: now,
            signalled: None,
            feed: Feed::new(stdin, input)?,
            outputs: [
                Output::new(File::from(std::os::fd::OwnedFd::from(stdout)))?,
                Output::new(File::from(std::os::fd::OwnedFd::from(stderr)))?,
            ],
        })
    }

    /// Reads until both outputs are closed, which is what a process does that ends. False if that
    /// does not come.
    fn follow(&mut self, vcpus: usize, signal: Signal) -> io::Result<bool> {
        let mut signalled_at = None;
        while self.outputs.iter().any(|output| output.pipe.is_some()) {
            self.wait()?;
            self.outputs.iter_mut().try_for_each(Output::read)?;
            self.feed.write()?;

            if self.ready.is_none() && self.looked.elapsed() >= TICK {
                self.looked = Instant::now();
                self.ready = has_vcpus(self.pid, vcpus).then(Instant::now);
            }
            let is_loud = self.outputs[0].count > self.limits.stdout
                || self.outputs[1].count > self.limits.stderr;
            let is_late = self.ready.is_some_and(|ready| ready.elapsed() > self.limits.guest);
            if signalled_at.is_none() && (is_loud || is_late) {
                self.signalled = Some(if is_loud { Signalled::Loud } else { Signalled::Late });
                signalled_at = Some(Instant::now());
                // It may just have ended, and waits for us to take notice.
                kill(self.pid, signal)?;
            }
            let never_started = self.ready.is_none() && self.started.elapsed() > self.limits.start;
            if never_started
                || signalled_at.is_some_and(|since| since.elapsed() > self.limits.patience)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits for something to read or to write, but not for long.
    fn wait(&self) -> io::Result<()> {
        let mut fds: Vec<_> = self
            .outputs
            .iter()
            .filter_map(|output| output.pipe.as_ref())
            .map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN))
            .collect();
        if let Some(pipe) = self.feed.pipe.as_ref().filter(|_| self.feed.has_more()) {
            fds.push(PollFd::new(pipe.as_fd(), PollFlags::POLLOUT));
        }
        match poll(&mut fds, PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the process has so many vCPUs: KVM shares a page of each with it.
fn has_vcpus(pid: Pid, count: usize) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.matches("anon_inode:kvm-vcpu").count() >= count
}

/// What a process reads.
struct Feed {
    pipe: Option<File>,
    bytes: Vec<u8>,
    written: usize,
    is_endless: bool,
}

impl Feed {
    fn new(stdin: std::process::ChildStdin, input: &Input) -> io::Result<Self> {
        let (bytes, is_endless) = match input {
            Input::Bytes(bytes) => (bytes.clone(), false),
            Input::Silent => (Vec::new(), true),
            Input::Endless(bytes) => (bytes.repeat(4096 / bytes.len().max(1) + 1), true),
        };
        let pipe = File::from(std::os::fd::OwnedFd::from(stdin));
        set_nonblocking(&pipe)?;
        let mut feed = Self { pipe: Some(pipe), bytes, written: 0, is_endless };
        feed.write()?;
        Ok(feed)
    }

    fn has_more(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Writes what goes into the pipe, and closes it after the last byte.
    fn write(&mut self) -> io::Result<()> {
        while let Some(pipe) = &mut self.pipe {
            if self.written == self.bytes.len() {
                if !self.is_endless {
                    self.pipe = None;
                    return Ok(());
                }
                self.written = 0;
            }
            if self.bytes.is_empty() {
                return Ok(());
            }
            match pipe.write(&self.bytes[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.pipe = None,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What a process prints.
struct Output {
    pipe: Option<File>,
    count: usize,
    beginning: Vec<u8>,
    /// The last of what comes after it.
    end: Vec<u8>,
}

impl Output {
    /// Enough to see what was said.
    const PART: usize = 64 << 10;

    fn new(pipe: File) -> io::Result<Self> {
        set_nonblocking(&pipe)?;
        Ok(Self { pipe: Some(pipe), count: 0, beginning: Vec::new(), end: Vec::new() })
    }

    /// Reads what is there, once: who prints without end must not keep us from looking at the time.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 32 << 10];
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        match pipe.read(&mut buffer) {
            Ok(0) => self.pipe = None,
            Ok(count) => {
                self.count += count;
                let room = Self::PART - self.beginning.len();
                let (beginning, end) = buffer[..count].split_at(count.min(room));
                self.beginning.extend(beginning);
                self.end.extend(end);
                self.end.drain(..self.end.len().saturating_sub(Self::PART));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn set_nonblocking(file: &File) -> io::Result<()> {
    fcntl(file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}
