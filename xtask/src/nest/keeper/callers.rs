//! Those who have commands in a nest, as its keeper knows them.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nest_agent::{Command, FromNest, Session};

use crate::nest::link::Link;
use crate::nest::words::Answer;

/// How long we wait at the end for callers that do not listen.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub struct Caller {
    pub link: Link,
    /// The number of its command inside, while it runs.
    pub session: Option<Session>,
    name: String,
    since: Instant,
    /// Whether it has hung up.
    pub is_gone: bool,
}

impl Caller {
    /// Greets one.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        let mut link = Link::new(stream)?;
        link.send(&Answer::Welcome);
        let (name, since) = (String::new(), Instant::now());
        Ok(Self { link, session: None, name, since, is_gone: false })
    }

    /// It has a command now.
    pub fn start(&mut self, session: Session, command: &Command) {
        let program = Path::new(OsStr::from_bytes(&command.program));
        self.name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.session = Some(session);
        self.since = Instant::now();
    }

    /// Passes on what its command has to say.
    pub fn pass_on(&mut self, message: FromNest) {
        if matches!(message, FromNest::Ended { .. }) {
            self.session = None;
        }
        self.link.send(&Answer::Nest(message));
    }

    /// It has hung up. The session that nobody listens to any more.
    pub fn leave(&mut self) -> Option<Session> {
        self.is_gone = true;
        self.session.take()
    }

    /// Its command, if that runs, and for how many seconds.
    pub fn running(&self) -> Option<(String, u64)> {
        self.session.map(|_| (self.name.clone(), self.since.elapsed().as_secs()))
    }
}

/// Tells all of them why it is over.
pub fn say_last_words(callers: &mut [Caller], words: &str) {
    let since = Instant::now();
    for caller in &mut *callers {
        caller.link.send(&Answer::Failed(words.to_owned()));
    }
    while callers.iter().any(|caller| caller.link.has_to_send()) && since.elapsed() < LAST_WORDS {
        sleep(Duration::from_millis(10));
        callers.iter_mut().for_each(|caller| caller.link.flush());
    }
}
