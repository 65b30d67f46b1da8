//! One command in the nest, seen from outside: its streams, signals, stops and end are ours.
//!
//! One thread, one `poll`. Nothing here blocks but a write to a terminal that the user has halted.

mod output;
mod signals;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use anyhow::{Context, Error, Result};
use nest_agent::{CHUNK, Command, End, FromNest, Step, Stream, ToNest, WINDOW};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Pid, getpid};
use serde_bytes::ByteBuf;

use super::silence::Silence;
use super::terminal::{self, RawMode};
use super::visit::{self, Visit};
use super::words::{Answer, Ask, SESSION};
use super::{KEEPER_HANGS_AFTER, MachineFailed, When};
use crate::status;
use output::Output;

/// How long the keeper may be silent, in seconds, before we ask whether it lives.
const PING_AFTER: u32 = 5;

/// Runs a command in a nest, and ends as it does.
pub fn run(visit: Visit, command: Command) -> Result<ExitCode> {
    let name = OsString::from_vec(command.arguments[0].to_vec());
    let ignored = command.ignored_signals.clone();
    let mut session = Session::new(visit, &ignored, &command)?;
    session.raw_mode.turn_on();
    session.tell(ToNest::Start { session: SESSION, command: Box::new(command) });
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
        eprintln!("error: {} in the nest: {what}: {}", name.display(), errno.desc());
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
    visit: Visit,
    raw_mode: RawMode,
    signals: SignalFd,
    /// Whether any of the standard streams is a terminal.
    has_terminal: bool,
    input: Input,
    outputs: Vec<Output>,
    /// Whether the command may have done something.
    started: bool,
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

enum Source {
    Nest,
    Signals,
    Input,
    Output(usize),
}

impl Session {
    fn new(visit: Visit, ignored: &[i32], command: &Command) -> Result<Self> {
        let is_terminal = command.on_terminal;
        let signals = signals::block(ignored).context("cannot take over the signals")?;
        let mut outputs = Vec::new();
        let streams = [
            (Stream::Stdout, io::stdout().as_fd().try_clone_to_owned()?, is_terminal[1]),
            (Stream::Stderr, io::stderr().as_fd().try_clone_to_owned()?, is_terminal[2]),
        ];
        for (stream, fd, is_terminal) in streams {
            if command.one_output && stream == Stream::Stderr {
                continue;
            }
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
            visit,
            started: false,
            raw_mode: RawMode::off(),
            signals,
            has_terminal: command.terminal.is_some(),
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
                    Source::Signals => self.take_signals(),
                    Source::Input => self.read_input(),
                    Source::Output(index) => self.write_output(index, flags),
                }
            }
            if self.silence.count() {
                self.each_second()?;
            }
            self.visit.link.flush();
        }
    }

    fn tell(&mut self, message: ToNest) {
        self.visit.link.send(&Ask::Nest(message));
    }

    fn wait(&self) -> Result<Vec<(Source, PollFlags)>> {
        let when = |condition, flags| if condition { flags } else { PollFlags::empty() };
        let mut sources = vec![Source::Signals];
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        // Once the command is over, whether the nest lives does not matter any more.
        if self.end.is_none() {
            let flags = PollFlags::POLLIN | when(self.visit.link.has_to_send(), PollFlags::POLLOUT);
            sources.push(Source::Nest);
            fds.push(PollFd::new(self.visit.link.as_fd(), flags));
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
        while self.end.is_none() {
            let answer = match self.visit.link.receive() {
                Ok(Some(answer)) => answer,
                Ok(None) => break,
                Err(_) => return Err(self.failed(visit::keeper_died())),
            };
            self.silence.seconds = 0;
            match answer {
                Answer::Nest(message) => self.hear(message)?,
                Answer::Failed(text) => {
                    return Err(self.failed(MachineFailed::at_start(text).into()));
                }
                Answer::Welcome | Answer::Up | Answer::Pong | Answer::Status(_) => {}
            }
        }
        Ok(())
    }

    /// The same failure, with what we know of the command.
    fn failed(&self, failure: Error) -> Error {
        match failure.downcast::<MachineFailed>() {
            Ok(MachineFailed { text, .. }) => {
                let when = if self.started { When::Running } else { When::Up };
                MachineFailed { text, when }.into()
            }
            Err(other) => other,
        }
    }

    fn hear(&mut self, message: FromNest) -> Result<()> {
        match message {
            FromNest::Started { .. } => self.started = true,
            FromNest::Output { stream, bytes, .. } => {
                let output = self.outputs.iter_mut().find(|output| output.stream == stream);
                match output {
                    Some(output) if output.open => output.pending.extend(bytes.iter()),
                    // Nobody wants it: let it flow.
                    _ => self.taken(stream, bytes.len()),
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
        Ok(())
    }

    fn taken(&mut self, stream: Stream, count: usize) {
        let count = u32::try_from(count).expect("less than the window");
        self.tell(ToNest::OutputTaken { session: SESSION, stream, count });
    }

    fn read_input(&mut self) {
        let mut buffer = vec![0; CHUNK.min(WINDOW - self.input.under_way)];
        // Unbuffered: `Stdin` would read ahead.
        match nix::unistd::read(io::stdin(), &mut buffer) {
            Ok(count @ 1..) => {
                buffer.truncate(count);
                self.input.under_way += count;
                self.tell(ToNest::Input { session: SESSION, bytes: ByteBuf::from(buffer) });
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Ok(0) | Err(_) => {
                self.input.open = false;
                if self.input.is_terminal {
                    // The terminal is gone, for the end of input is a character there: hang up.
                    let stream = Stream::Terminal;
                    self.tell(ToNest::OutputClosed { session: SESSION, stream });
                } else {
                    self.tell(ToNest::InputEnd { session: SESSION });
                }
            }
        }
    }

    fn write_output(&mut self, index: usize, flags: PollFlags) {
        let output = &mut self.outputs[index];
        let stream = output.stream;
        let (count, failure) = output.write(flags);
        if stream == Stream::Stdout && failure.is_some_and(|errno| errno != Errno::EPIPE) {
            self.lost = failure;
        }
        if self.end.is_some() {
            return;
        }
        if failure.is_some() {
            self.tell(ToNest::OutputClosed { session: SESSION, stream });
        } else if count > 0 {
            self.taken(stream, count);
        }
    }

    fn take_signals(&mut self) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            let number = i32::try_from(info.ssi_signo).expect("a signal's number");
            match Signal::try_from(number) {
                Ok(Signal::SIGWINCH) => self.resize(),
                Ok(Signal::SIGCONT) => self.go_on(),
                _ => self.tell(ToNest::Signal { session: SESSION, signal: number }),
            }
        }
    }

    fn resize(&mut self) {
        let Some(terminal) = self.outputs.iter().find(|output| output.stream == Stream::Terminal)
        else {
            return;
        };
        let size = terminal::size(terminal.fd.as_fd());
        self.tell(ToNest::Resize { session: SESSION, size });
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
        self.go_on();
        Ok(())
    }

    /// We were continued: so is the command.
    fn go_on(&mut self) {
        self.raw_mode.turn_on();
        if self.has_terminal {
            self.resize();
        }
        self.tell(ToNest::Signal { session: SESSION, signal: Signal::SIGCONT as i32 });
    }

    fn each_second(&mut self) -> Result<()> {
        // A shell may have brought us to the foreground without a signal.
        self.raw_mode.turn_on();
        if self.end.is_some() {
            return Ok(());
        }
        // That the nest is alive, the keeper sees to.
        if self.silence.seconds >= KEEPER_HANGS_AFTER {
            self.visit.kill_keeper();
            return Err(self.failed(visit::keeper_hangs()));
        }
        if self.silence.seconds > 0 && self.silence.seconds.is_multiple_of(PING_AFTER) {
            self.visit.link.send(&Ask::Ping);
        }
        Ok(())
    }
}
