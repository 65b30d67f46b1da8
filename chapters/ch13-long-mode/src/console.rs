//! The guest's console: our standard input and output.

use std::io::{self, BufWriter, IsTerminal, Write, stderr, stdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::input::CTRL_D;
use crate::screen::Lines;
use crate::signal;

/// How long a guest sleeps that has asked for input twice in a row and got none.
const IDLE: Duration = Duration::from_millis(100);

pub struct Console<W> {
    output: W,
    /// Somebody watches: show each byte at once, rather than when there are many.
    is_watched: bool,
    /// When that was. A guest that prints now and then has its bytes shown, too.
    flushed: Instant,
    /// The last byte was not the end of a line.
    is_mid_line: bool,
    /// The next line is somebody else's: end the last one even if the guest does not.
    is_shared: bool,
    input: Receiver<u8>,
    /// A byte that has arrived, but that the guest has not read.
    received: Option<u8>,
    /// The guest has been told of the end of the input.
    is_at_end: bool,
    /// The guest has asked for input in vain, and done nothing since.
    is_idle: bool,
}

impl Console<Box<dyn Write>> {
    /// The console of vCPU `id`. A guest that is not alone has a `tag` for its lines.
    pub fn open(id: usize, tag: Option<String>, input: Receiver<u8>) -> Self {
        let Some(tag) = tag else {
            return Self::new(Box::new(BufWriter::new(stdout())), stdout().is_terminal(), input);
        };
        Self { is_shared: true, ..Self::new(Box::new(Lines::new(tag, id == 0)), false, input) }
    }
}

impl<W: Write> Console<W> {
    pub fn new(output: W, is_watched: bool, input: Receiver<u8>) -> Self {
        Self {
            output,
            is_watched,
            flushed: Instant::now(),
            is_mid_line: false,
            is_shared: false,
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
        if self.is_watched || self.flushed.elapsed() > IDLE / 2 { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushed = Instant::now();
        self.output.flush()
    }

    /// Whether a byte waits to be read. A guest that gets interrupts may ask this often.
    pub fn has_input_now(&mut self) -> io::Result<bool> {
        self.receive(Duration::ZERO);
        if self.received.is_none() && self.is_at_end {
            self.received = Some(CTRL_D); // the next program reads, too
        }
        if self.received.is_none() {
            self.flush()?;
        }
        Ok(self.received.is_some())
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
        self.received.take().unwrap_or(0)
    }

    /// The next byte, for which the guest sleeps if need be. `None` at the end of the input, and
    /// after Ctrl-C: the guest will not run again to see it.
    pub fn wait_for_byte(&mut self) -> io::Result<Option<u8>> {
        self.output.flush()?;
        while self.received.is_none() && !signal::has_arrived() {
            match self.input.recv_timeout(IDLE) {
                Ok(byte) => self.received = Some(byte),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Ok(self.received.take())
    }

    /// A serial line has no end. A terminal says Ctrl-D instead, and so do we, once.
    fn receive(&mut self, patience: Duration) {
        if self.received.is_some() {
            return;
        }
        self.received = match self.input.recv_timeout(patience) {
            Ok(byte) => Some(byte),
            Err(RecvTimeoutError::Disconnected) if !self.is_at_end => {
                self.is_at_end = true;
                Some(CTRL_D)
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
        if self.is_shared && self.is_mid_line {
            self.output.write_all(b"\n")?;
        }
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
        keyboard.send(b'a').unwrap();
        drop(keyboard);
        for byte in [b'a', CTRL_D] {
            assert!(console.has_input().unwrap());
            assert_eq!(console.read(), byte);
        }
        assert!(!console.has_input().unwrap());
        assert_eq!(console.read(), 0);
    }
}
