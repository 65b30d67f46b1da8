//! A keyboard and its controller, as far as a guest needs them to read what is typed: Intel 8042,
//! scancodes of set 1.

use std::collections::VecDeque;
use std::io::{self, Write};

use anyhow::{Context, Result};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use crate::console::Console;

/// Read: the next scancode.
pub const DATA: u16 = 0x60;

/// Read: the bit below.
pub const STATUS: u16 = 0x64;

/// A scancode waits.
const OUTPUT_BUFFER_FULL: u8 = 1 << 0;

/// The keyboard's wire to the interrupt controller.
pub const IRQ: u32 = 1;

/// The keys of a US keyboard by scancode, and what they are with Shift; 0 for none of ours.
const KEYS: &[u8] = b"\0\x1b1234567890-=\x08\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
const SHIFTED: &[u8] = b"\0\0!@#$%^&*()_+\0\0QWERTYUIOP{}\0\0ASDFGHJKL:\"~\0|ZXCVBNM<>?";
const CTRL: u8 = 0x1d;
const LEFT_SHIFT: u8 = 0x2a;

/// Set in the scancode of a key that is let go.
const RELEASED: u8 = 1 << 7;

pub struct Keyboard {
    scancodes: VecDeque<u8>,
    /// To write to it is an interrupt.
    pub interrupt: EventFd,
}

impl Keyboard {
    pub fn new() -> Result<Self> {
        let interrupt =
            EventFd::new(EFD_NONBLOCK).map_err(kvm_ioctls::Error::from).context("eventfd")?;
        Ok(Self { scancodes: VecDeque::new(), interrupt })
    }

    pub fn status(&mut self, console: &mut Console<impl Write>) -> io::Result<u8> {
        while self.scancodes.is_empty() && console.has_input_now()? {
            self.scancodes.extend(scancodes(console.read()));
        }
        Ok(if self.scancodes.is_empty() { 0 } else { OUTPUT_BUFFER_FULL })
    }

    /// The next scancode, or 0. For the one after it, there is another interrupt.
    pub fn read(&mut self, console: &mut Console<impl Write>) -> io::Result<u8> {
        self.status(console)?;
        let scancode = self.scancodes.pop_front();
        if self.status(console)? != 0 {
            self.interrupt.write(1)?;
        }
        Ok(scancode.unwrap_or(0))
    }
}

/// What a keyboard would send for this byte: the keys that go down, then up.
fn scancodes(byte: u8) -> Vec<u8> {
    const DELETE: u8 = 0x7f;
    let byte = match byte {
        b'\r' => b'\n',
        DELETE => b'\x08',
        other => other,
    };
    // Ctrl-A is 1.
    let letter = if (1..=26).contains(&byte) { byte + b'`' } else { 0 };
    let keys = [(KEYS, byte, None), (SHIFTED, byte, Some(LEFT_SHIFT)), (KEYS, letter, Some(CTRL))];
    for (keys, byte, with) in keys {
        if let (1.., Some(key)) = (byte, keys.iter().position(|key| *key == byte)) {
            let key = [key as u8, key as u8 | RELEASED];
            return with.into_iter().chain(key).chain(with.map(|with| with | RELEASED)).collect();
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_keys_and_what_is_held_down_with_them() {
        assert_eq!(scancodes(b'a'), [0x1e, 0x9e]);
        assert_eq!(scancodes(b'A'), [0x2a, 0x1e, 0x9e, 0xaa]);
        assert_eq!(scancodes(b'?'), [0x2a, 0x35, 0xb5, 0xaa]);
        assert_eq!(scancodes(b'\r'), scancodes(b'\n'));
        assert_eq!(scancodes(0x04), [0x1d, 0x20, 0xa0, 0x9d]);
        assert_eq!(scancodes(0), []);
        assert_eq!(scancodes(0xe4), []);
    }
}
