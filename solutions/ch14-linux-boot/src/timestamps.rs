//! When the guest's lines began.

use std::io::{self, Write};
use std::time::Instant;

/// Puts the seconds since `start` before each line.
pub struct Timestamps<W> {
    output: W,
    start: Instant,
    is_mid_line: bool,
}

impl<W> Timestamps<W> {
    pub fn new(output: W, start: Instant) -> Self {
        Self { output, start, is_mid_line: false }
    }
}

impl<W: Write> Write for Timestamps<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.is_mid_line {
                let time = self.start.elapsed();
                write!(self.output, "[{:5}.{:03}] ", time.as_secs(), time.subsec_millis())?;
            }
            self.output.write_all(part)?;
            self.is_mid_line = !part.ends_with(b"\n");
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_one_however_it_comes() {
        let mut output = Vec::new();
        let mut stamped = Timestamps::new(&mut output, Instant::now());
        for bytes in [&b"a"[..], b"b\n\nc", b"d\n"] {
            stamped.write_all(bytes).unwrap();
        }
        let lines = String::from_utf8(output).unwrap();
        let lines: Vec<_> = lines.lines().map(|line| line.split_at(12).1).collect();
        assert_eq!(lines, ["ab", "", "cd"]);
    }
}
