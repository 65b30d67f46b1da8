//! The terminal: the guest gets every key at once, and shows or hides it as it likes.

use std::io::{stdin, stdout};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use anyhow::{Context, Result};
use libc::{SIGABRT, SIGTSTP, c_int, c_void, siginfo_t};
use nix::sys::signal::{Signal, raise};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::write;
use vmm_sys_util::signal::register_signal_handler;

/// To the screen beside the usual one, and no cursor; and back. ECMA-48, 8.3.106 and 8.3.125, with the
/// modes 25 and 1049 of xterm.
const ENTER_ALTERNATE_SCREEN: &[u8] = b"\x1b[?1049h\x1b[?25l";
const LEAVE_ALTERNATE_SCREEN: &[u8] = b"\x1b[?25h\x1b[?1049l";

/// Whether the alternate screen is ours.
static IS_ALTERNATE: AtomicBool = AtomicBool::new(false);
/// Whether we were stopped, and what is on the screen is gone.
static WAS_STOPPED: AtomicBool = AtomicBool::new(false);

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

/// For as long as it lives, the alternate screen is shown.
pub struct AlternateScreen;

impl AlternateScreen {
    pub fn enter() -> Self {
        IS_ALTERNATE.store(true, SeqCst);
        send(ENTER_ALTERNATE_SCREEN);
        Self
    }
}

impl Drop for AlternateScreen {
    fn drop(&mut self) {
        send(LEAVE_ALTERNATE_SCREEN);
        IS_ALTERNATE.store(false, SeqCst);
    }
}

/// Whether we were stopped since this was asked: then the screen has to be drawn anew.
pub fn take_stopped() -> bool {
    WAS_STOPPED.swap(false, SeqCst)
}

/// Sends a command to the terminal whose alternate screen we have. May be called in a signal handler.
fn send(command: &[u8]) {
    if IS_ALTERNATE.load(SeqCst) {
        let _ = write(stdout(), command);
    }
}

/// No lines to edit, no echo. Signals stay: Ctrl-C is for the VMM.
fn hand_over() {
    send(ENTER_ALTERNATE_SCREEN);
    change(|settings| settings.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO));
}

/// Gives the terminal back as it was. May be called in a signal handler, and without need.
pub fn restore() {
    send(LEAVE_ALTERNATE_SCREEN);
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
    WAS_STOPPED.store(true, SeqCst);
}
