//! COM1, a 16550 UART: the oldest way for a PC to say something, and to be told.
//!
//! Registers: data sheet of the National Semiconductor PC16550D, section 8.

use std::io::{self, Write};
use std::mem;

use crate::console::Console;

/// Written: the byte to transmit. The first serial port of a PC has been here since 1981.
/// Read: the byte received.
pub const DATA: u16 = 0x3f8;

/// Written and read: how the UART is to behave. Ours has [`LOOPBACK`]; the other bits drive lines that
/// lead nowhere.
pub const MODEM_CONTROL: u16 = 0x3fc;

/// Read: the bits below.
pub const LINE_STATUS: u16 = 0x3fd;

/// Written and read: a byte that means nothing. Where it can be kept, there is a UART.
pub const SCRATCH: u16 = 0x3ff;

/// The bits of the modem control register that exist.
const MODEM_CONTROL_BITS: u8 = 0x1f;
/// What is sent is received.
const LOOPBACK: u8 = 1 << 4;

/// A byte has been received and not been read.
const DATA_READY: u8 = 1 << 0;
/// A byte was received before the one before it had been read.
const OVERRUN: u8 = 1 << 1;
/// The byte received is none: the line is held at 0.
const BREAK: u8 = 1 << 4;
/// The next byte may be written, and the one before has left. Ours always has.
const TRANSMITTER_EMPTY: u8 = 1 << 5 | 1 << 6;

/// What the UART keeps. All that is not looped back goes through the console.
#[derive(Default)]
pub struct Uart {
    pub scratch: u8,
    modem_control: u8,
    /// A byte that the guest sent to itself, and has not read.
    looped: Option<u8>,
    /// [`OVERRUN`], if the guest has not been told.
    overrun: u8,
}

impl Uart {
    pub fn send(&mut self, bytes: &[u8], console: &mut Console<impl Write>) -> io::Result<()> {
        if !self.is_looped_back() {
            return console.print(bytes);
        }
        for byte in bytes {
            if self.looped.replace(*byte).is_some() {
                self.overrun = OVERRUN;
            }
        }
        Ok(())
    }

    pub fn receive(&mut self, console: &mut Console<impl Write>) -> u8 {
        if self.is_looped_back() { self.looped.take().unwrap_or(0) } else { console.read() }
    }

    /// To read it changes it: overruns and breaks are reported once.
    pub fn line_status(&mut self, console: &mut Console<impl Write>) -> io::Result<u8> {
        let received = if self.is_looped_back() {
            let ready = if self.looped.is_some() { DATA_READY } else { 0 };
            ready | mem::take(&mut self.overrun)
        } else if console.has_input()? {
            DATA_READY | if console.take_break() { BREAK } else { 0 }
        } else {
            0
        };
        Ok(TRANSMITTER_EMPTY | received)
    }

    pub fn modem_control(&self) -> u8 {
        self.modem_control
    }

    pub fn set_modem_control(&mut self, bits: u8) {
        self.modem_control = bits & MODEM_CONTROL_BITS;
        if !self.is_looped_back() {
            self.looped = None;
            self.overrun = 0;
        }
    }

    fn is_looped_back(&self) -> bool {
        self.modem_control & LOOPBACK != 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::input::Received;

    #[test]
    fn line_status_tells_of_a_byte_until_it_is_read() {
        let (keyboard, input) = channel();
        let mut console = Console::new(Vec::new(), false, input);
        let mut uart = Uart::default();
        assert_eq!(uart.line_status(&mut console).unwrap(), 0x60);
        keyboard.send(Received::Byte(b'a')).unwrap();
        assert_eq!(uart.line_status(&mut console).unwrap(), 0x61);
        assert_eq!(uart.line_status(&mut console).unwrap(), 0x61);
        uart.receive(&mut console);
        assert_eq!(uart.line_status(&mut console).unwrap(), 0x60);
    }

    #[test]
    fn line_status_tells_of_a_break_once() {
        let (keyboard, input) = channel();
        let mut console = Console::new(Vec::new(), false, input);
        let mut uart = Uart::default();
        for received in [Received::Byte(b'a'), Received::Break] {
            keyboard.send(received).unwrap();
        }
        for (first, byte) in [(0x61, b'a'), (0x71, 0)] {
            assert_eq!(uart.line_status(&mut console).unwrap(), first);
            assert_eq!(uart.line_status(&mut console).unwrap(), 0x61);
            assert_eq!(uart.receive(&mut console), byte);
        }
    }

    #[test]
    fn what_is_looped_back_does_not_meet_the_keyboard() {
        let (keyboard, input) = channel();
        let mut output = Vec::new();
        let mut console = Console::new(&mut output, false, input);
        let mut uart = Uart::default();
        keyboard.send(Received::Byte(b'a')).unwrap();
        assert_eq!(uart.line_status(&mut console).unwrap(), 0x61);

        uart.set_modem_control(0xf0);
        assert_eq!(uart.modem_control(), 0x10);
        assert_eq!(uart.line_status(&mut console).unwrap(), 0x60);
        assert_eq!(uart.receive(&mut console), 0);
        uart.send(b"xy", &mut console).unwrap();
        assert_eq!(uart.line_status(&mut console).unwrap(), 0x63);
        assert_eq!(uart.line_status(&mut console).unwrap(), 0x61);
        assert_eq!(uart.receive(&mut console), b'y');

        uart.send(b"lost", &mut console).unwrap();
        uart.set_modem_control(0);
        assert_eq!(uart.line_status(&mut console).unwrap(), 0x61);
        assert_eq!(uart.receive(&mut console), b'a');
        uart.set_modem_control(LOOPBACK);
        assert_eq!(uart.line_status(&mut console).unwrap(), 0x60);
        console.close().unwrap();
        assert_eq!(output, b"");
    }
}
