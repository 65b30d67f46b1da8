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

/// The first of eight registers: `DATA`.
const REGISTERS: u16 = 8;
/// Which interrupts there were, and whether there are FIFOs. Written: switches them on.
const FIFO_CONTROL: u16 = 2;
const FIFO_ENABLE: u8 = 1 << 0;
const NO_INTERRUPT: u8 = 1 << 0;
const HAS_FIFOS: u8 = 0b11 << 6;
/// Its bit 7 makes two other registers of the first two: how fast to be.
const LINE_CONTROL: u16 = 3;
const DIVISOR_LATCH_ACCESS: u8 = 1 << 7;
const LINE_STATUS_OFFSET: u16 = LINE_STATUS - DATA;
/// Somebody is at the other end: carrier, data set ready, clear to send.
const MODEM_STATUS: u16 = 6;
const CONNECTED: u8 = 0b1011 << 4;

/// All of the registers, for a driver that looks at them. Most only remember what is written.
#[derive(Default)]
pub struct Uart {
    registers: [u8; REGISTERS as usize],
}

impl Uart {
    /// The register at a port, if it is one of ours.
    pub fn register(port: u16) -> Option<u16> {
        port.checked_sub(DATA).filter(|register| *register < REGISTERS)
    }

    fn has(&self, register: u16, bit: u8) -> bool {
        self.registers[usize::from(register)] & bit != 0
    }

    pub fn write(
        &mut self,
        register: u16,
        byte: u8,
        console: &mut Console<impl Write>,
    ) -> io::Result<()> {
        if register == 0 && !self.has(LINE_CONTROL, DIVISOR_LATCH_ACCESS) {
            return console.print(&[byte]);
        }
        self.registers[usize::from(register)] = byte;
        Ok(())
    }

    pub fn read(&self, register: u16, console: &mut Console<impl Write>) -> io::Result<u8> {
        Ok(match register {
            0 if !self.has(LINE_CONTROL, DIVISOR_LATCH_ACCESS) => console.read(),
            FIFO_CONTROL if self.has(FIFO_CONTROL, FIFO_ENABLE) => NO_INTERRUPT | HAS_FIFOS,
            FIFO_CONTROL => NO_INTERRUPT,
            LINE_STATUS_OFFSET if console.has_input_now()? => TRANSMITTER_EMPTY | DATA_READY,
            LINE_STATUS_OFFSET => TRANSMITTER_EMPTY,
            MODEM_STATUS => CONNECTED,
            other => self.registers[usize::from(other)],
        })
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
