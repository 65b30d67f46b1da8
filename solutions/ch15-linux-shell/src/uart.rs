//! COM1, a 16550 UART: the oldest way for a PC to say something, and to be told.
//!
//! Registers: data sheet of the National Semiconductor PC16550D, section 8.

use std::io::{self, Write};
use std::mem;

use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};
use vmm_sys_util::eventfd::EventFd;

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

/// Which events are to be interrupts. A driver writes it when it has said something.
const INTERRUPT_ENABLE: u8 = 1;

/// The port's wire to the interrupt controller.
pub const IRQ: u32 = 4;

/// Its bits for a byte received, for room to transmit another, and for a broken line. All four bits
/// are only written by a driver that wants to see whether they are there.
const OPEN_AND_TRANSMITTING: u8 = 0b0111;

/// All eight registers, and the interrupt.
pub struct Uart {
    serial: Serial<Interrupt, NoEvents, Vec<u8>>,
    /// Somebody has said something by interrupt: no longer the kernel, but a program, which may
    /// listen. What is typed earlier would be lost.
    has_listener: bool,
}

/// To write to it is an interrupt.
pub struct Interrupt(pub EventFd);

impl Trigger for Interrupt {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        self.0.write(1)
    }
}

impl Uart {
    pub fn new(interrupt: EventFd) -> Self {
        Self { serial: Serial::new(Interrupt(interrupt), Vec::new()), has_listener: false }
    }

    /// A driver looks and finds what has been typed: that is soon enough, for each key is an interrupt.
    fn receive(&mut self, console: &mut Console<impl Write>) -> io::Result<()> {
        while self.has_listener
            && self.serial.fifo_capacity() > 0
            && let Some(byte) = console.read_now()
        {
            self.serial.enqueue_raw_bytes(&[byte]).map_err(io::Error::other)?;
        }
        Ok(())
    }

    pub fn write(&mut self, at: u8, byte: u8, console: &mut Console<impl Write>) -> io::Result<()> {
        if at == INTERRUPT_ENABLE {
            self.has_listener |= byte == OPEN_AND_TRANSMITTING;
        }
        self.receive(console)?;
        self.serial.write(at, byte).map_err(io::Error::other)?;
        console.print(&mem::take(self.serial.writer_mut()))?;
        if at == INTERRUPT_ENABLE { console.flush() } else { Ok(()) }
    }

    pub fn read(&mut self, at: u8, console: &mut Console<impl Write>) -> io::Result<u8> {
        self.receive(console)?;
        Ok(self.serial.read(at))
    }
}

/// Which register is at this port.
pub fn register(port: u16) -> Option<u8> {
    port.checked_sub(DATA).filter(|register| *register < 8).map(|register| register as u8)
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
