//! How long a program may take.

use std::cell::Cell;
use std::time::Duration;

/// Whatever makes an answer hang in one run makes it hang in the others, too: once it has, they get
/// less time, so that nobody waits for minutes to hear the same again.
#[derive(Default)]
pub struct Patience {
    has_hung: Cell<bool>,
    /// What the slowest run took that came to its end.
    slowest: Cell<Duration>,
}

impl Patience {
    /// How much of `whole` a run gets now: all of it, or if one hung before, half. That is still
    /// long, and on a machine so slow that it is not, it is ten times what others took.
    pub fn of(&self, whole: Duration) -> Duration {
        if !self.has_hung.get() {
            return whole;
        }
        (whole / 2).max(self.slowest.get() * 10).min(whole)
    }

    /// One came to its end.
    pub fn note_end(&self, took: Duration) {
        self.slowest.set(self.slowest.get().max(took));
    }

    /// One did not.
    pub fn note_hang(&self) {
        self.has_hung.set(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shorter_after_a_hang_and_never_too_short_for_a_slow_machine() {
        let seconds = Duration::from_secs;
        let patience = Patience::default();
        patience.note_end(seconds(1));
        assert_eq!(patience.of(seconds(60)), seconds(60));
        patience.note_hang();
        assert_eq!(patience.of(seconds(60)), seconds(30));
        patience.note_end(seconds(4));
        patience.note_end(seconds(2));
        assert_eq!(patience.of(seconds(60)), seconds(40));
        patience.note_end(seconds(20));
        assert_eq!(patience.of(seconds(60)), seconds(60));
    }
}
