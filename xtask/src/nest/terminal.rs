//! This process's terminal, if it has one.
#![expect(unsafe_code, reason = "a terminal is asked for its size by a bare ioctl")]

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nest_agent::WindowSize;
use nix::sys::termios::{OutputFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};
use serde_bytes::ByteBuf;

nix::ioctl_read_bad!(tiocgwinsz, libc::TIOCGWINSZ, libc::winsize);

/// Which of standard input, output and error are terminals.
pub fn standard_terminals() -> [bool; 3] {
    [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()]
}

/// How the terminal is now.
pub fn describe(terminal: BorrowedFd<'_>) -> Option<nest_agent::Terminal> {
    let termios: libc::termios = tcgetattr(terminal).ok()?.into();
    Some(nest_agent::Terminal {
        size: size(terminal),
        flags: [termios.c_iflag, termios.c_oflag, termios.c_cflag, termios.c_lflag],
        control_characters: ByteBuf::from(termios.c_cc.to_vec()),
    })
}

/// Its size.
pub fn size(terminal: BorrowedFd<'_>) -> WindowSize {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointer is to a winsize that lives until the call is over. A terminal without a
    // size leaves it as it is.
    let _ = unsafe { tiocgwinsz(terminal.as_raw_fd(), &raw mut size) };
    WindowSize { rows: size.ws_row, columns: size.ws_col }
}

/// Standard input in raw mode, where it is a terminal and ours to read: keys, Ctrl-C among them, go
/// to the terminal inside, which knows what they mean. Restored when dropped.
pub struct RawMode {
    before: Option<Termios>,
}

impl RawMode {
    pub fn off() -> Self {
        Self { before: None }
    }

    pub fn is_on(&self) -> bool {
        self.before.is_some()
    }

    /// Turns it on, unless another process group has the terminal: it is not ours then.
    pub fn turn_on(&mut self) {
        let stdin = io::stdin();
        if self.is_on() || !stdin.is_terminal() || tcgetpgrp(&stdin) != Ok(getpgrp()) {
            return;
        }
        let Ok(before) = tcgetattr(&stdin) else { return };
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        if standard_terminals() != [true; 3] {
            // Other programs of a pipeline may write to it; the agent knows, and expands nothing.
            raw.output_flags.insert(before.output_flags & OutputFlags::OPOST);
        }
        if tcsetattr(stdin.as_fd(), SetArg::TCSADRAIN, &raw).is_ok() {
            self.before = Some(before);
        }
    }

    /// Restores what was before.
    pub fn turn_off(&mut self) {
        if let Some(before) = self.before.take() {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSADRAIN, &before);
        }
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        self.turn_off();
    }
}
