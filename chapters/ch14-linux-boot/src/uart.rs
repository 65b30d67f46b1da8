//! COM1, a 16550 UART: the oldest way for a PC to say something, and to be told.
//!
//! Registers: data sheet of the National Semiconductor PC16550D, section 8.

use std::io::{self, Write};
use std::mem;

use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};

use crate::console::Console;

/// Written: the byte to transmit. The first serial port of a PC has been here since 1981.
/// Read: the byte received.
pub const DATA: u16 = 0x3f8;

/// The last of its eight registers.
pub const LAST: u16 = DATA + 7;

/// Read: the bits below.
pub const LINE_STATUS: u16 = 0x3fd;

/// A byte has been received and not been read.
const DATA_READY: u8 = 1 << 0;
/// The next byte may be written, and the one before has left. Ours always has.
const TRANSMITTER_EMPTY: u8 = 1 << 5 | 1 << 6;

/// All of its registers, for a driver that looks at them.
pub struct Uart(Serial<NoInterrupt, NoEvents, Vec<u8>>);

/// Whoever drives it has to ask it.
struct NoInterrupt;

impl Trigger for NoInterrupt {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Uart {
    pub fn new() -> Self {
        Self(Serial::new(NoInterrupt, Vec::new()))
    }

    pub fn write(
        &mut self,
        port: u16,
        byte: u8,
        console: &mut Console<impl Write>,
    ) -> io::Result<()> {
        self.0.write((port - DATA) as u8, byte).map_err(io::Error::other)?;
        console.print(&mem::take(self.0.writer_mut()))
    }

    pub fn read(&mut self, port: u16) -> u8 {
        self.0.read((port - DATA) as u8)
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
