//! How long nothing was heard.

use std::time::{Duration, Instant};

/// Seconds without a word. Seconds in which we were stopped, stuck or suspended do not count: however
/// long ago the last one was counted, the next look counts one.
pub struct Silence {
    pub seconds: u32,
    counted: Instant,
}

impl Silence {
    pub fn new() -> Self {
        Self { seconds: 0, counted: Instant::now() }
    }

    /// Whether another second has gone by.
    pub fn count(&mut self) -> bool {
        let over = self.counted.elapsed() >= Duration::from_secs(1);
        if over {
            self.counted = Instant::now();
            self.seconds += 1;
        }
        over
    }
}
