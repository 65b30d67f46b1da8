//! The guest's console: our standard output.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write, stderr, stdout};

pub struct Console<W> {
    output: W,
    /// Somebody watches: show each byte at once, rather than when there are many.
    is_watched: bool,
    /// The last byte was not the end of a line.
    is_mid_line: bool,
}

impl Console<BufWriter<Stdout>> {
    pub fn open() -> Self {
        Self::new(BufWriter::new(stdout()), stdout().is_terminal())
    }
}

impl<W: Write> Console<W> {
    pub fn new(output: W, is_watched: bool) -> Self {
        Self { output, is_watched, is_mid_line: false }
    }

    pub fn print(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.is_mid_line = bytes.last().is_some_and(|byte| *byte != b'\n');
        if self.is_watched { self.output.flush() } else { Ok(()) }
    }

    /// To be called when the guest is done: whatever we say next begins with a new line.
    pub fn close(mut self) -> io::Result<()> {
        self.output.flush()?;
        if self.is_watched && self.is_mid_line && stderr().is_terminal() {
            writeln!(stderr())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_printed() {
        let mut output = Vec::new();
        let mut console = Console::new(&mut output, false);
        console.print(b"\x00Hi\xff").unwrap();
        console.print(b"\n").unwrap();
        console.close().unwrap();
        assert_eq!(output, b"\x00Hi\xff\n");
    }
}
