//! Hypercalls: what a guest may ask of us by `OUT` to a port of our own.

use std::io::{self, Write};

pub use guests::hypercall::PORT;
use guests::hypercall::{
    self, END_OF_INPUT, HC_EXIT, HC_GETCHAR, HC_NEWLINE, HC_PUTCHAR, HC_PUTNUM,
};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::console::Console;

/// Writes the `CX` bytes at `DS:BX`. The guests of the other chapters know nothing of it.
pub const HC_PUTS: u8 = 5;

/// The names of all hypercalls, by number.
pub const NAMES: [&str; hypercall::NAMES.len() + 1] = {
    let [exit, putchar, putnum, newline, getchar] = hypercall::NAMES;
    [exit, putchar, putnum, newline, getchar, "HC_PUTS"]
};

/// How the guest goes on.
#[derive(Debug, PartialEq)]
pub enum Answer {
    Done,
    /// With this in `EAX`.
    Value(u32),
    /// Not at all: it asked to end with this status.
    Exit(u8),
    Unknown,
    /// Some of these bytes are not in guest memory.
    NoMemory {
        address: u64,
        bytes: u16,
    },
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

/// Does `HC_PUTS`: all bytes are printed, or none. The addresses do not wrap around.
pub fn puts(
    ds_base: u64,
    rbx: u64,
    rcx: u64,
    memory: &GuestMemoryMmap,
    console: &mut Console<impl Write>,
) -> io::Result<Answer> {
    let (bx, bytes) = (rbx as u16, rcx as u16);
    if bytes == 0 {
        return Ok(Answer::Done); // nowhere is in guest memory, too
    }
    let address = ds_base + u64::from(bx);
    let mut text = vec![0; usize::from(bytes)];
    if memory.read_slice(&mut text, GuestAddress(address)).is_err() {
        return Ok(Answer::NoMemory { address, bytes });
    }
    console.print(&text)?;
    Ok(Answer::Done)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn puts_prints_all_bytes_or_none() {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x1_0000)]).unwrap();
        memory.write_slice(b"\x00\xffHi", GuestAddress(0xfffc)).unwrap();
        let mut output = Vec::new();
        let mut console = Console::new(&mut output, false, channel().1);
        let mut puts = |base, rbx, rcx| puts(base, rbx, rcx, &memory, &mut console).unwrap();
        // Only BX and CX count.
        assert_eq!(puts(0xff00, 0x1_00fc, 0x1_0004), Answer::Done);
        assert_eq!(puts(0, 0xfffc, 5), Answer::NoMemory { address: 0xfffc, bytes: 5 });
        assert_eq!(puts(0xf_fff0, 0x20, 1), Answer::NoMemory { address: 0x10_0010, bytes: 1 });
        assert_eq!(puts(0xf_fff0, 0x20, 0), Answer::Done);
        console.close().unwrap();
        assert_eq!(output, b"\x00\xffHi");
    }

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
