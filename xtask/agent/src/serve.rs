//! The agent's loop: one thread, one `poll`, any number of sessions. Nothing in it blocks.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nest_agent::{
    CHUNK, Command, End, Frames, FromNest, Session, Step, Stream, ToNest, VERSION, encode,
};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::clock;
use crate::command::{self, Place};
use crate::group::Group;
use crate::root::Roots;
use crate::session::Live;

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
    let mut roots = Roots::new();
    // Of sessions that are over, some of whose processes are still dying.
    let mut left: Vec<Place> = Vec::new();
    loop {
        reap();
        for place in left.extract_if(.., |place| place.group.remove()) {
            roots.give_back(place.root);
        }
        let ready = wait(&port, !out.is_empty(), &sessions)?;
        for (source, flags) in ready {
            match source {
                Source::Port => {
                    if flags.contains(PollFlags::POLLHUP) {
                        bail!("the outside is gone");
                    }
                    receive(&mut port, &mut frames, &mut sessions, &mut roots, &mut out)?;
                }
                Source::Events(index) => sessions[index].take_events(&mut out),
                Source::Input(index) => sessions[index].write_input(&mut out),
                Source::Output(index, stream) => sessions[index].read_output(stream, &mut out),
            }
        }
        for session in &mut sessions {
            session.go_on(&mut out);
        }
        left.extend(sessions.extract_if(.., |session| session.is_ended()).map(Live::into_place));
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

    let soon = sessions.iter().any(Live::is_about_to_end);
    let mut patience = Duration::from_millis(if soon { 100 } else { 1000 });
    let mut sources = vec![Source::Port];
    let mut fds = vec![PollFd::new(port.as_fd(), readable | when(to_send, writable))];
    for (index, session) in sessions.iter().enumerate() {
        if session.listens() {
            sources.push(Source::Events(index));
            fds.push(PollFd::new(session.events.as_fd(), readable));
        }
        if let Some(input) = &session.input {
            sources.push(Source::Input(index));
            fds.push(PollFd::new(input.as_fd(), when(!session.pending.is_empty(), writable)));
        }
        for output in &session.outputs {
            let due = output.is_due();
            if let Err(left) = due {
                patience = patience.min(left);
            }
            let to_terminal = output.stream == Stream::Terminal && session.input.is_none();
            let flags = when(due == Ok(true), readable)
                | when(to_terminal && !session.pending.is_empty(), writable);
            // One that is not read must not wake us all the time by being at its end.
            if !flags.is_empty() {
                sources.push(Source::Output(index, output.stream));
                fds.push(PollFd::new(output.fd.as_fd(), flags));
            }
        }
    }
    // Rounded up: with what is left of a millisecond it would only turn round and round.
    let patience = patience + Duration::from_micros(999);
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
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
    roots: &mut Roots,
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
            obey(message, sessions, roots, out);
        }
    }
    Ok(())
}

fn obey(message: ToNest, sessions: &mut Vec<Live>, roots: &mut Roots, out: &mut VecDeque<u8>) {
    let id = match message {
        ToNest::Ping { now } => {
            clock::set(now);
            return out.extend(encode(&FromNest::Pong));
        }
        ToNest::Start { session, command } => {
            match start(session, &command, roots) {
                Ok(session) => sessions.push(session),
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
        | ToNest::Resize { session, .. }
        | ToNest::HangUp { session } => session,
    };
    // A message may cross with the end of its session.
    let Some(session) = sessions.iter_mut().find(|session| session.id == id) else { return };
    match message {
        ToNest::Input { bytes, .. } => session.add_input(&bytes, out),
        ToNest::InputEnd { .. } => session.end_input(out),
        ToNest::OutputTaken { stream, count, .. } => session.taken(stream, count),
        ToNest::OutputClosed { stream, .. } => session.close_output(stream),
        ToNest::Signal { signal, .. } => session.signal(signal),
        ToNest::Resize { size, .. } => {
            if let Some(terminal) = session.output(Stream::Terminal) {
                // It fails only when nobody holds the terminal any more.
                let _ = command::set_size(&terminal.fd, size);
            }
        }
        ToNest::HangUp { .. } => session.hang_up(),
        ToNest::Ping { .. } | ToNest::Start { .. } => {}
    }
}

fn start(id: Session, command: &Command, roots: &mut Roots) -> Result<Live, Errno> {
    let group = Group::new(id).map_err(command::errno)?;
    let place = Place { group, root: roots.take() };
    match command::start(command, &place) {
        Ok(started) => Ok(Live::new(id, place, started)),
        Err(errno) => {
            place.group.remove();
            roots.give_back(place.root);
            Err(errno)
        }
    }
}
