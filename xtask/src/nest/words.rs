//! What a command outside (the *caller*) and the keeper of a nest say to each other.

use nest_agent::{FromNest, Session, ToNest};
use serde::{Deserialize, Serialize};

/// What callers call their session; the keeper gives each its own number inside.
pub const SESSION: Session = 1;

/// What a caller says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ask {
    /// For the nest, once it is [`Answer::Up`].
    Nest(ToNest),
    /// Answer with [`Answer::Pong`].
    Ping,
    /// Answer with [`Answer::Status`].
    Status,
    /// Take no more commands, and end with the last.
    Retire,
    /// End now, whatever runs.
    End,
}

/// What the keeper says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// The first word to everyone: the keeper lives.
    Welcome,
    /// The nest runs, and takes a command.
    Up,
    /// The answer to [`Ask::Ping`].
    Pong,
    /// From the nest.
    Nest(FromNest),
    /// The last word: the nest failed, or was ended, and why.
    Failed(String),
    /// The answer to [`Ask::Status`].
    Status(Status),
}

/// How a nest is doing.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The keeper's process.
    pub keeper: u32,
    /// QEMU's process.
    pub qemu: u32,
    /// Whether the machine runs already.
    pub up: bool,
    /// For how many seconds there has been this nest.
    pub age: u64,
    /// After how many seconds without a command it ends.
    pub idle: u32,
    /// How many of them have gone by.
    pub idle_since: u32,
    /// The commands that run, and for how many seconds.
    pub commands: Vec<(String, u64)>,
}
