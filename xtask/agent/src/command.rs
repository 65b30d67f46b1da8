//! Starts one command, as if the caller outside had forked it.
//!
//! Between the agent and the command stands a *shepherd*: the leader of a session of its own, whose
//! controlling terminal is the command's. It is the parent of the command and in another process
//! group, so the command's group is no orphan, and Ctrl-Z stops it as it would under a shell.
#![expect(unsafe_code, reason = "fork, and what is done between it and execve")]

use std::ffi::CString;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nest_agent::{Command, Step, Stream, Terminal, encode};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::stat::{Mode, umask};
use nix::sys::termios::{
    ControlFlags, InputFlags, LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr,
};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Pid, Uid, fchown, fork, pipe2, setpgid, setsid};
use serde::{Deserialize, Serialize};

use crate::group::Group;
use crate::machine::{self, c_string};
use crate::root::{self, Root};

/// What the shepherd reports.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Event {
    /// The command is in the process group of this number.
    Started(i32),
    /// It could not be started; an `Exited` follows.
    Failed(Step, i32),
    Stopped(i32),
    Exited(i32),
    Killed(i32),
    /// All that it wrote is on the outside.
    WrittenBack,
}

/// Where a command runs.
pub struct Place {
    /// Its processes.
    pub group: Group,
    /// Its files.
    pub root: Option<Root>,
}

/// The agent's ends of a command.
pub struct Started {
    /// Where [`Event`]s come from. After the command's end, a byte has its files written back; closing
    /// it lets the shepherd go.
    pub events: UnixStream,
    /// Where standard input goes, if it is not the terminal.
    pub input: Option<OwnedFd>,
    /// Where its outputs come from; the terminal, which is input as well, first if there is one.
    pub outputs: Vec<(Stream, OwnedFd)>,
}

/// Starts `command`. What goes wrong after the fork is reported as an event.
pub fn start(command: &Command, place: &Place) -> Result<Started, Errno> {
    let owner = (Uid::from_raw(command.user), Gid::from_raw(command.group));
    let mut outputs = Vec::new();

    let slave = match &command.terminal {
        Some(terminal) => {
            let (master, slave) = open_terminal(terminal, command.on_terminal == [true; 3])?;
            fchown(&slave, Some(owner.0), None)?;
            outputs.push((Stream::Terminal, master));
            Some(slave)
        }
        None => None,
    };
    // One end of a pipe for us, without blocking; the other for the command.
    let mut input = None;
    let mut standard: Vec<OwnedFd> = Vec::new();
    for (number, stream) in [None, Some(Stream::Stdout), Some(Stream::Stderr)].iter().enumerate() {
        let theirs = match &slave {
            Some(slave) if command.on_terminal[number] => slave.try_clone().map_err(errno)?,
            _ if command.one_output && *stream == Some(Stream::Stderr) => standard
                .last()
                .map(OwnedFd::try_clone)
                .expect("stdout came before")
                .map_err(errno)?,
            _ => {
                let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
                let (ours, theirs) = if stream.is_none() { (write, read) } else { (read, write) };
                set_nonblocking(&ours)?;
                // So that it can open /dev/stdin and the like, whoever it is.
                fchown(&theirs, Some(owner.0), Some(owner.1))?;
                match stream {
                    None => input = Some(ours),
                    Some(stream) => outputs.push((*stream, ours)),
                }
                theirs
            }
        };
        standard.push(theirs);
    }
    let standard: [OwnedFd; 3] = standard.try_into().expect("the loop ran three times");
    let (events, theirs) = UnixStream::pair().map_err(errno)?;
    events.set_nonblocking(true).map_err(errno)?;

    // SAFETY: this process has one thread, so the child's memory is in a consistent state.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => Ok(Started { events, input, outputs }),
        ForkResult::Child => shepherd(command, place, standard, slave, theirs),
    }
}

/// The number of an error that the kernel gave.
pub fn errno(error: std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn set_nonblocking(fd: &OwnedFd) -> Result<(), Errno> {
    use nix::fcntl::{FcntlArg, fcntl};
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map(drop)
}

/// A pseudo-terminal like the terminal outside.
fn open_terminal(terminal: &Terminal, only_ours: bool) -> Result<(OwnedFd, OwnedFd), Errno> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags | OFlag::O_NONBLOCK)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let slave = open(ptsname_r(&master)?.as_str(), flags, Mode::empty())?;

    let mut termios = tcgetattr(&slave)?;
    let [input, output, control, local] = terminal.flags;
    termios.input_flags = InputFlags::from_bits_retain(input);
    termios.output_flags = OutputFlags::from_bits_retain(output);
    termios.control_flags = ControlFlags::from_bits_retain(control);
    termios.local_flags = LocalFlags::from_bits_retain(local);
    for (ours, theirs) in termios.control_chars.iter_mut().zip(&terminal.control_characters) {
        *ours = *theirs;
    }
    if !only_ours {
        // Others may write to the terminal outside, so that one goes on to expand newlines.
        termios.output_flags.remove(OutputFlags::OPOST);
    }
    tcsetattr(&slave, SetArg::TCSANOW, &termios)?;
    // SAFETY: a PtyMaster owns its descriptor, and gives it up here.
    let master = unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(into_raw(master)) };
    set_size(&master, terminal.size)?;
    Ok((master, slave))
}

fn into_raw(master: nix::pty::PtyMaster) -> RawFd {
    use std::os::fd::IntoRawFd;
    master.into_raw_fd()
}

nix::ioctl_write_ptr_bad!(tiocswinsz, libc::TIOCSWINSZ, libc::winsize);
nix::ioctl_write_int_bad!(tiocsctty, libc::TIOCSCTTY);

/// Gives the terminal a size; the command in its foreground gets `SIGWINCH` if that is a new one.
pub fn set_size(master: &OwnedFd, size: nest_agent::WindowSize) -> Result<(), Errno> {
    let size =
        libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointer is to a winsize that lives until the call is over.
    unsafe { tiocswinsz(master.as_raw_fd(), &raw const size) }.map(drop)
}

/// The shepherd's whole life.
fn shepherd(
    command: &Command,
    place: &Place,
    standard: [OwnedFd; 3],
    slave: Option<OwnedFd>,
    mut events: UnixStream,
) -> ! {
    // Other sessions' ends, and our own session's other ends, must not live on in here.
    let mut keep: Vec<RawFd> = standard.iter().map(AsRawFd::as_raw_fd).collect();
    keep.extend(slave.iter().map(AsRawFd::as_raw_fd));
    keep.extend([0, 1, 2, events.as_raw_fd()]);
    close_all_but(keep);

    machine::be_an_ordinary_process();
    root::enter(place.root, command);
    // The terminal's end goes to the leader of its session as SIGHUP, and may come before the
    // command's end does: we stay, to report that.
    set_action(Signal::SIGHUP as i32, SigHandler::SigIgn);
    let mut start = || -> Result<Pid, Errno> {
        setsid()?;
        if let Some(slave) = &slave {
            // SAFETY: TIOCSCTTY takes a number, and no pointer.
            unsafe { tiocsctty(slave.as_raw_fd(), 0) }?;
        }
        // SAFETY: this process has one thread, as the agent had.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(child),
            ForkResult::Child => {
                become_command(command, &place.group, &standard, slave.as_ref(), &mut events)
            }
        }
    };
    let started = start();
    // From here on only the command holds its streams.
    drop((standard, slave));
    let mut report = |event: Event| {
        // Nobody to tell when the agent is gone.
        let _ = events.write_all(&encode(&event));
    };
    let child = match started {
        Ok(child) => child,
        Err(errno) => {
            report(Event::Failed(Step::Prepare, errno as i32));
            report(Event::Exited(127));
            exit(0)
        }
    };
    // The child does the same; whoever comes first.
    let _ = setpgid(child, child);
    report(Event::Started(child.as_raw()));
    loop {
        match waitpid(child, Some(WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Stopped(_, signal)) => report(Event::Stopped(signal as i32)),
            Ok(WaitStatus::Exited(_, status)) => break report(Event::Exited(status)),
            Ok(WaitStatus::Signaled(_, signal, _)) => break report(Event::Killed(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => break report(Event::Exited(127)),
        }
    }
    // When the leader of a session goes, the kernel hangs up on the group in the foreground: what
    // the command may have left running keeps its terminal until the agent is done with it.
    if nix::unistd::read(&events, &mut [0]) == Ok(1) {
        // Here and not in the agent, which would answer nobody while it waits.
        machine::write_back();
        let _ = events.write_all(&encode(&Event::WrittenBack));
    }
    exit(0)
}

/// From the fork to the command itself.
fn become_command(
    command: &Command,
    group: &Group,
    standard: &[OwnedFd; 3],
    slave: Option<&OwnedFd>,
    events: &mut UnixStream,
) -> ! {
    let (step, errno) = match prepare_and_execute(command, group, standard, slave) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    let _ = events.write_all(&encode(&Event::Failed(step, errno as i32)));
    exit(127)
}

fn prepare_and_execute(
    command: &Command,
    group: &Group,
    standard: &[OwnedFd; 3],
    slave: Option<&OwnedFd>,
) -> Result<std::convert::Infallible, (Step, Errno)> {
    let at = |step| move |errno| (step, errno);
    group.enter().map_err(|error| (Step::Prepare, self::errno(error)))?;
    let own = Pid::from_raw(0);
    setpgid(own, own).map_err(at(Step::Prepare))?;
    if let Some(slave) = slave {
        // A process in the background that sets the foreground is stopped, unless it ignores this.
        set_action(Signal::SIGTTOU as i32, SigHandler::SigIgn);
        nix::unistd::tcsetpgrp(slave, nix::unistd::getpid()).map_err(at(Step::Prepare))?;
        set_action(Signal::SIGTTOU as i32, SigHandler::SigDfl);
    }
    set_action(Signal::SIGHUP as i32, SigHandler::SigDfl);
    // Ignored by every Rust program, the agent too.
    set_action(Signal::SIGPIPE as i32, SigHandler::SigDfl);
    for number in &command.ignored_signals {
        set_action(*number, SigHandler::SigIgn);
    }
    nix::unistd::dup2_stdin(standard[0].as_fd()).map_err(at(Step::Prepare))?;
    nix::unistd::dup2_stdout(standard[1].as_fd()).map_err(at(Step::Prepare))?;
    nix::unistd::dup2_stderr(standard[2].as_fd()).map_err(at(Step::Prepare))?;

    umask(Mode::from_bits_truncate(command.umask));
    for (resource, soft, hard) in &command.limits {
        let limit = libc::rlimit { rlim_cur: *soft, rlim_max: *hard };
        // A limit that this kernel does not know or want is left as it is.
        // SAFETY: the pointer is to an rlimit that lives until the call is over.
        unsafe { libc::setrlimit(*resource, &raw const limit) };
    }
    let groups: Vec<Gid> = command.groups.iter().copied().map(Gid::from_raw).collect();
    nix::unistd::setgroups(&groups).map_err(at(Step::BecomeUser))?;
    nix::unistd::setgid(Gid::from_raw(command.group)).map_err(at(Step::BecomeUser))?;
    nix::unistd::setuid(Uid::from_raw(command.user)).map_err(at(Step::BecomeUser))?;
    let directory = c_string(&command.directory);
    nix::unistd::chdir(directory.as_c_str()).map_err(at(Step::ChangeDirectory))?;

    let strings = |list: &[serde_bytes::ByteBuf]| -> Vec<CString> {
        list.iter().map(|bytes| c_string(bytes)).collect()
    };
    nix::unistd::execve(
        &c_string(&command.program),
        &strings(&command.arguments),
        &strings(&command.environment),
    )
    .map_err(at(Step::Execute))
}

/// Sets what a signal does. One that cannot be ignored stays as it is.
fn set_action(number: i32, action: SigHandler) {
    if let Ok(number) = Signal::try_from(number) {
        // SAFETY: to ignore a signal and to leave it to the kernel run no code of ours.
        let _ = unsafe { signal(number, action) };
    }
}

fn close_all_but(mut keep: Vec<RawFd>) {
    keep.sort_unstable();
    keep.push(RawFd::MAX);
    let mut next = 0;
    for fd in keep {
        if next < fd {
            // SAFETY: nothing of this process uses the descriptors in between again: it leaves
            // this module's functions only by `exit`, without dropping their owners.
            unsafe { libc::close_range(next as u32, (fd - 1) as u32, 0) };
        }
        next = fd.saturating_add(1);
    }
}

/// Ends this process and no more: nothing is flushed or dropped that the agent owns as well.
fn exit(status: i32) -> ! {
    // SAFETY: `_exit` only takes a number.
    unsafe { libc::_exit(status) }
}
