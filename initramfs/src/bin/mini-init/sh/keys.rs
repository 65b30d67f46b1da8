//! From the bytes that a terminal sends to the keys that they mean.

/// What a user wants with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Character(char),
    Enter,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    /// Ctrl-U
    DeleteToStart,
    /// Ctrl-K
    DeleteToEnd,
    /// Ctrl-W
    DeleteWord,
    /// Ctrl-C
    Interrupt,
    /// Ctrl-D
    EndOfInput,
    Unknown,
}

/// Keys send up to a handful of bytes.
#[derive(Default)]
pub struct Decoder {
    pending: Vec<u8>,
}

impl Decoder {
    /// The key, if the byte is its last.
    pub fn decode(&mut self, byte: u8) -> Option<Key> {
        self.pending.push(byte);
        let key = match &self.pending[..] {
            [byte @ (..0x20 | 0x7f)] if *byte != ESCAPE => control(*byte),
            [ESCAPE, rest @ ..] => sequence(rest)?,
            bytes => character(bytes)?,
        };
        self.pending.clear();
        Some(key)
    }
}

const ESCAPE: u8 = 0x1b;

fn control(byte: u8) -> Key {
    match byte | 0x40 {
        // While no editor has the terminal, the kernel keeps a Ctrl-D among what was typed as a NUL.
        b'@' | b'D' => Key::EndOfInput,
        b'A' => Key::Home,
        b'B' => Key::Left,
        b'C' => Key::Interrupt,
        b'E' => Key::End,
        b'F' => Key::Right,
        b'H' | 0x7f => Key::Backspace,
        b'J' | b'M' => Key::Enter,
        b'K' => Key::DeleteToEnd,
        b'N' => Key::Down,
        b'P' => Key::Up,
        b'U' => Key::DeleteToStart,
        b'W' => Key::DeleteWord,
        _ => Key::Unknown,
    }
}

/// What follows the escape: `[` or `O`, digits and semicolons, and a byte that says which key it is.
fn sequence(bytes: &[u8]) -> Option<Key> {
    let Some((b'[' | b'O', rest)) = bytes.split_first() else {
        return bytes.first().map(|_| Key::Unknown);
    };
    let (last, parameters) = rest.split_last()?;
    Some(match (last, parameters) {
        (b'A', []) => Key::Up,
        (b'B', []) => Key::Down,
        (b'C', []) => Key::Right,
        (b'D', []) => Key::Left,
        (b'H', []) | (b'~', b"1" | b"7") => Key::Home,
        (b'F', []) | (b'~', b"4" | b"8") => Key::End,
        (b'~', b"3") => Key::Delete,
        (b'0'..=b'9' | b';', _) => return None,
        _ => Key::Unknown,
    })
}

/// A character in UTF-8, once all its bytes are there.
fn character(bytes: &[u8]) -> Option<Key> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().next().map(Key::Character),
        Err(error) if error.error_len().is_none() => None,
        Err(_) => Some(Key::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        bytes.iter().filter_map(|byte| decoder.decode(*byte)).collect()
    }

    #[test]
    fn characters() {
        assert_eq!(
            keys("aö€".as_bytes()),
            [Key::Character('a'), Key::Character('ö'), Key::Character('€')]
        );
        assert_eq!(keys(b"\xffa"), [Key::Unknown, Key::Character('a')]);
    }

    #[test]
    fn control_keys() {
        assert_eq!(keys(b"\r\n"), [Key::Enter, Key::Enter]);
        assert_eq!(keys(b"\x08\x7f"), [Key::Backspace, Key::Backspace]);
        assert_eq!(keys(b"\x03\x04\0"), [Key::Interrupt, Key::EndOfInput, Key::EndOfInput]);
        assert_eq!(keys(b"\x1f"), [Key::Unknown]);
    }

    #[test]
    fn sequences() {
        assert_eq!(keys(b"\x1b[A\x1bOB"), [Key::Up, Key::Down]);
        assert_eq!(keys(b"\x1b[1~\x1b[4~\x1b[3~"), [Key::Home, Key::End, Key::Delete]);
        assert_eq!(keys(b"\x1b[1;5Ca"), [Key::Unknown, Key::Character('a')]);
        assert_eq!(keys(b"\x1bxa"), [Key::Unknown, Key::Character('a')]);
    }
}
