//! The guest's console: our standard input and output.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write, stderr, stdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::input::{CTRL_D, Received};

/// How long a guest sleeps that has asked for input twice in a row and got none.
const IDLE: Duration = Duration::from_millis(100);

pub struct Console<W> {
    output: W,
    /// Somebody watches: show each byte at once, rather than when there are many.
    is_watched: bool,
    /// The last byte was not the end of a line.
    is_mid_line: bool,
    input: Receiver<Received>,
    /// What has arrived, but the guest has not read.
    received: Option<Received>,
    /// The guest has been told of the end of the input.
    is_at_end: bool,
    /// The guest has asked for input in vain, and done nothing since.
    is_idle: bool,
}

impl Console<BufWriter<Stdout>> {
    pub fn open(input: Receiver<Received>) -> Self {
        Self::new(BufWriter::new(stdout()), stdout().is_terminal(), input)
    }
}

impl<W: Write> Console<W> {
    pub fn new(output: W, is_watched: bool, input: Receiver<Received>) -> Self {
        Self {
            output,
            is_watched,
            is_mid_line: false,
            input,
            received: None,
            is_at_end: false,
            is_idle: false,
        }
    }

    pub fn print(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.is_idle = false;
        self.output.write_all(bytes)?;
        self.is_mid_line = bytes.last().is_some_and(|byte| *byte != b'\n');
        if self.is_watched { self.output.flush() } else { Ok(()) }
    }

    /// Whether a byte waits to be read. A guest that asks this over and over only waits for one:
    /// then it waits here, where it costs no CPU time.
    pub fn has_input(&mut self) -> io::Result<bool> {
        if self.is_idle {
            self.output.flush()?;
        }
        self.receive(if self.is_idle { IDLE } else { Duration::ZERO });
        self.is_idle = self.received.is_none();
        Ok(self.received.is_some())
    }

    /// The byte that waits to be read, or 0.
    pub fn read(&mut self) -> u8 {
        self.receive(Duration::ZERO);
        match self.received.take() {
            Some(Received::Byte(byte)) => byte,
            Some(Received::Break) | None => 0,
        }
    }

    /// Whether what waits to be read is a break. From now on it is a byte 0 like any other.
    pub fn take_break(&mut self) -> bool {
        let is_break = self.received == Some(Received::Break);
        if is_break {
            self.received = Some(Received::Byte(0));
        }
        is_break
    }

    /// A serial line has no end. A terminal says Ctrl-D instead, and so do we, once.
    fn receive(&mut self, patience: Duration) {
        if self.received.is_some() {
            return;
        }
        self.received = match self.input.recv_timeout(patience) {
            Ok(received) => Some(received),
            Err(RecvTimeoutError::Disconnected) if !self.is_at_end => {
                self.is_at_end = true;
                Some(Received::Byte(CTRL_D))
            }
            Err(RecvTimeoutError::Disconnected) => {
                thread::sleep(patience);
                None
            }
            Err(RecvTimeoutError::Timeout) => None,
        };
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
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn every_byte_is_printed() {
        let mut output = Vec::new();
        let mut console = Console::new(&mut output, false, channel().1);
        console.print(b"\x00Hi\xff").unwrap();
        console.print(b"\n").unwrap();
        console.close().unwrap();
        assert_eq!(output, b"\x00Hi\xff\n");
    }

    #[test]
    fn input_ends_with_one_ctrl_d() {
        let (keyboard, input) = channel();
        let mut console = Console::new(Vec::new(), false, input);
        assert!(!console.has_input().unwrap());
        keyboard.send(Received::Byte(b'a')).unwrap();
        drop(keyboard);
        for byte in [b'a', CTRL_D] {
            assert!(console.has_input().unwrap());
            assert_eq!(console.read(), byte);
        }
        assert!(!console.has_input().unwrap());
        assert_eq!(console.read(), 0);
    }
}
