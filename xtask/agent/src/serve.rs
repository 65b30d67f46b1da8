//! The agent's loop: one thread, one `poll`, any number of sessions. Nothing in it blocks.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nest_agent::{
    CHUNK, End, Frames, FromNest, Session, Step, Stream, ToNest, VERSION, WINDOW, encode,
};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_bytes::ByteBuf;

use crate::command::{self, Event, Started};
use crate::machine;

/// How long after a command's end we wait for what it left running to close its outputs.
const GRACE: Duration = Duration::from_secs(2);

/// What a pipe holds: after its writer's end, no more than this can be the writer's.
const PIPE_CAPACITY: usize = 64 << 10;

/// One command.
struct Live {
    id: Session,
    events: std::os::unix::net::UnixStream,
    frames: Frames,
    group: Option<Pid>,
    /// Where input goes, if not to the terminal.
    input: Option<OwnedFd>,
    /// Input that was not written yet.
    pending: VecDeque<u8>,
    input_ends: bool,
    outputs: Vec<Output>,
    over: Option<(End, Instant)>,
}

struct Output {
    stream: Stream,
    fd: OwnedFd,
    /// Bytes sent outside and not yet passed on there.
    under_way: usize,
    /// Bytes read since the command was over.
    read_since: usize,
    /// Whether it was seen empty since the command was over.
    dry: bool,
}

/// What a polled descriptor is.
enum Source {
    Port,
    Events(usize),
    Input(usize),
    Output(usize, Stream),
}

/// Runs what the outside asks for, until it goes away.
pub fn serve(mut port: File) -> Result<Infallible> {
    let mut frames = Frames::default();
    let mut out = VecDeque::from(encode(&FromNest::Hello { version: VERSION }));
    let mut sessions: Vec<Live> = Vec::new();
    loop {
        reap();
        let ready = wait(&port, !out.is_empty(), &sessions)?;
        for (source, flags) in ready {
            match source {
                Source::Port => {
                    if flags.contains(PollFlags::POLLHUP) {
                        bail!("the outside is gone");
                    }
                    receive(&mut port, &mut frames, &mut sessions, &mut out)?;
                }
                Source::Events(index) => sessions[index].take_events(&mut out),
                Source::Input(index) => sessions[index].write_input(&mut out),
                Source::Output(index, stream) => sessions[index].read_output(stream, &mut out),
            }
        }
        for session in &mut sessions {
            session.end_if_done(&mut out);
        }
        sessions.retain(|session| !session.is_ended());
        send(&mut port, &mut out)?;
    }
}

/// Collects processes that nobody else waits for: we are process 1.
fn reap() {
    let any = Pid::from_raw(-1);
    while !matches!(waitpid(any, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive) | Err(_)) {
    }
}

fn wait(port: &File, to_send: bool, sessions: &[Live]) -> Result<Vec<(Source, PollFlags)>> {
    let when = |condition, flags| if condition { flags } else { PollFlags::empty() };
    let (readable, writable) = (PollFlags::POLLIN, PollFlags::POLLOUT);

    let mut sources = vec![Source::Port];
    let mut fds = vec![PollFd::new(port.as_fd(), readable | when(to_send, writable))];
    for (index, session) in sessions.iter().enumerate() {
        if session.over.is_none() {
            sources.push(Source::Events(index));
            fds.push(PollFd::new(session.events.as_fd(), readable));
        }
        if let Some(input) = &session.input {
            sources.push(Source::Input(index));
            fds.push(PollFd::new(input.as_fd(), when(!session.pending.is_empty(), writable)));
        }
        for output in &session.outputs {
            let to_terminal = output.stream == Stream::Terminal && session.input.is_none();
            let flags = when(output.has_room(), readable)
                | when(to_terminal && !session.pending.is_empty(), writable);
            // One without room must not wake us all the time by being at its end.
            if !flags.is_empty() {
                sources.push(Source::Output(index, output.stream));
                fds.push(PollFd::new(output.fd.as_fd(), flags));
            }
        }
    }
    let soon = sessions.iter().any(|session| session.over.is_some());
    let timeout = PollTimeout::from(if soon { 100_u16 } else { 1000 });
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error).context("poll"),
    }
    let ready = fds.iter().map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
    Ok(sources.into_iter().zip(ready).filter(|(_, flags)| !flags.is_empty()).collect())
}

/// Writes what the port takes.
fn send(port: &mut File, out: &mut VecDeque<u8>) -> Result<()> {
    while !out.is_empty() {
        let (bytes, _) = out.as_slices();
        match port.write(&bytes[..bytes.len().min(CHUNK)]) {
            Ok(count) => drop(out.drain(..count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error).context("cannot write to the outside"),
        }
    }
    Ok(())
}

fn receive(
    port: &mut File,
    frames: &mut Frames,
    sessions: &mut Vec<Live>,
    out: &mut VecDeque<u8>,
) -> Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match port.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => frames.push(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error).context("cannot read from the outside"),
        }
        while let Some(message) = frames.take()? {
            obey(message, sessions, out);
        }
    }
    Ok(())
}

fn obey(message: ToNest, sessions: &mut Vec<Live>, out: &mut VecDeque<u8>) {
    let id = match message {
        ToNest::Ping => return out.extend(encode(&FromNest::Pong)),
        ToNest::Start { session, command } => {
            match command::start(&command) {
                Ok(started) => sessions.push(Live::new(session, started)),
                Err(errno) => {
                    let (step, errno) = (Step::Prepare, errno as i32);
                    out.extend(encode(&FromNest::NotStarted { session, step, errno }));
                    out.extend(encode(&FromNest::Ended { session, end: End::Status(127) }));
                }
            }
            return;
        }
        ToNest::Input { session, .. }
        | ToNest::InputEnd { session }
        | ToNest::OutputTaken { session, .. }
        | ToNest::OutputClosed { session, .. }
        | ToNest::Signal { session, .. }
        | ToNest::Resize { session, .. } => session,
    };
    // A message may cross with the end of its session.
    let Some(session) = sessions.iter_mut().find(|session| session.id == id) else { return };
    match message {
        ToNest::Input { bytes, .. } => {
            session.pending.extend(bytes.iter());
            session.write_input(out);
        }
        ToNest::InputEnd { .. } => {
            session.input_ends = true;
            session.write_input(out);
        }
        ToNest::OutputTaken { stream, count, .. } => {
            if let Some(output) = session.output(stream) {
                output.under_way = output.under_way.saturating_sub(count as usize);
            }
        }
        ToNest::OutputClosed { stream, .. } => session.close_output(stream),
        ToNest::Signal { signal, .. } => session.signal(signal),
        ToNest::Resize { size, .. } => {
            if let Some(terminal) = session.output(Stream::Terminal) {
                // It fails only when nobody holds the terminal any more.
                let _ = command::set_size(&terminal.fd, size);
            }
        }
        ToNest::Ping | ToNest::Start { .. } => {}
    }
}

impl Output {
    fn has_room(&self) -> bool {
        self.under_way < WINDOW
    }
}

impl Live {
    fn new(id: Session, started: Started) -> Self {
        let outputs = started.outputs.into_iter().map(|(stream, fd)| Output {
            stream,
            fd,
            under_way: 0,
            read_since: 0,
            dry: false,
        });
        Self {
            id,
            events: started.events,
            frames: Frames::default(),
            group: None,
            input: started.input,
            pending: VecDeque::new(),
            input_ends: false,
            outputs: outputs.collect(),
            over: None,
        }
    }

    fn output(&mut self, stream: Stream) -> Option<&mut Output> {
        self.outputs.iter_mut().find(|output| output.stream == stream)
    }

    fn close_output(&mut self, stream: Stream) {
        self.outputs.retain(|output| output.stream != stream);
    }

    fn signal(&self, number: i32) {
        if let (Some(group), None, Ok(signal)) = (self.group, self.over, Signal::try_from(number)) {
            // A group that is just ending needs no signal.
            let _ = killpg(group, signal);
        }
    }

    fn take_events(&mut self, out: &mut VecDeque<u8>) {
        let mut buffer = [0; 256];
        let session = self.id;
        loop {
            match self.events.read(&mut buffer) {
                Ok(0) => {
                    // The shepherd has died, and cannot say how the command will.
                    self.over.get_or_insert((End::Signal(libc::SIGKILL), Instant::now()));
                    break;
                }
                Ok(count) => self.frames.push(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        while let Ok(Some(event)) = self.frames.take::<Event>() {
            match event {
                Event::Started(group) => self.group = Some(Pid::from_raw(group)),
                Event::Failed(step, errno) => {
                    out.extend(encode(&FromNest::NotStarted { session, step, errno }));
                }
                Event::Stopped(signal) => {
                    out.extend(encode(&FromNest::Stopped { session, signal }));
                }
                Event::Exited(status) => self.over = Some((End::Status(status), Instant::now())),
                Event::Killed(signal) => self.over = Some((End::Signal(signal), Instant::now())),
            }
        }
    }

    /// Writes what the command's input takes; closes it at its end, or when nobody reads it.
    fn write_input(&mut self, out: &mut VecDeque<u8>) {
        let session = self.id;
        let terminal = self.outputs.iter().find(|output| output.stream == Stream::Terminal);
        let Some(fd) = self.input.as_ref().or(terminal.map(|terminal| &terminal.fd)) else {
            return self.pending.clear();
        };
        let mut taken = 0;
        let mut closed = false;
        loop {
            let (bytes, _) = self.pending.as_slices();
            // An empty write to a pipe tells nothing; whether it has a reader, poll does.
            if bytes.is_empty() {
                closed = self.input.is_some() && has_no_reader(fd);
                break;
            }
            match nix::unistd::write(fd, bytes) {
                Ok(count) => {
                    self.pending.drain(..count);
                    taken += count;
                }
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(_) => {
                    closed = true;
                    break;
                }
            }
        }
        if taken > 0 {
            let count = u32::try_from(taken).expect("no more than the window");
            out.extend(encode(&FromNest::InputTaken { session, count }));
        }
        if closed {
            self.pending.clear();
            self.input = None;
            out.extend(encode(&FromNest::InputClosed { session }));
        } else if self.input_ends && self.pending.is_empty() {
            // A terminal's end of input is a character, and has gone its way.
            self.input = None;
        }
    }

    fn read_output(&mut self, stream: Stream, out: &mut VecDeque<u8>) {
        if stream == Stream::Terminal && !self.pending.is_empty() {
            self.write_input(out);
        }
        let session = self.id;
        let over = self.over.is_some();
        let Some(output) = self.output(stream) else { return };
        if !output.has_room() {
            return;
        }
        let mut buffer = vec![0; CHUNK];
        match nix::unistd::read(&output.fd, &mut buffer) {
            Ok(count @ 1..) => {
                buffer.truncate(count);
                output.under_way += count;
                if over {
                    output.read_since += count;
                }
                let bytes = ByteBuf::from(buffer);
                out.extend(encode(&FromNest::Output { session, stream, bytes }));
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // The end: of a pipe nothing, of a terminal EIO.
            Ok(0) | Err(_) => self.close_output(stream),
        }
    }

    /// Whether all that the command itself wrote has been sent.
    fn is_drained(&mut self) -> bool {
        for output in &mut self.outputs {
            let empty = output.has_room() && !is_readable(&output.fd);
            output.dry |= empty || output.read_since >= PIPE_CAPACITY;
        }
        let late = self.over.is_some_and(|(_, since)| since.elapsed() >= GRACE);
        self.outputs.is_empty() || (late && self.outputs.iter().all(|output| output.dry))
    }

    fn end_if_done(&mut self, out: &mut VecDeque<u8>) {
        let Some((end, _)) = self.over else { return };
        if self.is_drained() {
            machine::write_back();
            out.extend(encode(&FromNest::Ended { session: self.id, end }));
            self.outputs.clear();
            self.id = ENDED;
        }
    }

    fn is_ended(&self) -> bool {
        self.id == ENDED
    }
}

/// No session has this number.
const ENDED: Session = Session::MAX;

fn is_readable(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

fn has_no_reader(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).is_ok() && fds[0].any().unwrap_or(false)
}
