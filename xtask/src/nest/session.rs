//! One command in the nest, seen from outside: its streams, signals, stops and end are ours.
//!
//! One thread, one `poll`. Nothing here blocks but a write to a terminal that the user has halted:
//! of a pipe that polls as writable, [`PIPE_BUF`] bytes can be written.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nest_agent::{CHUNK, End, FromNest, Session as Id, Step, Stream, ToNest, WINDOW};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getpid};
use serde_bytes::ByteBuf;

use super::caller;
use super::machine::Machine;
use super::terminal::{self, RawMode};
use crate::status;

/// In a nest of its own, a command has the only session.
const ID: Id = 1;

/// What can be written to a pipe that polls as writable. pipe(7).
const PIPE_BUF: usize = 4096;

/// How long the nest may be silent, in seconds, before we ask whether it lives.
const PING_AFTER: u32 = 5;

/// How long it may be silent before we give it up.
const HANG_AFTER: u32 = 60;

/// Signals that the command gets instead of us.
const FORWARDED: &[Signal] = &[
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTSTP,
];

/// Runs a program in the machine, and ends as it does.
pub fn run(machine: Machine, program: &OsStr, arguments: &[OsString]) -> Result<ExitCode> {
    let command = caller::command(program, arguments)?;
    let ignored = command.ignored_signals.clone();
    let mut session = Session::new(machine, &ignored, command.terminal.is_some())?;
    session.raw_mode.turn_on();
    session.machine.send(&ToNest::Start { session: ID, command: Box::new(command) })?;
    let end = session.follow()?;
    // The terminal first: what comes next may be a message.
    session.raw_mode.turn_off();
    if let Some((step, errno)) = session.not_started {
        let what = match step {
            Step::Prepare => "cannot prepare its process",
            Step::BecomeUser => "cannot take on your user and groups",
            Step::ChangeDirectory => "cannot enter the working directory",
            Step::Execute => "cannot execute it",
        };
        eprintln!("error: {} in the nest: {what}: {}", program.display(), errno.desc());
        // As a shell has it: not found, or found and of no use.
        return Ok(ExitCode::from(if errno == Errno::ENOENT { 127 } else { 126 }));
    }
    if let Some(errno) = session.lost {
        eprintln!("error: standard output: {}", errno.desc());
    }
    Ok(ExitCode::from(match end {
        // The command is not to blame: inside, all was written.
        End::Status(0) if session.lost.is_some() => status::OUTPUT_FAILED,
        End::Status(status) => u8::try_from(status & 0xff).expect("masked"),
        End::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
    }))
}

struct Session {
    machine: Machine,
    raw_mode: RawMode,
    signals: SignalFd,
    /// Whether any of the standard streams is a terminal.
    has_terminal: bool,
    input: Input,
    outputs: Vec<Output>,
    not_started: Option<(Step, Errno)>,
    /// Why some of standard output could not be written: a full disk, say.
    lost: Option<Errno>,
    end: Option<End>,
    silence: Silence,
}

struct Input {
    is_terminal: bool,
    open: bool,
    /// Bytes sent that the command has not taken yet.
    under_way: usize,
}

/// One of our own outputs.
struct Output {
    stream: Stream,
    fd: OwnedFd,
    is_file: bool,
    open: bool,
    pending: VecDeque<u8>,
}

/// Seconds without a word from the nest. Seconds in which we were stopped or stuck do not count:
/// however long ago the last one was counted, the next look counts one.
struct Silence {
    seconds: u32,
    counted: Instant,
}

impl Silence {
    fn new() -> Self {
        Self { seconds: 0, counted: Instant::now() }
    }

    /// Whether another second has gone by.
    fn count(&mut self) -> bool {
        let over = self.counted.elapsed() >= Duration::from_secs(1);
        if over {
            self.counted = Instant::now();
            self.seconds += 1;
        }
        over
    }
}

enum Source {
    Nest,
    Signals,
    Input,
    Output(usize),
}

impl Session {
    fn new(machine: Machine, ignored: &[i32], has_terminal: bool) -> Result<Self> {
        let is_terminal = terminal::standard_terminals();
        let signals = block_signals(ignored).context("cannot take over the signals")?;
        let mut outputs = Vec::new();
        let streams = [
            (Stream::Stdout, io::stdout().as_fd().try_clone_to_owned()?, is_terminal[1]),
            (Stream::Stderr, io::stderr().as_fd().try_clone_to_owned()?, is_terminal[2]),
        ];
        for (stream, fd, is_terminal) in streams {
            if !is_terminal {
                outputs.push(Output::new(stream, fd));
            } else if !outputs.iter().any(|output| output.stream == Stream::Terminal) {
                outputs.push(Output::new(Stream::Terminal, fd));
            }
        }
        // With only its input on the terminal, the echo of what is typed still goes there.
        if is_terminal == [true, false, false]
            && let Ok(terminal) = std::fs::File::options().write(true).open("/dev/tty")
        {
            outputs.push(Output::new(Stream::Terminal, terminal.into()));
        }
        Ok(Self {
            machine,
            raw_mode: RawMode::off(),
            signals,
            has_terminal,
            input: Input { is_terminal: is_terminal[0], open: true, under_way: 0 },
            outputs,
            not_started: None,
            lost: None,
            end: None,
            silence: Silence::new(),
        })
    }

    /// Passes everything on until the command is over and its output is out.
    fn follow(&mut self) -> Result<End> {
        loop {
            let flushed = self.outputs.iter().all(|output| output.pending.is_empty());
            if let (Some(end), true) = (self.end, flushed) {
                return Ok(end);
            }
            for (source, flags) in self.wait()? {
                match source {
                    Source::Nest => self.listen()?,
                    Source::Signals => self.take_signals()?,
                    Source::Input => self.read_input()?,
                    Source::Output(index) => self.write_output(index, flags)?,
                }
            }
            if self.silence.count() {
                self.each_second()?;
            }
            self.machine.flush()?;
        }
    }

    fn wait(&self) -> Result<Vec<(Source, PollFlags)>> {
        let when = |condition, flags| if condition { flags } else { PollFlags::empty() };
        let mut sources = vec![Source::Signals];
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        // Once the command is over, whether the nest lives does not matter any more.
        if self.end.is_none() {
            let flags = PollFlags::POLLIN | when(self.machine.has_to_send(), PollFlags::POLLOUT);
            sources.push(Source::Nest);
            fds.push(PollFd::new(self.machine.fd(), flags));
        }
        let stdin = io::stdin();
        let ours_to_read = !self.input.is_terminal || self.raw_mode.is_on();
        if self.input.open && ours_to_read && self.input.under_way < WINDOW && self.end.is_none() {
            sources.push(Source::Input);
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        for (index, output) in self.outputs.iter().enumerate().filter(|(_, output)| output.open) {
            // Even without anything to write we want to hear that nobody reads it any more.
            let flags = when(!output.pending.is_empty(), PollFlags::POLLOUT);
            sources.push(Source::Output(index));
            fds.push(PollFd::new(output.fd.as_fd(), flags));
        }
        match poll(&mut fds, PollTimeout::from(1000_u16)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("poll"),
        }
        let ready = fds.iter().map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        Ok(sources.into_iter().zip(ready).filter(|(_, flags)| !flags.is_empty()).collect())
    }

    fn listen(&mut self) -> Result<()> {
        while self.end.is_none()
            && let Some(message) = self.machine.receive()?
        {
            self.silence.seconds = 0;
            match message {
                FromNest::Output { stream, bytes, .. } => {
                    let output = self.outputs.iter_mut().find(|output| output.stream == stream);
                    match output {
                        Some(output) if output.open => output.pending.extend(bytes.iter()),
                        // Nobody wants it: let it flow.
                        _ => self.taken(stream, bytes.len())?,
                    }
                }
                FromNest::InputTaken { count, .. } => {
                    self.input.under_way = self.input.under_way.saturating_sub(count as usize);
                }
                FromNest::InputClosed { .. } => self.input.open = false,
                FromNest::Stopped { .. } => self.stop()?,
                FromNest::NotStarted { step, errno, .. } => {
                    self.not_started = Some((step, Errno::from_raw(errno)));
                }
                FromNest::Ended { end, .. } => self.end = Some(end),
                FromNest::Hello { .. } | FromNest::Pong => {}
            }
        }
        Ok(())
    }

    fn taken(&mut self, stream: Stream, count: usize) -> Result<()> {
        let count = u32::try_from(count).expect("less than the window");
        self.machine.send(&ToNest::OutputTaken { session: ID, stream, count })
    }

    fn read_input(&mut self) -> Result<()> {
        let mut buffer = vec![0; CHUNK.min(WINDOW - self.input.under_way)];
        // Unbuffered: `Stdin` would read ahead.
        match nix::unistd::read(io::stdin(), &mut buffer) {
            Ok(count @ 1..) => {
                buffer.truncate(count);
                self.input.under_way += count;
                self.machine.send(&ToNest::Input { session: ID, bytes: ByteBuf::from(buffer) })
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
            Ok(0) | Err(_) => {
                self.input.open = false;
                if self.input.is_terminal {
                    // The terminal is gone, for the end of input is a character there: hang up.
                    let stream = Stream::Terminal;
                    return self.machine.send(&ToNest::OutputClosed { session: ID, stream });
                }
                self.machine.send(&ToNest::InputEnd { session: ID })
            }
        }
    }

    fn write_output(&mut self, index: usize, flags: PollFlags) -> Result<()> {
        let output = &mut self.outputs[index];
        let stream = output.stream;
        let mut count = 0;
        let mut closed = false;
        if flags.contains(PollFlags::POLLOUT) {
            let (bytes, _) = output.pending.as_slices();
            let most = if output.is_file { bytes.len() } else { bytes.len().min(PIPE_BUF) };
            match nix::unistd::write(&output.fd, &bytes[..most]) {
                Ok(written) => count = written,
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => {
                    closed = true;
                    if stream == Stream::Stdout && errno != Errno::EPIPE {
                        self.lost = Some(errno);
                    }
                }
            }
        } else {
            closed =
                flags.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL);
        }
        output.pending.drain(..count);
        if closed {
            output.open = false;
            output.pending.clear();
        }
        if self.end.is_some() {
            return Ok(());
        }
        if closed {
            self.machine.send(&ToNest::OutputClosed { session: ID, stream })
        } else if count > 0 {
            self.taken(stream, count)
        } else {
            Ok(())
        }
    }

    fn take_signals(&mut self) -> Result<()> {
        while let Ok(Some(info)) = self.signals.read_signal() {
            let number = i32::try_from(info.ssi_signo).expect("a signal's number");
            match Signal::try_from(number) {
                Ok(Signal::SIGWINCH) => self.resize()?,
                Ok(Signal::SIGCONT) => self.go_on()?,
                _ => self.machine.send(&ToNest::Signal { session: ID, signal: number })?,
            }
        }
        Ok(())
    }

    fn resize(&mut self) -> Result<()> {
        let Some(terminal) = self.outputs.iter().find(|output| output.stream == Stream::Terminal)
        else {
            return Ok(());
        };
        let size = terminal::size(terminal.fd.as_fd());
        self.machine.send(&ToNest::Resize { session: ID, size })
    }

    /// The command was stopped: so are we, and all that the terminal would have stopped with us.
    fn stop(&mut self) -> Result<()> {
        let was_raw = self.raw_mode.is_on();
        self.raw_mode.turn_off();
        // In raw mode the terminal did not know that Ctrl-Z was meant; otherwise it stopped them.
        let whom = if was_raw { Pid::from_raw(0) } else { getpid() };
        let stop = SigSet::from(Signal::SIGTSTP);
        kill(whom, Signal::SIGTSTP)?;
        // Here we stop, until someone continues us. In a group that nobody could continue, the
        // kernel does not stop us, and the command inside goes on as well.
        sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&stop), None)?;
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&stop), None)?;
        self.go_on()
    }

    /// We were continued: so is the command.
    fn go_on(&mut self) -> Result<()> {
        self.raw_mode.turn_on();
        if self.has_terminal {
            self.resize()?;
        }
        self.machine.send(&ToNest::Signal { session: ID, signal: Signal::SIGCONT as i32 })
    }

    fn each_second(&mut self) -> Result<()> {
        // A shell may have brought us to the foreground without a signal.
        self.raw_mode.turn_on();
        if self.end.is_some() {
            return Ok(());
        }
        if self.silence.seconds >= HANG_AFTER {
            let what = format!("the nest hangs: it did not answer for {HANG_AFTER} seconds");
            return Err(self.machine.failure(&what));
        }
        if self.silence.seconds > 0 && self.silence.seconds.is_multiple_of(PING_AFTER) {
            self.machine.send(&ToNest::Ping)?;
        }
        Ok(())
    }
}

impl Output {
    fn new(stream: Stream, fd: OwnedFd) -> Self {
        let is_file = std::fs::File::from(fd.try_clone().expect("a descriptor is left"))
            .metadata()
            .is_ok_and(|data| data.is_file());
        Self { stream, fd, is_file, open: true, pending: VecDeque::new() }
    }
}

/// From here on signals come as data. The ones that we were told to ignore, stay ignored.
fn block_signals(ignored: &[i32]) -> Result<SignalFd> {
    let mut taken: SigSet = [Signal::SIGCONT, Signal::SIGWINCH].into_iter().collect();
    taken.extend(FORWARDED.iter().copied().filter(|signal| !ignored.contains(&(*signal as i32))));
    let mut blocked = taken;
    // So that we may restore the terminal from the background.
    blocked.add(Signal::SIGTTOU);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&blocked), None)?;
    Ok(SignalFd::with_flags(&taken, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}
