//! One output of a command: how much of it is under way, and when it is to be read.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nest_agent::{Stream, WINDOW};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What a pipe holds: after its writer's end, no more than this can be the writer's.
const PIPE_CAPACITY: usize = 64 << 10;

/// A program that writes byte by byte, as a guest's console does, would have each of them carried
/// outside by itself, at a millisecond of emulation each. So after a short read we let an output fill
/// for a while that nobody notices; what comes after a pause is still read at once.
const FILLS_FOR: Duration = Duration::from_millis(10);

/// Fewer bytes than this are a short read.
const SHORT: usize = 256;

/// One of its outputs.
pub struct Output {
    pub stream: Stream,
    pub fd: OwnedFd,
    /// Bytes sent outside and not yet passed on there.
    under_way: usize,
    /// Bytes read since the command was over.
    read_since: usize,
    /// Until when it is left to fill.
    fills_until: Option<Instant>,
    /// Whether it was seen empty since the command was over.
    dry: bool,
}

impl Output {
    pub fn new(stream: Stream, fd: OwnedFd) -> Self {
        let fills_until = None;
        Self { stream, fd, under_way: 0, read_since: 0, fills_until, dry: false }
    }

    /// Whether more of it may be under way.
    pub fn has_room(&self) -> bool {
        self.under_way < WINDOW
    }

    /// So many bytes were read of it.
    pub fn was_read(&mut self, count: usize, over: bool) {
        self.under_way += count;
        if over {
            self.read_since += count;
        }
        let fills = !over && count < SHORT;
        self.fills_until = fills.then(|| Instant::now() + FILLS_FOR);
    }

    /// The outside has passed on so many bytes of it.
    pub fn was_taken(&mut self, count: usize) {
        self.under_way = self.under_way.saturating_sub(count);
    }

    /// There is no more to come that would be worth waiting for.
    pub fn fill_no_more(&mut self) {
        self.fills_until = None;
    }

    /// Whether all that its command itself wrote has been read. The command is over.
    pub fn is_dry(&mut self) -> bool {
        let empty = self.has_room() && !is_readable(&self.fd);
        self.dry |= empty || self.read_since >= PIPE_CAPACITY;
        self.dry
    }

    /// Whether to read it now, or in how long.
    pub fn is_due(&self) -> Result<bool, Duration> {
        let left = self.fills_until.map(|until| until.saturating_duration_since(Instant::now()));
        match left {
            Some(left) if !left.is_zero() && self.has_room() => Err(left),
            _ => Ok(self.has_room()),
        }
    }
}

fn is_readable(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> Output {
        Output::new(Stream::Stdout, std::fs::File::open("/dev/null").unwrap().into())
    }

    #[test]
    fn an_output_fills_after_a_short_read_and_only_then() {
        let mut output = output();
        assert_eq!(output.is_due(), Ok(true));
        output.was_read(1, false);
        assert!(output.is_due().is_err_and(|left| left <= FILLS_FOR));
        std::thread::sleep(FILLS_FOR);
        assert_eq!(output.is_due(), Ok(true));
        output.was_read(SHORT, false);
        assert_eq!(output.is_due(), Ok(true));
        output.was_read(1, true);
        assert_eq!(output.is_due(), Ok(true));
    }

    #[test]
    fn an_output_without_room_is_not_due_and_nobody_waits_for_it() {
        let mut output = output();
        output.was_read(WINDOW - 1, false);
        output.was_read(1, false);
        assert_eq!(output.is_due(), Ok(false));
    }
}
