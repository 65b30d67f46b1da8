//! The terminal: the guest gets every key at once, and shows or hides it as it likes.

use std::io::stdin;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use libc::{SIGTSTP, c_int, c_void, siginfo_t};
use nix::sys::signal::{Signal, raise};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use vmm_sys_util::signal::register_signal_handler;

/// The terminal as we found it, and as the guest has it.
static SETTINGS: OnceLock<[libc::termios; 2]> = OnceLock::new();

/// For as long as it lives, the terminal on standard input is the guest's.
pub struct RawMode;

impl RawMode {
    pub fn enter() -> Result<Self> {
        let original = tcgetattr(stdin()).context("tcgetattr")?;
        let mut raw = original.clone();
        // No lines to edit, no echo. Signals stay: Ctrl-C is for the VMM.
        raw.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        SETTINGS.get_or_init(|| [original.into(), raw.into()]);
        register_signal_handler(SIGTSTP, on_stop).context("sigaction")?;
        apply(1);
        Ok(Self)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back as it was. May be called in a signal handler, and without need.
pub fn restore() {
    apply(0);
}

fn apply(which: usize) {
    if let Some(settings) = SETTINGS.get() {
        // A terminal that has gone needs nothing from us.
        let _ = tcsetattr(stdin(), SetArg::TCSADRAIN, &Termios::from(settings[which]));
    }
}

/// Ctrl-Z: the shell gets the terminal as it was, and so do we when we go on.
extern "C" fn on_stop(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    apply(0);
    let _ = raise(Signal::SIGSTOP); // returns after SIGCONT
    apply(1);
}
