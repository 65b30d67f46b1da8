//! One command in the nest: its streams, its end, and what is left of it after that.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nest_agent::{CHUNK, End, Frames, FromNest, Session, Stream, encode};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_bytes::ByteBuf;

use crate::command::{Event, Place, Started};
use crate::output::Output;

/// How long after a command's end we wait for what it left running to close its outputs.
const GRACE: Duration = Duration::from_secs(2);

/// How long a command has to end when its caller is gone, before it is killed.
const HANG_UP_GRACE: Duration = Duration::from_secs(1);

/// One command.
pub struct Live {
    pub id: Session,
    place: Place,
    pub events: UnixStream,
    frames: Frames,
    /// The process group of the command itself.
    leader: Option<Pid>,
    /// Where input goes, if not to the terminal.
    pub input: Option<OwnedFd>,
    /// Input that was not written yet.
    pub pending: VecDeque<u8>,
    input_ends: bool,
    pub outputs: Vec<Output>,
    hung_up: Option<Instant>,
    over: Option<(End, Instant)>,
    /// Whether the last thing is under way: writing back to the outside.
    closing: bool,
    ended: bool,
}

impl Live {
    pub fn new(id: Session, place: Place, started: Started) -> Self {
        let outputs = started.outputs.into_iter().map(|(stream, fd)| Output::new(stream, fd));
        Self {
            id,
            place,
            events: started.events,
            frames: Frames::default(),
            leader: None,
            input: started.input,
            pending: VecDeque::new(),
            input_ends: false,
            outputs: outputs.collect(),
            hung_up: None,
            over: None,
            closing: false,
            ended: false,
        }
    }

    /// Whether the shepherd has something left to say.
    pub fn listens(&self) -> bool {
        self.over.is_none() || self.closing
    }

    /// Whether to look again soon, even if nothing happens.
    pub fn is_about_to_end(&self) -> bool {
        self.over.is_some() || self.hung_up.is_some()
    }

    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Where it was: processes there may still be dying.
    pub fn into_place(self) -> Place {
        self.place
    }

    pub fn output(&mut self, stream: Stream) -> Option<&mut Output> {
        self.outputs.iter_mut().find(|output| output.stream == stream)
    }

    pub fn close_output(&mut self, stream: Stream) {
        self.outputs.retain(|output| output.stream != stream);
    }

    /// The outside has passed on so many bytes of an output.
    pub fn taken(&mut self, stream: Stream, count: u32) {
        if let Some(output) = self.output(stream) {
            output.was_taken(count as usize);
        }
    }

    pub fn signal(&self, number: i32) {
        if let (Some(leader), None, Ok(signal)) = (self.leader, self.over, Signal::try_from(number))
        {
            // A group that is just ending needs no signal.
            let _ = killpg(leader, signal);
        }
    }

    /// Its caller is gone: it gets what it would get from a terminal that is closed, and some time.
    pub fn hang_up(&mut self) {
        self.signal(Signal::SIGHUP as i32);
        self.signal(Signal::SIGCONT as i32);
        self.input = None;
        self.pending.clear();
        self.outputs.clear();
        self.hung_up = Some(Instant::now());
    }

    /// Hears what the shepherd has to say.
    pub fn take_events(&mut self, out: &mut VecDeque<u8>) {
        let mut buffer = [0; 256];
        let session = self.id;
        loop {
            match self.events.read(&mut buffer) {
                Ok(0) => {
                    // The shepherd has died, and cannot say how the command will.
                    self.is_over(End::Signal(libc::SIGKILL));
                    self.end_if_closing(out);
                    break;
                }
                Ok(count) => self.frames.push(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        while let Ok(Some(event)) = self.frames.take::<Event>() {
            match event {
                Event::Started(leader) => {
                    self.leader = Some(Pid::from_raw(leader));
                    out.extend(encode(&FromNest::Started { session }));
                }
                Event::Failed(step, errno) => {
                    out.extend(encode(&FromNest::NotStarted { session, step, errno }));
                }
                Event::Stopped(signal) => {
                    out.extend(encode(&FromNest::Stopped { session, signal }));
                }
                Event::Exited(status) => self.is_over(End::Status(status)),
                Event::Killed(signal) => self.is_over(End::Signal(signal)),
                Event::WrittenBack => self.end_if_closing(out),
            }
        }
    }

    fn end_if_closing(&mut self, out: &mut VecDeque<u8>) {
        if let (Some((end, _)), true) = (self.over, self.closing) {
            out.extend(encode(&FromNest::Ended { session: self.id, end }));
            self.closing = false;
            self.ended = true;
        }
    }

    /// Takes input for the command.
    pub fn add_input(&mut self, bytes: &[u8], out: &mut VecDeque<u8>) {
        self.pending.extend(bytes);
        self.write_input(out);
    }

    /// Its input is at its end.
    pub fn end_input(&mut self, out: &mut VecDeque<u8>) {
        self.input_ends = true;
        self.write_input(out);
    }

    /// Writes what the command's input takes; closes it at its end, or when nobody reads it.
    pub fn write_input(&mut self, out: &mut VecDeque<u8>) {
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

    /// Passes on what the command wrote.
    pub fn read_output(&mut self, stream: Stream, out: &mut VecDeque<u8>) {
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
                output.was_read(count, over);
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
        let late = self.over.is_some_and(|(_, since)| since.elapsed() >= GRACE);
        let mut dry = true;
        for output in &mut self.outputs {
            dry &= output.is_dry();
        }
        self.outputs.is_empty() || (late && dry)
    }

    /// The command is over, and its outputs need not fill any more.
    fn is_over(&mut self, end: End) {
        self.over.get_or_insert((end, Instant::now()));
        for output in &mut self.outputs {
            output.fill_no_more();
        }
    }

    /// Does what is due: kills a command that outlives its caller, ends one that is over.
    pub fn go_on(&mut self, out: &mut VecDeque<u8>) {
        if self.over.is_none() {
            if self.hung_up.is_some_and(|since| since.elapsed() >= HANG_UP_GRACE) {
                self.place.group.kill();
            }
        } else if !self.closing && !self.ended && self.is_drained() {
            // What it left running would write on, or hold a guest's memory, unseen.
            self.place.group.kill();
            self.outputs.clear();
            self.closing = true;
            if self.events.write(&[0]).is_err() {
                self.end_if_closing(out);
            }
        }
    }
}

fn has_no_reader(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).is_ok() && fds[0].any().unwrap_or(false)
}
