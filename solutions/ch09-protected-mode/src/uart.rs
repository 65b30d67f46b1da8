//! COM1, a 16550 UART: the oldest way for a PC to say something, and to be told.
//!
//! Registers: data sheet of the National Semiconductor PC16550D, section 8.

use std::io::{self, Write};

use crate::console::Console;

/// Written: the byte to transmit. The first serial port of a PC has been here since 1981.
/// Read: the byte received.
pub const DATA: u16 = 0x3f8;

/// Read: the bits below.
pub const LINE_STATUS: u16 = 0x3fd;

/// A byte has been received and not been read.
const DATA_READY: u8 = 1 << 0;
/// The next byte may be written, and the one before has left. Ours always has.
const TRANSMITTER_EMPTY: u8 = 1 << 5 | 1 << 6;

pub fn line_status(console: &mut Console<impl Write>) -> io::Result<u8> {
    let received = if console.has_input()? { DATA_READY } else { 0 };
    Ok(TRANSMITTER_EMPTY | received)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn line_status_tells_of_a_byte_until_it_is_read() {
        let (keyboard, input) = channel();
        let mut console = Console::new(Vec::new(), false, input);
        assert_eq!(line_status(&mut console).unwrap(), 0x60);
        keyboard.send(b'a').unwrap();
        assert_eq!(line_status(&mut console).unwrap(), 0x61);
        assert_eq!(line_status(&mut console).unwrap(), 0x61);
        console.read();
        assert_eq!(line_status(&mut console).unwrap(), 0x60);
    }
}
