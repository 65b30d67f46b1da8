//! Hypercalls: what a guest may ask of us by `OUT` to a port of our own.

use std::io::{self, Write};

use guests::hypercall::{END_OF_INPUT, HC_EXIT, HC_GETCHAR, HC_NEWLINE, HC_PUTCHAR, HC_PUTNUM};
pub use guests::hypercall::{NAMES, PORT};

use crate::console::Console;

/// How the guest goes on.
#[derive(Debug, PartialEq)]
pub enum Answer {
    Done,
    /// With this in `EAX`.
    Value(u32),
    /// Not at all: it asked to end with this status.
    Exit(u8),
    Unknown,
}

/// Does what hypercall `number` asks for; `rbx` holds its argument.
pub fn call(number: u8, rbx: u64, console: &mut Console<impl Write>) -> io::Result<Answer> {
    let (bl, bx) = (rbx as u8, rbx as u16);
    match number {
        HC_EXIT => return Ok(Answer::Exit(bl)),
        HC_PUTCHAR => console.print(&[bl])?,
        HC_PUTNUM => console.print(bx.to_string().as_bytes())?,
        HC_NEWLINE => console.print(b"\n")?,
        HC_GETCHAR => {
            let byte = console.wait_for_byte()?;
            return Ok(Answer::Value(byte.map_or(END_OF_INPUT, u32::from)));
        }
        _ => return Ok(Answer::Unknown),
    }
    Ok(Answer::Done)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn arguments_are_bl_and_bx() {
        let mut output = Vec::new();
        let mut console = Console::new(&mut output, false, channel().1);
        let rbx = 0x1234_5678_0001_0041;
        for number in [HC_PUTCHAR, HC_NEWLINE, HC_PUTNUM] {
            assert_eq!(call(number, rbx, &mut console).unwrap(), Answer::Done);
        }
        assert_eq!(call(HC_EXIT, rbx, &mut console).unwrap(), Answer::Exit(0x41));
        assert_eq!(call(99, rbx, &mut console).unwrap(), Answer::Unknown);
        console.close().unwrap();
        assert_eq!(output, b"A\n65");
    }

    #[test]
    fn getchar_gives_bytes_and_then_the_end() {
        let (keyboard, input) = channel();
        let mut console = Console::new(Vec::new(), false, input);
        keyboard.send(0xff).unwrap();
        drop(keyboard);
        assert_eq!(call(HC_GETCHAR, 0, &mut console).unwrap(), Answer::Value(0xff));
        assert_eq!(call(HC_GETCHAR, 0, &mut console).unwrap(), Answer::Value(END_OF_INPUT));
    }
}
