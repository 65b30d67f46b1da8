//! The keeper: the process that a nest's QEMU belongs to. It passes on what callers and the nest say
//! to each other, sees to it that the nest is alive, and ends with it.
//!
//! It keeps a machine that stays, rather than a snapshot that is restored for each command. Measured
//! beside each other, chapter 7's `hctest` cost QEMU 0.17 s of CPU time in a machine that stays, and
//! 0.45 s in a restored one, for a new QEMU translates all code anew; to restore was 0.12 s of that.
//! To boot one costs 2.7 s. What a snapshot would give for nothing, a fresh machine, the agent gives
//! as far as commands can tell: of one it leaves no process, no mount and no open file to the next. A
//! command that takes the machine down with it costs the others that run their end, and the next one a
//! cold start.
//!
//! One thread, one `poll`; nobody is waited for.

mod callers;
mod door;

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use nest_agent::{FromNest, Session, ToNest, VERSION};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::machine::Machine;
use super::setup::Pieces;
use super::silence::Silence;
use super::words::{Answer, Ask, SESSION, Status};
use callers::Caller;
use door::Door;

/// How long the machine may take until its agent speaks, ten times what it takes here and more. It
/// gets a second try: while its kernel patches itself, QEMU 7.2 now and then hangs.
const START_SECONDS: [u32; 2] = [30, 90];

/// How often, in seconds, we ask whether the nest lives, and tell it the time.
const PING_EVERY: u32 = 5;

/// What a keeper is started with.
#[derive(clap::Args)]
pub struct Options {
    #[arg(long)]
    qemu: PathBuf,
    #[arg(long)]
    kernel: PathBuf,
    #[arg(long)]
    initramfs: PathBuf,
    /// The directory by which callers find us; without, our one caller is on standard input
    #[arg(long, requires = "idle")]
    home: Option<PathBuf>,
    /// After how many seconds without a command we end
    #[arg(long, requires = "home")]
    idle: Option<u32>,
    /// What the commands come from: we end when it is gone
    #[arg(long, requires = "home")]
    checkout: Option<PathBuf>,
}

/// Keeps a nest until nobody wants it any more.
pub fn run(options: Options) -> Result<ExitCode> {
    let Options { qemu, kernel, initramfs, home, idle, checkout } = options;
    let pieces = Pieces { qemu, kernel, initramfs };
    let stdin = io::stdin().as_fd().try_clone_to_owned().context("no standard input")?;
    let mut callers = Vec::new();
    let door = match (home, idle) {
        (Some(home), Some(idle)) => {
            let lock = io::stdout().as_fd().try_clone_to_owned().context("no lock")?;
            Door::open(home, lock, stdin, idle)?
        }
        _ => {
            callers.push(Caller::new(UnixStream::from(stdin))?);
            Door::Closed
        }
    };
    let machine = match Machine::start(&pieces, door.cache(), door.lock()) {
        Ok(machine) => machine,
        Err(error) => {
            callers.extend(door.first_caller());
            callers::say_last_words(&mut callers, &format!("{error:#}"));
            door.shut();
            return Err(error);
        }
    };
    let mut keeper = Keeper {
        pieces,
        door,
        checkout,
        machine,
        up: false,
        hung: 0,
        silence: Silence::new(),
        unasked: 0,
        callers,
        next_session: SESSION,
        since: Instant::now(),
        idle: 0,
    };
    let last_words = keeper.serve().unwrap_or_else(|error| format!("the nest's keeper: {error:#}"));
    if !keeper.up && keeper.callers.is_empty() {
        // The machine may have died sooner than anybody came.
        keeper.callers.extend(keeper.door.first_caller());
    }
    keeper.door.close();
    callers::say_last_words(&mut keeper.callers, &last_words);
    drop(keeper.machine);
    keeper.door.shut();
    Ok(ExitCode::SUCCESS)
}

struct Keeper {
    pieces: Pieces,
    door: Door,
    checkout: Option<PathBuf>,
    machine: Machine,
    /// Whether the agent has spoken.
    up: bool,
    /// How many machines hung before they were up.
    hung: usize,
    /// Since the last word of the agent.
    silence: Silence,
    /// Seconds since the last question to it.
    unasked: u32,
    callers: Vec<Caller>,
    next_session: Session,
    since: Instant,
    /// Seconds without a command.
    idle: u32,
}

enum Source {
    Door,
    Nest,
    Caller(usize),
}

impl Keeper {
    /// Passes on words until it is time to end, and says why, to those who still wait.
    fn serve(&mut self) -> Result<String> {
        loop {
            for source in self.wait()? {
                match source {
                    Source::Door => self.welcome(),
                    Source::Nest => {
                        if let Some(failure) = self.hear_nest() {
                            return Ok(failure);
                        }
                    }
                    Source::Caller(index) => {
                        if self.hear_caller(index) {
                            return Ok("the nest was ended by `cargo xtask nest down`".to_owned());
                        }
                    }
                }
            }
            self.callers.retain(|caller| !caller.is_gone);
            if self.silence.count()
                && let Some(failure) = self.each_second()?
            {
                return Ok(failure);
            }
            if self.is_over() {
                return Ok("the nest ends".to_owned());
            }
            self.machine.link().flush();
            for caller in &mut self.callers {
                caller.link.flush();
            }
        }
    }

    fn wait(&mut self) -> Result<Vec<Source>> {
        let flags = |has_to_send: bool| {
            PollFlags::POLLIN | if has_to_send { PollFlags::POLLOUT } else { PollFlags::empty() }
        };
        let mut sources = Vec::new();
        let mut fds = Vec::new();
        if let Some(listener) = self.door.listener() {
            sources.push(Source::Door);
            fds.push(PollFd::new(listener.as_fd(), PollFlags::POLLIN));
        }
        let link = self.machine.link();
        sources.push(Source::Nest);
        fds.push(PollFd::new(link.as_fd(), flags(link.has_to_send())));
        for (index, caller) in self.callers.iter().enumerate() {
            sources.push(Source::Caller(index));
            fds.push(PollFd::new(caller.link.as_fd(), flags(caller.link.has_to_send())));
        }
        match poll(&mut fds, PollTimeout::from(1000_u16)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error).context("poll"),
        }
        let ready = fds.iter().map(|fd| fd.any().unwrap_or(false));
        Ok(sources.into_iter().zip(ready).filter_map(|(it, is)| is.then_some(it)).collect())
    }

    /// Lets a caller in.
    fn welcome(&mut self) {
        let Some(mut caller) = self.door.next_caller() else { return };
        if self.up {
            caller.link.send(&Answer::Up);
        }
        self.callers.push(caller);
    }

    /// What the nest has to say; if it is dead, what is to be said about that.
    fn hear_nest(&mut self) -> Option<String> {
        loop {
            let mut message = match self.machine.receive() {
                Ok(Some(message)) => message,
                Ok(None) => return None,
                Err(_) => return Some(self.machine.death()),
            };
            self.silence.seconds = 0;
            if let Some(session) = message.session_mut() {
                let id = std::mem::replace(session, SESSION);
                // A caller may be gone, and its command about to go.
                if let Some(caller) = self.callers.iter_mut().find(|it| it.session == Some(id)) {
                    caller.pass_on(message);
                }
                continue;
            }
            match message {
                FromNest::Hello { version: VERSION } => {
                    self.up = true;
                    for caller in &mut self.callers {
                        caller.link.send(&Answer::Up);
                    }
                }
                FromNest::Hello { version } => {
                    let ours = VERSION;
                    return Some(format!("the nest's agent is of version {version}, not {ours}"));
                }
                _ => {}
            }
        }
    }

    /// What a caller has to say. Whether that was to end.
    fn hear_caller(&mut self, index: usize) -> bool {
        loop {
            let caller = &mut self.callers[index];
            let ask = match caller.link.receive() {
                Ok(Some(ask)) => ask,
                Ok(None) => return false,
                Err(_) => {
                    if let Some(session) = caller.leave() {
                        self.machine.send(&ToNest::HangUp { session });
                    }
                    return false;
                }
            };
            match ask {
                Ask::Nest(message) => self.tell_nest(index, message),
                Ask::Ping => caller.link.send(&Answer::Pong),
                Ask::Status => {
                    let status = self.status();
                    self.callers[index].link.send(&Answer::Status(status));
                }
                Ask::Retire => self.door.close(),
                Ask::End => return true,
            }
        }
    }

    fn tell_nest(&mut self, index: usize, mut message: ToNest) {
        if let ToNest::Start { command, .. } = &message {
            self.callers[index].start(self.next_session, command);
            self.next_session += 1;
            self.idle = 0;
            // The command is to find the right time.
            self.ping();
        }
        // What comes after its command's end comes too late.
        if let (Some(ours), Some(id)) = (self.callers[index].session, message.session_mut()) {
            *id = ours;
            self.machine.send(&message);
        }
    }

    fn each_second(&mut self) -> Result<Option<String>> {
        let busy = self.callers.iter().any(|caller| caller.session.is_some());
        self.idle = if busy || !self.up { 0 } else { self.idle + 1 };
        if self.door.is_lost() || self.checkout.as_ref().is_some_and(|path| !path.exists()) {
            self.door.close();
        }
        let seconds = self.silence.seconds;
        self.unasked += 1;
        if !self.up {
            let Some(limit) = START_SECONDS.get(self.hung) else { return Ok(None) };
            if seconds < *limit {
                return Ok(None);
            }
            self.hung += 1;
            if self.hung == START_SECONDS.len() {
                let what = format!("the nest did not start within {limit} seconds");
                return Ok(Some(self.machine.failure(&what)));
            }
            self.machine = Machine::start(&self.pieces, self.door.cache(), self.door.lock())?;
            self.silence = Silence::new();
        } else if seconds >= self.hangs_after() {
            let what = format!("the nest hangs: it did not answer for {seconds} seconds");
            return Ok(Some(self.machine.failure(&what)));
        } else if self.unasked >= PING_EVERY {
            self.ping();
        }
        Ok(None)
    }

    fn ping(&mut self) {
        self.unasked = 0;
        self.machine.send(&ToNest::Ping { now: now() });
    }

    /// How long it may be silent, in seconds, before we give it up. A person who waits wants to go on;
    /// for a test that ran for minutes, a machine that is only slow would be a loss.
    fn hangs_after(&self) -> u32 {
        if self.door.idle().is_some() { 20 } else { 60 }
    }

    fn is_over(&self) -> bool {
        let wanted = self.door.listener().is_some()
            && self.door.idle().is_some_and(|limit| self.idle < limit);
        self.callers.is_empty() && !wanted
    }

    fn status(&self) -> Status {
        Status {
            keeper: std::process::id(),
            qemu: self.machine.id(),
            up: self.up,
            age: self.since.elapsed().as_secs(),
            idle: self.door.idle().unwrap_or(0),
            idle_since: self.idle,
            commands: self.callers.iter().filter_map(Caller::running).collect(),
        }
    }
}

/// Nanoseconds after 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
