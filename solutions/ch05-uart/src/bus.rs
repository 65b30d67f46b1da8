//! The bus: which of our devices an `OUT` reaches.
//!
//! All have registers of 8 bits: of a wider `OUT`, the lowest byte reaches the register at its port, the
//! next byte the register behind it, and so on. SDM Vol. 1, "I/O Address Space".

use crate::uart;

/// Written: a byte to print. Bochs has this port for guests that are too small for a UART.
/// Read: [`IS_THERE`].
pub const DEBUG_CONSOLE: u16 = 0xe9;

/// How a guest finds out that the port exists. Where nobody is, a PC gives 0xff.
pub const IS_THERE: u8 = 0xe9;

/// What an `OUT` of these bytes to `port` prints. `None` if one of them reaches nobody.
pub fn printed_by(port: u16, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut printed = Vec::new();
    for (offset, byte) in (0..).zip(bytes) {
        match port.wrapping_add(offset) {
            uart::DATA | DEBUG_CONSOLE => printed.push(*byte),
            uart::INTERRUPT_ENABLE..=uart::LINE_CONTROL => {}
            _ => return None,
        }
    }
    Some(printed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_reaches_a_register() {
        for (port, bytes, expected) in [
            (0x3f8, &b"A"[..], &b"A"[..]),
            (0x3f8, b"ABCD", b"A"),
            (0x3f9, b"AB", b""),
            (0xe9, b"A", b"A"),
        ] {
            assert_eq!(printed_by(port, bytes).as_deref(), Some(expected), "{port:#x}");
        }
        for (port, bytes) in [(0x3f7, &b"AB"[..]), (0x3f9, b"ABCD"), (0xe9, b"AB"), (0xffff, b"AB")]
        {
            assert_eq!(printed_by(port, bytes), None, "{port:#x}");
        }
    }
}
