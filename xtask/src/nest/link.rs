//! One end of a socket through which whole messages go, without ever waiting.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nest_agent::{Frames, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub struct Link {
    socket: UnixStream,
    frames: Frames,
    to_send: Vec<u8>,
}

/// The other end has hung up, or does not speak our language.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone;

impl Link {
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, frames: Frames::default(), to_send: Vec::new() })
    }

    /// The next message, if there is one.
    pub fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Gone> {
        loop {
            if let Some(message) = self.frames.take().map_err(|_| Gone)? {
                return Ok(Some(message));
            }
            let mut buffer = [0; 64 << 10];
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(Gone),
                Ok(count) => self.frames.push(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
    }

    /// Queues a message, and sends what can be sent.
    pub fn send(&mut self, message: &impl Serialize) {
        self.to_send.extend(encode(message));
        self.flush();
    }

    /// Sends what can be sent. That the other end is gone is learnt by [`Self::receive`], after its
    /// last words.
    pub fn flush(&mut self) {
        let mut sent = 0;
        while sent < self.to_send.len() {
            match self.socket.write(&self.to_send[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => sent = self.to_send.len(),
            }
        }
        self.to_send.drain(..sent);
    }

    pub fn has_to_send(&self) -> bool {
        !self.to_send.is_empty()
    }
}

/// What becomes readable when a message comes.
impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nest_agent::ToNest;

    #[test]
    fn last_words_are_heard_though_nothing_can_be_sent() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut here, mut there) = (Link::new(here).unwrap(), Link::new(there).unwrap());
        assert_eq!(here.receive::<ToNest>(), Ok(None));
        there.send(&ToNest::Ping { now: 1 });
        drop(there);
        here.send(&ToNest::Ping { now: 2 });
        assert!(!here.has_to_send());
        assert_eq!(here.receive(), Ok(Some(ToNest::Ping { now: 1 })));
        assert_eq!(here.receive::<ToNest>(), Err(Gone));
    }
}
