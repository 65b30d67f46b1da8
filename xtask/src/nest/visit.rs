//! The way to a nest: to one that runs, or to a new one.
#![expect(unsafe_code, reason = "what the keeper's process does between fork and exec")]

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, kill, signal, sigprocmask};
use nix::unistd::Pid;

use super::home::{self, Home};
use super::link::Link;
use super::setup::Pieces;
use super::silence::Silence;
use super::words::{Answer, Ask};
use super::{KEEPER_HANGS_AFTER, MachineFailed};
use crate::places::Places;
use crate::programs;

/// How many seconds a keeper has for its first word. It has nothing else to do.
const WELCOME_WITHIN: u32 = 10;

/// How many seconds a nest has that is about to end, or to be started by somebody else.
const SETTLES_WITHIN: u32 = 30;

/// Limits of a caller that are not meant for those who come later.
const LIMITS: &[Resource] = &[
    Resource::RLIMIT_AS,
    Resource::RLIMIT_CPU,
    Resource::RLIMIT_DATA,
    Resource::RLIMIT_FSIZE,
    Resource::RLIMIT_NOFILE,
];

/// How many keepers we start before we believe that they cannot live.
const MOST_STARTS: u32 = 3;

/// A nest that was reached.
pub struct Visit {
    pub link: Link,
    keeper: Option<Pid>,
}

impl Visit {
    fn new(stream: UnixStream, keeper: Option<Pid>) -> Result<Self> {
        Ok(Self { link: Link::new(stream)?, keeper })
    }

    /// Ends the keeper, which cannot be talked to, and QEMU with it.
    pub fn kill_keeper(&self) {
        if let Some(keeper) = self.keeper {
            // It may be gone already.
            let _ = kill(keeper, Signal::SIGKILL);
        }
    }

    /// Waits until there may be something to receive, a second at most.
    pub fn wait(&self) {
        let mut fds = [PollFd::new(self.link.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut fds, PollTimeout::from(1000_u16));
    }

    /// Waits for the keeper's first word.
    fn greeting(&mut self) -> Greeting {
        let mut silence = Silence::new();
        while silence.seconds < WELCOME_WITHIN {
            match self.link.receive() {
                Ok(Some(Answer::Welcome)) => return Greeting::Welcome,
                Ok(Some(_)) | Err(_) => return Greeting::Ending,
                Ok(None) => {}
            }
            self.wait();
            silence.count();
        }
        Greeting::Silence
    }

    fn until_up(mut self) -> Result<Self> {
        let mut silence = Silence::new();
        loop {
            match self.link.receive() {
                Ok(Some(Answer::Up)) => return Ok(self),
                Ok(Some(Answer::Failed(text))) => return Err(MachineFailed::at_start(text).into()),
                Ok(Some(_)) => silence.seconds = 0,
                Ok(None) => {}
                Err(_) => return Err(keeper_died()),
            }
            self.wait();
            if silence.count() {
                self.link.send(&Ask::Ping);
            }
            if silence.seconds >= KEEPER_HANGS_AFTER {
                self.kill_keeper();
                return Err(keeper_hangs());
            }
        }
    }
}

/// What a keeper says first.
enum Greeting {
    Welcome,
    /// It hangs up: it is about to end.
    Ending,
    /// Nothing: it cannot be talked to.
    Silence,
}

/// What is found in a home.
pub enum Found {
    Nest(Visit),
    /// One whose keeper says nothing.
    Stuck(Visit),
    /// None, or one that is about to end.
    Nothing,
}

/// Looks for the nest in a home.
pub fn find(home: &Home) -> Result<Found> {
    let stream = match home.connect() {
        Ok(stream) => stream,
        Err(error) if is_nobody(&error) => return Ok(Found::Nothing),
        Err(error) => {
            let path = home.path().display().to_string();
            return Err(error).with_context(|| format!("cannot reach the nest in {path}"));
        }
    };
    let keeper = home::peer(&stream);
    let mut visit = Visit::new(stream, keeper)?;
    Ok(match visit.greeting() {
        Greeting::Welcome => Found::Nest(visit),
        Greeting::Ending => Found::Nothing,
        Greeting::Silence => Found::Stuck(visit),
    })
}

/// The warm nest: the one that runs, or a new one that stays for `idle` seconds after its last command.
pub fn warm(places: &Places, pieces: &Pieces, idle: u32) -> Result<Visit> {
    let home = Home::new(places, pieces)?;
    let own_instead = |error: Error| {
        eprintln!("nest: {error:#}\nnest: it cannot stay: this command gets its own");
        own(pieces)
    };
    let mut starts = 0;
    let mut waited = Silence::new();
    loop {
        if let Err(error) = home.make() {
            return own_instead(error);
        }
        match find(&home)? {
            Found::Nest(visit) => return visit.until_up(),
            Found::Stuck(visit) => {
                eprintln!("nest: its keeper does not answer: starting another");
                visit.kill_keeper();
            }
            Found::Nothing => {}
        }
        // Without the lock, one is about to end, or somebody else is about to start one.
        if let Some(lock) = home.try_lock()? {
            if starts == MOST_STARTS {
                bail!("the nest's keeper ends at once{}", programs::tail(&home.log()));
            }
            starts += 1;
            retire_others(places, &home)?;
            match home.bind() {
                Ok(socket) => start_keeper(pieces, &home, idle, socket, lock)?,
                Err(error) => {
                    home.remove();
                    return own_instead(error);
                }
            }
        }
        sleep(Duration::from_millis(20));
        waited.count();
        if waited.seconds >= SETTLES_WITHIN {
            let (place, who) = (home.path().display(), home.who_holds_it());
            bail!("the nest in {place} neither answers nor ends\n{who}");
        }
    }
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

/// A machine that goes with this process.
pub fn own(pieces: &Pieces) -> Result<Visit> {
    let (ours, theirs) = UnixStream::pair().context("cannot make sockets")?;
    let mut command = keeper(pieces);
    command.stdin(Stdio::from(OwnedFd::from(theirs)));
    let keeper = i32::try_from(spawn(command)?).map(Pid::from_raw).ok();
    let mut visit = Visit::new(ours, keeper)?;
    match visit.greeting() {
        Greeting::Welcome => visit.until_up(),
        Greeting::Ending => Err(keeper_died()),
        Greeting::Silence => {
            visit.kill_keeper();
            Err(keeper_hangs())
        }
    }
}

/// What is to be said when the keeper has hung up without a word.
pub fn keeper_died() -> Error {
    MachineFailed::at_start("the nest died: its keeper was killed".to_owned()).into()
}

/// What is to be said when it says nothing any more.
pub fn keeper_hangs() -> Error {
    let text =
        format!("the nest hangs: its keeper did not answer for {KEEPER_HANGS_AFTER} seconds");
    MachineFailed::at_start(text).into()
}

/// Nests of other builds end with their last command; what is left of dead ones is removed.
fn retire_others(places: &Places, ours: &Home) -> Result<()> {
    for home in Home::all(places)?.iter().filter(|home| home.path() != ours.path()) {
        if let Ok(stream) = home.connect() {
            Link::new(stream)?.send(&Ask::Retire);
        } else if let Ok(Some(_lock)) = home.try_lock() {
            home.remove();
        }
    }
    Ok(())
}

fn keeper(pieces: &Pieces) -> Command {
    // Ourselves, even if we were built anew meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("xtask")
        .args(["nest", "keep", "--qemu"])
        .arg(&pieces.qemu)
        .arg("--kernel")
        .arg(&pieces.kernel)
        .arg("--initramfs")
        .arg(&pieces.initramfs)
        // What one caller has in its directory and its environment is not for those who come later.
        .current_dir("/")
        .env_clear()
        .envs(
            ["PATH", "HOME", "LD_LIBRARY_PATH"]
                .iter()
                .filter_map(|name| std::env::var_os(name).map(|value| (name, value))),
        );
    command
}

fn start_keeper(
    pieces: &Pieces,
    home: &Home,
    idle: u32,
    listener: OwnedFd,
    lock: File,
) -> Result<()> {
    let log = home.log();
    let said = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = keeper(pieces);
    command
        .arg("--home")
        .arg(home.path())
        .args(["--idle", &idle.to_string()])
        .arg("--checkout")
        .arg(Places::workspace())
        .stdin(Stdio::from(listener))
        // It has nothing to say there: so the lock is passed on, to be held as long as it lives.
        .stdout(Stdio::from(lock))
        .stderr(Stdio::from(said));
    spawn(command).map(drop)
}

/// Starts a keeper that has nothing of ours: no terminal, no open file, no signal.
fn spawn(mut command: Command) -> Result<u32> {
    // SAFETY: the closure only makes system calls that are safe between fork and exec, and
    // allocates nothing.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            for number in Signal::iterator() {
                // Those that cannot be set need not be.
                let _ = signal(number, SigHandler::SigDfl);
            }
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
            for resource in LIMITS {
                let (_, hard) = getrlimit(*resource)?;
                setrlimit(*resource, hard, hard)?;
            }
            // What a shell has open for us would stay open for hours. Linux before 5.11 cannot.
            libc::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as i32);
            Ok(())
        });
    }
    command.spawn().map(|keeper| keeper.id()).context("cannot start the nest's keeper")
}
