//! Signals that are meant for the command.

use anyhow::Result;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Signals that the command gets instead of us.
const FORWARDED: &[Signal] = &[
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTSTP,
];

/// From here on signals come as data. The ones that we were told to ignore, stay ignored.
pub fn block(ignored: &[i32]) -> Result<SignalFd> {
    let mut taken: SigSet = [Signal::SIGCONT, Signal::SIGWINCH].into_iter().collect();
    taken.extend(FORWARDED.iter().copied().filter(|signal| !ignored.contains(&(*signal as i32))));
    let mut blocked = taken;
    // So that we may restore the terminal from the background.
    blocked.add(Signal::SIGTTOU);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&blocked), None)?;
    Ok(SignalFd::with_flags(&taken, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}
