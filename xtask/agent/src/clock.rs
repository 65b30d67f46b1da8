//! The nest's clock, which stands still while the machine around it is suspended.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::time::{TimeSpec, TimeValLike};
use nix::time::{ClockId, clock_settime};

/// Less than this is how long a message is under way, on a busy machine.
const TOLERATED: Duration = Duration::from_secs(1);

/// Sets the clock to so many nanoseconds after 1970, if it is wrong.
pub fn set(now: u64) {
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if ours.abs_diff(Duration::from_nanos(now)) > TOLERATED
        && let Ok(now) = i64::try_from(now)
    {
        // It can only fail for a time that there is not.
        let _ = clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::nanoseconds(now));
    }
}
