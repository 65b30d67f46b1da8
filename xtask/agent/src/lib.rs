//! What the two ends of the nest say to each other: `cargo xtask` outside, the agent inside.
//!
//! One message is a length (four bytes, little-endian) and a [postcard] of [`ToNest`] or
//! [`FromNest`]. Every message about a command carries the number of its session, so that one nest
//! can run several at once. Neither end ever waits for the other to take bytes: each stream has a
//! window, the sender keeps count of what is under way, and the receiver says what it has passed
//! on ([`ToNest::OutputTaken`], [`FromNest::InputTaken`]).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// The two ends must be of one build; the agent says this number first.
pub const VERSION: u32 = 1;

/// The name of the virtio-serial port that they talk through.
pub const PORT_NAME: &str = "mini-kvm.agent";

/// Bytes of one stream that may be under way, sent and not yet passed on.
pub const WINDOW: usize = 256 << 10;

/// Bytes of a stream in one message.
pub const CHUNK: usize = 32 << 10;

/// Longer than any message: an environment of several MiB still fits.
const LONGEST_MESSAGE: usize = 16 << 20;

/// The number of a command's session, chosen outside.
pub type Session = u32;

/// What the outside says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say it themselves")]
pub enum ToNest {
    /// Answer with [`FromNest::Pong`].
    Ping,
    /// Run this.
    Start { session: Session, command: Box<Command> },
    /// Bytes for its standard input.
    Input { session: Session, bytes: ByteBuf },
    /// Its standard input is at its end.
    InputEnd { session: Session },
    /// So many bytes of its output were passed on: as many more may come.
    OutputTaken { session: Session, stream: Stream, count: u32 },
    /// Nobody reads this output any more: let the command have its `EPIPE`.
    OutputClosed { session: Session, stream: Stream },
    /// Send this signal to the command's process group.
    Signal { session: Session, signal: i32 },
    /// The terminal has a new size.
    Resize { session: Session, size: WindowSize },
}

/// What the inside says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say it themselves")]
pub enum FromNest {
    /// The machine is up.
    Hello { version: u32 },
    /// The answer to [`ToNest::Ping`].
    Pong,
    /// The command wrote this.
    Output { session: Session, stream: Stream, bytes: ByteBuf },
    /// The command's standard input took so many bytes: as many more may come.
    InputTaken { session: Session, count: u32 },
    /// Nobody will read the command's standard input any more.
    InputClosed { session: Session },
    /// The command was stopped by this signal.
    Stopped { session: Session, signal: i32 },
    /// The command could not be started: what failed, and its `errno`.
    NotStarted { session: Session, step: Step, errno: i32 },
    /// The command is over, and all its output was sent.
    Ended { session: Session, end: End },
}

/// The outputs of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// The terminal: whatever of the three standard streams is one outside.
    Terminal,
    /// Standard output, where it is not a terminal.
    Stdout,
    /// Standard error, where it is not a terminal.
    Stderr,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// With this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

/// The steps between `fork` and the program that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Making pipes, a pseudo-terminal or a process.
    Prepare,
    /// Taking on the caller's user and groups.
    BecomeUser,
    /// Entering the caller's working directory.
    ChangeDirectory,
    /// `execve`.
    Execute,
}

/// Everything that a process inherits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// The path of the program, absolute.
    pub program: ByteBuf,
    /// The arguments, the first of which is the program's name.
    pub arguments: Vec<ByteBuf>,
    /// The environment, as `NAME=value`.
    pub environment: Vec<ByteBuf>,
    /// The working directory.
    pub directory: ByteBuf,
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
    /// The file mode creation mask.
    pub umask: u32,
    /// The resource limits: which, soft, hard.
    pub limits: Vec<(u32, u64, u64)>,
    /// Signals that the caller ignores, as `nohup` does.
    pub ignored_signals: Vec<i32>,
    /// Which of standard input, output and error are the terminal.
    pub on_terminal: [bool; 3],
    /// The terminal, if any of them is.
    pub terminal: Option<Terminal>,
}

/// A terminal outside, to be imitated inside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terminal {
    /// Its size.
    pub size: WindowSize,
    /// `c_iflag`, `c_oflag`, `c_cflag`, `c_lflag`.
    pub flags: [u32; 4],
    /// `c_cc`.
    pub control_characters: ByteBuf,
}

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say it themselves")]
pub struct WindowSize {
    pub rows: u16,
    pub columns: u16,
}

/// A message as it goes over the wire.
///
/// # Panics
///
/// Never for the messages above: they all can be serialized.
#[must_use]
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    let mut frame = postcard::to_extend(message, vec![0; 4])
        .expect("plain data in a growing buffer always serializes");
    let length = u32::try_from(frame.len() - 4).expect("a message is far shorter than 4 GiB");
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame
}

/// What arrived, cut into messages.
#[derive(Default)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Where in `bytes` the next message begins.
    next: usize,
}

impl Frames {
    /// Appends what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.next > CHUNK {
            self.bytes.drain(..self.next);
            self.next = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, if there is one.
    ///
    /// # Errors
    ///
    /// When the other end does not speak this protocol.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Garbage> {
        let Some((length, rest)) = self.bytes[self.next..].split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > LONGEST_MESSAGE {
            return Err(Garbage);
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let (message, rest) = postcard::take_from_bytes(body).map_err(|_| Garbage)?;
        if !rest.is_empty() {
            return Err(Garbage);
        }
        self.next += 4 + length;
        Ok(Some(message))
    }
}

/// The bytes are no message of this protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct Garbage;

impl std::fmt::Display for Garbage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bytes that are no message between the nest and its outside")
    }
}

impl std::error::Error for Garbage {}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command {
            program: ByteBuf::from("/bin/echo"),
            arguments: vec![ByteBuf::from("echo"), ByteBuf::from(""), ByteBuf::from([0xff])],
            environment: vec![ByteBuf::from("A=b c\nd")],
            directory: ByteBuf::from("/tmp"),
            user: 1000,
            group: 100,
            groups: vec![4, 27],
            umask: 0o22,
            limits: vec![(7, 1024, u64::MAX)],
            ignored_signals: vec![1],
            on_terminal: [true, false, true],
            terminal: Some(Terminal {
                size: WindowSize { rows: 24, columns: 80 },
                flags: [1, 2, 3, 4],
                control_characters: ByteBuf::from([3, 28]),
            }),
        }
    }

    fn to_nest() -> Vec<ToNest> {
        let session = 3;
        vec![
            ToNest::Ping,
            ToNest::Start { session, command: Box::new(command()) },
            ToNest::Input { session, bytes: ByteBuf::from(vec![0; CHUNK]) },
            ToNest::InputEnd { session },
            ToNest::OutputTaken { session, stream: Stream::Stdout, count: 17 },
            ToNest::OutputClosed { session, stream: Stream::Stderr },
            ToNest::Signal { session, signal: 2 },
            ToNest::Resize { session, size: WindowSize { rows: 1, columns: 2 } },
        ]
    }

    #[test]
    fn messages_survive_the_wire_however_it_cuts_them() {
        let wire: Vec<u8> = to_nest().iter().flat_map(encode).collect();
        for piece in [1, 3, 4096, wire.len()] {
            let mut frames = Frames::default();
            let mut arrived = Vec::new();
            for bytes in wire.chunks(piece) {
                frames.push(bytes);
                while let Some(message) = frames.take::<ToNest>().unwrap() {
                    arrived.push(message);
                }
            }
            assert_eq!(arrived, to_nest(), "cut into pieces of {piece}");
        }
    }

    #[test]
    fn answers_survive_the_wire() {
        let session = 9;
        for message in [
            FromNest::Hello { version: VERSION },
            FromNest::Pong,
            FromNest::Output { session, stream: Stream::Terminal, bytes: ByteBuf::from("x") },
            FromNest::InputTaken { session, count: 1 },
            FromNest::InputClosed { session },
            FromNest::Stopped { session, signal: 20 },
            FromNest::NotStarted { session, step: Step::Execute, errno: 2 },
            FromNest::Ended { session, end: End::Signal(11) },
        ] {
            let mut frames = Frames::default();
            frames.push(&encode(&message));
            assert_eq!(frames.take(), Ok(Some(message)));
            assert_eq!(frames.take::<FromNest>(), Ok(None));
        }
    }

    #[test]
    fn a_length_beyond_reason_is_refused_before_the_bytes_are_there() {
        let mut frames = Frames::default();
        frames.push(&u32::MAX.to_le_bytes());
        assert_eq!(frames.take::<ToNest>(), Err(Garbage));
    }

    #[test]
    fn a_body_that_is_no_message_is_refused() {
        for body in [&[0xff_u8, 0xff][..], &[], &[0, 0]] {
            let mut frames = Frames::default();
            frames.push(&u32::try_from(body.len()).unwrap().to_le_bytes());
            frames.push(body);
            assert_eq!(frames.take::<ToNest>(), Err(Garbage), "{body:?}");
        }
    }
}
