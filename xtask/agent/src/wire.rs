//! Messages as bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::CHUNK;

/// Longer than any message: an environment of several MiB still fits.
const LONGEST_MESSAGE: usize = 16 << 20;

/// A message as it goes over the wire.
///
/// # Panics
///
/// Never for the messages of this crate: they all can be serialized.
#[must_use]
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    let mut frame = postcard::to_extend(message, vec![0; 4])
        .expect("plain data in a growing buffer always serializes");
    let length = u32::try_from(frame.len() - 4).expect("a message is far shorter than 4 GiB");
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame
}

/// What arrived, cut into messages.
#[derive(Default)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Where in `bytes` the next message begins.
    next: usize,
}

impl Frames {
    /// Appends what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.next > CHUNK {
            self.bytes.drain(..self.next);
            self.next = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, if there is one.
    ///
    /// # Errors
    ///
    /// When the other end does not speak this protocol.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Garbage> {
        let Some((length, rest)) = self.bytes[self.next..].split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > LONGEST_MESSAGE {
            return Err(Garbage);
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let (message, rest) = postcard::take_from_bytes(body).map_err(|_| Garbage)?;
        if !rest.is_empty() {
            return Err(Garbage);
        }
        self.next += 4 + length;
        Ok(Some(message))
    }
}

/// The bytes are no message of this protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct Garbage;

impl std::fmt::Display for Garbage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bytes that are no message between the nest and its outside")
    }
}

impl std::error::Error for Garbage {}
