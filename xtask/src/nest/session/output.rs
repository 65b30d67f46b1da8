//! Our own outputs, to which goes what the command writes.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::OwnedFd;

use nest_agent::Stream;
use nix::errno::Errno;
use nix::poll::PollFlags;

/// What can be written to a pipe that polls as writable. pipe(7).
const PIPE_BUF: usize = 4096;

pub struct Output {
    pub stream: Stream,
    pub fd: OwnedFd,
    is_file: bool,
    pub open: bool,
    pub pending: VecDeque<u8>,
}

impl Output {
    pub fn new(stream: Stream, fd: OwnedFd) -> Self {
        let is_file = File::from(fd.try_clone().expect("a descriptor is left"))
            .metadata()
            .is_ok_and(|data| data.is_file());
        Self { stream, fd, is_file, open: true, pending: VecDeque::new() }
    }

    /// Writes what `poll` says can be written: how much that was, and why there can be no more.
    pub fn write(&mut self, flags: PollFlags) -> (usize, Option<Errno>) {
        let mut count = 0;
        let mut failure = None;
        if flags.contains(PollFlags::POLLOUT) {
            let (bytes, _) = self.pending.as_slices();
            let most = if self.is_file { bytes.len() } else { bytes.len().min(PIPE_BUF) };
            match nix::unistd::write(&self.fd, &bytes[..most]) {
                Ok(written) => count = written,
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => failure = Some(errno),
            }
        } else if flags.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL) {
            // Nobody reads it any more.
            failure = Some(Errno::EPIPE);
        }
        self.pending.drain(..count);
        if failure.is_some() {
            self.open = false;
            self.pending.clear();
        }
        (count, failure)
    }
}
