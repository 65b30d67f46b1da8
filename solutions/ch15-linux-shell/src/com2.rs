//! COM2: a second 16550, whose line leads to a file. Nobody is there to answer.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use vm_superio::Serial;
use vm_superio::serial::NoEvents;
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use crate::uart::Interrupt;

/// Where the second serial port of a PC is.
const DATA: u16 = 0x2f8;

/// Its wire to the interrupt controller.
pub const IRQ: u32 = 3;

/// A line that is longer is no status.
const LINE_BYTES_MAX: usize = 80;

pub struct Com2 {
    serial: Serial<Interrupt, NoEvents, Line>,
    /// To write to it is an interrupt.
    pub interrupt: EventFd,
}

/// What comes out.
#[derive(Default)]
struct Line {
    file: Option<File>,
    /// The last line, without its end: if there is one.
    last: Option<Vec<u8>>,
    has_ended: bool,
}

impl Com2 {
    pub fn new(file: Option<File>) -> Result<Self> {
        let eventfd = |error| anyhow!("eventfd: {error}");
        let interrupt = EventFd::new(EFD_NONBLOCK).map_err(eventfd)?;
        let trigger = Interrupt(interrupt.try_clone().map_err(eventfd)?);
        let line = Line { file, ..Default::default() };
        Ok(Self { serial: Serial::new(trigger, line), interrupt })
    }

    pub fn write(&mut self, register: u8, byte: u8) -> io::Result<()> {
        self.serial.write(register, byte).map_err(io::Error::other)
    }

    pub fn read(&mut self, register: u8) -> u8 {
        self.serial.read(register)
    }

    /// The number in the last line, or 0 if there is no line. Else what that line is.
    pub fn status(&self) -> Result<u8, String> {
        self.serial.writer().last.as_deref().map_or(Ok(0), status)
    }
}

/// The file at `path`, empty.
pub fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| path.display().to_string())
}

/// Which register is at this port.
pub fn register(port: u16) -> Option<u8> {
    port.checked_sub(DATA).filter(|register| *register < 8).map(|register| register as u8)
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if self.has_ended {
                self.last = None;
            }
            self.has_ended = *byte == b'\n';
            let last = self.last.get_or_insert_default();
            if !self.has_ended && last.len() <= LINE_BYTES_MAX {
                last.push(*byte);
            }
        }
        if let Some(file) = &mut self.file {
            file.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn status(line: &[u8]) -> Result<u8, String> {
    // Linux ends lines for a terminal.
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = String::from_utf8_lossy(line);
    let is_number = !line.is_empty() && line.len() < LINE_BYTES_MAX;
    let number = text.parse().ok().filter(|_| is_number && line.iter().all(u8::is_ascii_digit));
    number.filter(|number| *number < 64).ok_or_else(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_status() {
        let after = |text: &[u8]| {
            let mut line = Line::default();
            text.chunks(3).for_each(|bytes| line.write_all(bytes).unwrap());
            line.last.as_deref().map_or(Ok(0), status)
        };
        for (text, number) in
            [(&b""[..], 0), (b"7", 7), (b"63\n", 63), (b"one\r\n2\r\n", 2), (b"\n\n007\n", 7)]
        {
            assert_eq!(after(text), Ok(number), "{text:?}");
        }
        for text in [&b"\n"[..], b"64", b"1\n\n", b"+1\n", b"-1\n", b"1 \n", b"256\n", b"\xff"] {
            assert!(after(text).is_err(), "{text:?}");
        }
    }
}
