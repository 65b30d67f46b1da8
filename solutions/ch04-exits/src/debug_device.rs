//! A device of our own in memory, the simplest that can be of use: what is written to it is printed,
//! and what is read from it says how much that was.

use std::io::{self, Write};

/// Where it is: at the first byte above 1 MiB. Whatever we add to the memory below, this is free.
pub const ADDRESS: u64 = 0x10_0000;

pub struct DebugDevice<W> {
    output: W,
    printed: u64,
}

impl<W: Write> DebugDevice<W> {
    pub fn new(output: W) -> Self {
        Self { output, printed: 0 }
    }

    /// Prints the first byte of a write. It is flushed at once: a guest that prints to find a mistake
    /// may crash the next moment, and a write costs less than the exit that brought us here.
    pub fn write(&mut self, data: &[u8]) -> io::Result<()> {
        if let Some(first) = data.first() {
            self.output.write_all(&[*first])?;
            self.output.flush()?;
            self.printed += 1;
        }
        Ok(())
    }

    /// Answers a read with as many of the number's lower bytes as it has.
    pub fn read(&self, data: &mut [u8]) {
        for (byte, of_number) in data.iter_mut().zip(self.printed.to_le_bytes()) {
            *byte = of_number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_are_printed_and_counted() {
        let mut output = Vec::new();
        let mut device = DebugDevice::new(&mut output);
        for _ in 0..0x123 {
            device.write(b"ab").unwrap();
        }
        let (mut byte, mut word, mut quad) = ([0xff; 1], [0xff; 2], [0xff; 8]);
        device.read(&mut byte);
        device.read(&mut word);
        device.read(&mut quad);
        assert_eq!((byte, word, quad), ([0x23], [0x23, 1], [0x23, 1, 0, 0, 0, 0, 0, 0]));
        assert_eq!(output, [b'a'; 0x123]);
    }
}
