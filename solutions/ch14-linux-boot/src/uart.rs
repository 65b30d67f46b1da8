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

/// Read: which interrupt there is. None, and there are FIFOs, as in each UART since the 16550A.
const INTERRUPT_IDENTIFICATION: u16 = DATA + 2;
const NO_INTERRUPT_HAS_FIFOS: u8 = 0b1100_0001;

/// Its bit 7 makes other registers of the first two: how fast to be.
const LINE_CONTROL: usize = 3;
const DIVISOR_LATCH_ACCESS: u8 = 1 << 7;

/// All eight registers, for a driver that looks at them: most only remember what is written.
#[derive(Default)]
pub struct Uart([u8; 8]);

impl Uart {
    /// Returns the byte if it is one to transmit.
    pub fn write(&mut self, port: u16, byte: u8) -> Option<u8> {
        if port == DATA && self.0[LINE_CONTROL] & DIVISOR_LATCH_ACCESS == 0 {
            return Some(byte);
        }
        *self.0.get_mut(usize::from(port.wrapping_sub(DATA)))? = byte;
        None
    }

    /// `None` if this is no port of ours.
    pub fn read(&self, port: u16) -> Option<u8> {
        match port {
            INTERRUPT_IDENTIFICATION => Some(NO_INTERRUPT_HAS_FIFOS),
            LINE_STATUS => Some(TRANSMITTER_EMPTY),
            _ => self.0.get(usize::from(port.wrapping_sub(DATA))).copied(),
        }
    }
}

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
