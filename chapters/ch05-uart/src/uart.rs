//! COM1, a 16550 UART: the oldest way for a PC to say something.
//!
//! Registers: data sheet of the National Semiconductor PC16550D, section 8.

/// Written: the byte to transmit. The first serial port of a PC has been here since 1981.
pub const DATA: u16 = 0x3f8;
