//! What the two ends of the nest say to each other: `cargo xtask` outside, the agent inside.
//!
//! One message is a length (four bytes, little-endian) and a [postcard] of [`ToNest`] or
//! [`FromNest`]. Every message about a command carries the number of its session, so that one nest
//! can run several at once. Neither end ever waits for the other to take bytes: each stream has a
//! window, the sender keeps count of what is under way, and the receiver says what it has passed
//! on ([`ToNest::OutputTaken`], [`FromNest::InputTaken`]).

mod wire;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

pub use wire::{Frames, Garbage, encode};

/// The two ends must be of one build; the agent says this number first.
pub const VERSION: u32 = 2;

/// The name of the virtio-serial port that they talk through.
pub const PORT_NAME: &str = "mini-kvm.agent";

/// Bytes of one stream that may be under way, sent and not yet passed on.
pub const WINDOW: usize = 256 << 10;

/// Bytes of a stream in one message.
pub const CHUNK: usize = 32 << 10;

/// The number of a command's session, chosen outside.
pub type Session = u32;

/// What the outside says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say it themselves")]
pub enum ToNest {
    /// Answer with [`FromNest::Pong`], and set the clock: it is so many nanoseconds after 1970. The
    /// nest's own stands still while the machine around it is suspended.
    Ping { now: u64 },
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
    /// The caller is gone: end the command, as when a terminal is closed.
    HangUp { session: Session },
}

impl ToNest {
    /// The session that this is about.
    pub fn session_mut(&mut self) -> Option<&mut Session> {
        match self {
            Self::Ping { .. } => None,
            Self::Start { session, .. }
            | Self::Input { session, .. }
            | Self::InputEnd { session }
            | Self::OutputTaken { session, .. }
            | Self::OutputClosed { session, .. }
            | Self::Signal { session, .. }
            | Self::Resize { session, .. }
            | Self::HangUp { session } => Some(session),
        }
    }
}

/// What the inside says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say it themselves")]
pub enum FromNest {
    /// The machine is up.
    Hello { version: u32 },
    /// The answer to [`ToNest::Ping`].
    Pong,
    /// The command has a process: from now on it may have done something.
    Started { session: Session },
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
    /// The command is over, all its output was sent, and all that it wrote is on the outside.
    Ended { session: Session, end: End },
}

impl FromNest {
    /// The session that this is about.
    pub fn session_mut(&mut self) -> Option<&mut Session> {
        match self {
            Self::Hello { .. } | Self::Pong => None,
            Self::Started { session }
            | Self::Output { session, .. }
            | Self::InputTaken { session, .. }
            | Self::InputClosed { session }
            | Self::Stopped { session, .. }
            | Self::NotStarted { session, .. }
            | Self::Ended { session, .. } => Some(session),
        }
    }
}

/// The outputs of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// The terminal: whatever of the three standard streams is one outside.
    Terminal,
    /// Standard output, where it is not a terminal.
    Stdout,
    /// Standard error, where it is neither a terminal nor the same as standard output.
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
    /// Whether standard error is the same pipe or file as standard output, as after `2>&1`: then what
    /// is written to both stays in order.
    pub one_output: bool,
    /// Files to keep in memory between sessions, for they are slow to start from the outside.
    pub keep: Vec<Kept>,
}

/// A file outside, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Where it is.
    pub path: ByteBuf,
    /// Changes whenever the file does. Letters, digits and `-`.
    pub identity: String,
    /// Its length.
    pub length: u64,
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
            one_output: true,
            keep: vec![Kept { path: ByteBuf::from("/bin/x"), identity: "1-2".into(), length: 3 }],
        }
    }

    fn to_nest() -> Vec<ToNest> {
        let session = 3;
        vec![
            ToNest::Ping { now: u64::MAX },
            ToNest::Start { session, command: Box::new(command()) },
            ToNest::Input { session, bytes: ByteBuf::from(vec![0; CHUNK]) },
            ToNest::InputEnd { session },
            ToNest::OutputTaken { session, stream: Stream::Stdout, count: 17 },
            ToNest::OutputClosed { session, stream: Stream::Stderr },
            ToNest::Signal { session, signal: 2 },
            ToNest::Resize { session, size: WindowSize { rows: 1, columns: 2 } },
            ToNest::HangUp { session },
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
            FromNest::Started { session },
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
        for body in [&[0xff_u8, 0xff][..], &[], &[0, 0, 0]] {
            let mut frames = Frames::default();
            frames.push(&u32::try_from(body.len()).unwrap().to_le_bytes());
            frames.push(body);
            assert_eq!(frames.take::<ToNest>(), Err(Garbage), "{body:?}");
        }
    }
}
