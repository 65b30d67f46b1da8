//! COM1, a 16550 UART: the oldest way for a PC to say something.
//!
//! Registers: data sheet of the National Semiconductor PC16550D, section 8.

/// Written: the byte to transmit. The first serial port of a PC has been here since 1981.
pub const DATA: u16 = 0x3f8;

/// The registers behind it, up to the one below, set up a real UART: there is nothing to set up here.
pub const INTERRUPT_ENABLE: u16 = 0x3f9;
pub const LINE_CONTROL: u16 = 0x3fb;
