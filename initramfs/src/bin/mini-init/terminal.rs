//! How the terminal treats what is typed. With echo and line by line for most programs; each key by
//! itself for a program that edits lines.

use std::io::stdin;

use nix::sys::termios::{
    InputFlags, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr,
    tcsetattr,
};

use crate::failure::{Failure, Named};

/// The terminal on the standard input. Changes of its mode never drop what was typed ahead.
pub struct Terminal {
    lines: Termios,
    keys: Termios,
}

impl Terminal {
    /// Whatever mode it was left in, we know what a user wants.
    pub fn open() -> Result<Self, Failure> {
        let mut lines = tcgetattr(stdin()).named("standard input")?;
        lines.input_flags.insert(InputFlags::ICRNL | InputFlags::IXON);
        lines.output_flags.insert(OutputFlags::OPOST | OutputFlags::ONLCR);
        lines.local_flags.insert(
            LocalFlags::ICANON
                | LocalFlags::ISIG
                | LocalFlags::IEXTEN
                | LocalFlags::ECHO
                | LocalFlags::ECHOE
                | LocalFlags::ECHOK
                | LocalFlags::ECHOCTL
                | LocalFlags::ECHOKE,
        );
        let mut keys = lines.clone();
        keys.local_flags
            .remove(LocalFlags::ICANON | LocalFlags::ISIG | LocalFlags::IEXTEN | LocalFlags::ECHO);
        keys.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        keys.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        Ok(Self { lines, keys })
    }

    /// Whole lines, echoed; Ctrl-C interrupts.
    pub fn lines(&self) {
        set(&self.lines);
    }

    /// Each key by itself, nothing echoed.
    pub fn keys(&self) {
        set(&self.keys);
    }
}

/// Nothing typed ahead shall appear twice: once now, and again when the shell has read it.
pub fn stop_echo() {
    if let Ok(mut mode) = tcgetattr(stdin()) {
        mode.local_flags.remove(LocalFlags::ECHO);
        set(&mode);
    }
}

fn set(mode: &Termios) {
    // It was a terminal a moment ago. If it has gone, the next read says so.
    let _ = tcsetattr(stdin(), SetArg::TCSANOW, mode);
}
