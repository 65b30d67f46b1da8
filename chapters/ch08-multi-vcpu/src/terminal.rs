//! The terminal: the guest gets every key at once, and shows or hides it as it likes.

use std::io::stdin;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use libc::{SIGABRT, SIGTSTP, c_int, c_void, siginfo_t};
use nix::sys::signal::{Signal, raise};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use vmm_sys_util::signal::register_signal_handler;

/// The terminal's settings as we found them.
static ORIGINAL: OnceLock<libc::termios> = OnceLock::new();

/// For as long as it lives, the terminal on standard input is the guest's.
pub struct RawMode;

impl RawMode {
    pub fn enter() -> Result<Self> {
        let original = tcgetattr(stdin()).context("tcgetattr")?;
        ORIGINAL.get_or_init(|| original.into());
        register_signal_handler(SIGTSTP, on_stop).context("sigaction")?;
        register_signal_handler(SIGABRT, on_stop).context("sigaction")?;
        hand_over();
        Ok(Self)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// No lines to edit, no echo. Signals stay: Ctrl-C is for the VMM.
fn hand_over() {
    change(|settings| settings.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO));
}

/// Gives the terminal back as it was. May be called in a signal handler, and without need.
pub fn restore() {
    change(|_| {});
}

/// Applies a change to the original settings.
fn change(change: impl FnOnce(&mut Termios)) {
    if let Some(original) = ORIGINAL.get() {
        let mut settings = Termios::from(*original);
        change(&mut settings);
        // A terminal that has gone needs nothing from us.
        let _ = tcsetattr(stdin(), SetArg::TCSANOW, &settings);
    }
}

/// Ctrl-Z: the shell gets the terminal as it was, and so do we when we go on.
extern "C" fn on_stop(signal: c_int, _: *mut siginfo_t, _: *mut c_void) {
    restore();
    if signal == SIGABRT {
        return; // there is no memory left, and Rust goes on to end us
    }
    let _ = raise(Signal::SIGSTOP); // returns after SIGCONT
    hand_over();
}
