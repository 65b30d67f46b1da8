//! A real-time clock: Motorola MC146818, as far as a guest needs it to know the time.

use std::time::SystemTime;

/// Written: which register is meant.
pub const INDEX: u16 = 0x70;
/// Read: that register.
pub const DATA: u16 = 0x71;

/// The other bit of the index switches non-maskable interrupts off, of which we have none.
const INDEX_BITS: u8 = 0x7f;

/// The registers that we have.
const SECONDS: u8 = 0x00;
const MINUTES: u8 = 0x02;
const HOURS: u8 = 0x04;
const DAY_OF_WEEK: u8 = 0x06;
const DAY: u8 = 0x07;
const MONTH: u8 = 0x08;
const YEAR: u8 = 0x09;
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;
const STATUS_D: u8 = 0x0d;

const DAY_SECONDS: u64 = 24 * 60 * 60;
/// 1 January 1970 was a Thursday; Sunday is 0 here.
const FIRST_DAY_OF_WEEK: u64 = 4;

#[derive(Default)]
pub struct Clock {
    /// The Unix time at which it stands still.
    pub stopped_at: Option<u32>,
    selected: u8,
}

impl Clock {
    pub fn select(&mut self, register: u8) {
        self.selected = register & INDEX_BITS;
    }

    pub fn read(&self) -> u8 {
        register(self.selected, self.stopped_at.map_or_else(now, u64::from))
    }
}

/// The Unix time. Before 1970 it was not in use.
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

/// What is in a register at this Unix time.
fn register(number: u8, time: u64) -> u8 {
    let days = time / DAY_SECONDS;
    let (year, month, day) = date(days);
    match number {
        SECONDS => bcd(time % 60),
        MINUTES => bcd(time / 60 % 60),
        HOURS => bcd(time / 3600 % 24),
        DAY_OF_WEEK => bcd((days + FIRST_DAY_OF_WEEK) % 7 + 1),
        DAY => bcd(day),
        MONTH => bcd(month),
        YEAR => bcd(year % 100),
        STATUS_A => 0x26, // a crystal of 32768 Hz, a slow square wave, no update in progress
        STATUS_B => 0x02, // BCD, 24 hours, no interrupts
        STATUS_D => 0x80, // the battery is good
        _ => 0,
    }
}

/// A decimal digit in each half.
fn bcd(value: u64) -> u8 {
    (16 * (value / 10) + value % 10) as u8
}

/// Year, month and day, so many days after 1 January 1970.
fn date(mut days: u64) -> (u64, u64, u64) {
    let (mut year, mut month) = (1970, 1);
    loop {
        let length = days_of(month, year);
        if days < length {
            return (year, month, days + 1);
        }
        days -= length;
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
}

fn days_of(month: u64, year: u64) -> u64 {
    let is_leap_year =
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap_year => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registers_hold_the_time_in_bcd() {
        let registers = [SECONDS, MINUTES, HOURS, DAY_OF_WEEK, DAY, MONTH, YEAR];
        let at = |time| registers.map(|number| register(number, time));
        assert_eq!(at(0), [0, 0, 0, 5, 0x01, 0x01, 0x70]);
        // Tuesday, 29 February 2000, 23:59:58: a leap year, though 1900 was none.
        assert_eq!(at(951_868_798), [0x58, 0x59, 0x23, 3, 0x29, 0x02, 0x00]);
        assert_eq!(at(u32::MAX.into()), [0x15, 0x28, 0x06, 1, 0x07, 0x02, 0x06]);
    }

    #[test]
    fn a_register_is_selected_without_the_highest_bit() {
        let mut clock = Clock { stopped_at: Some(59), ..Default::default() };
        assert_eq!(clock.read(), 0x59);
        clock.select(0x8b);
        assert_eq!(clock.read(), 0x02);
        clock.select(0x7f);
        assert_eq!(clock.read(), 0);
    }
}
