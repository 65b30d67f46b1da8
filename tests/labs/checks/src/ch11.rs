//! A clock, a timer, another keyboard.

use std::fmt::Write;
use std::time::SystemTime;

use fastrand::Rng;

use crate::Check;
use crate::answer::{Answer, text};
use crate::guest::Place;
use crate::ran::Ran;
use crate::verdict::Result;

pub const CHECKS: &[(&str, Check)] = &[("clock", clock), ("timer", timer), ("layout", layout)];

/// A subroutine that prints `AL` as two hexadecimal digits, for 16 bits and for 32. DX is the
/// hypercalls' port.
const HEX: &str = "
hex:    mov     %al, %ah
        shr     $4, %al
        call    digit
        mov     %ah, %al
        and     $0xf, %al
digit:  add     $'0', %al
        cmp     $'9', %al
        jbe     print
        add     $'a' - '0' - 10, %al
print:  mov     %al, %bl
        mov     $HC_PUTCHAR, %al
        out     %al, %dx
        ret
";

const EXIT: &str = "        mov     $0, %bl
        mov     $HC_EXIT, %al
        out     %al, %dx
";

/// The modes by name, and where and how their guests are assembled.
const MODES: [(&str, Place, &str); 4] = [
    ("real", Place::Real, ".code16"),
    ("protected", Place::Protected, ".code32"),
    ("paging", Place::Paging, ".code32"),
    ("interrupts", Place::Protected, ".code32"),
];

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Registers with the time.
const SECONDS: u8 = 0;
const MINUTES: u8 = 2;
const HOURS: u8 = 4;
const DAY_OF_WEEK: u8 = 6;
const DAY: u8 = 7;
const MONTH: u8 = 8;
const YEAR: u8 = 9;

fn clock(answer: &mut Answer) -> Result<()> {
    let random = &mut answer.random;
    // The last second of a leap day, of an ordinary February, and of a year; midnight, and both ends.
    let times = [
        951_868_799,
        1_109_635_199,
        1_767_225_599,
        1_709_164_800 + 86_400 * random.u32(0..1000),
        0,
        u32::MAX,
        random.u32(..),
        random.u32(..),
    ];
    for (time, (mode, ..)) in times.into_iter().zip(MODES.iter().cycle()) {
        let registers = registers(&mut answer.random);
        let ran = read_clock(answer, mode, &registers, &["--clock", &time.to_string()])?;
        let mut expected = format!("first {:02x}\n", in_register(SECONDS, time.into()));
        for register in registers {
            let value = in_register(register & 0x7f, time.into());
            let _ = writeln!(expected, "{register:02x}: {value:02x}");
        }
        // That an option or a port is not known says more than what is not printed.
        ran.status(0)?.stdout(expected)?;
    }

    // And the time that it is.
    let registers = [YEAR, MONTH, DAY, HOURS, MINUTES, SECONDS];
    let before = now();
    let ran = read_clock(answer, "real", &registers, &[])?;
    ran.status(0)?;
    let printed = ran.stdout_text();
    let said: Vec<u64> =
        printed.lines().skip(1).filter_map(|line| line.split_once(": ")?.1.parse().ok()).collect();
    let [year, month, day, hours, minutes, seconds] = said[..] else {
        return ran.fail(&format!("the clock is not in BCD:\n{printed}"));
    };
    let said = days(2000 + year, month, day) * DAY_SECONDS + hours * 3600 + minutes * 60 + seconds;
    // The guest may have read the hour before and the second after a minute went by.
    if !(before.saturating_sub(60)..=now() + 60).contains(&said) {
        return ran
            .fail(&format!("by the guest's clock it is {said}, in Unix time, and not {before}"));
    }

    for bad in ["-1", "4294967296", "soon", "1.5", ""] {
        answer.run(["--clock", bad, "hello"]).finish()?.status(64)?.stdout("")?;
    }
    Ok(())
}

/// All that the page speaks of and some others, in any order, some with bit 7.
fn registers(random: &mut Rng) -> Vec<u8> {
    let mut registers =
        vec![SECONDS, MINUTES, HOURS, DAY_OF_WEEK, DAY, MONTH, YEAR, 0x0a, 0x0b, 0x0d, 1, 0x0c];
    registers.push(random.u8(0x0e..0x7f));
    random.shuffle(&mut registers);
    registers.into_iter().map(|register| register | random.u8(..) & 0x80).collect()
}

/// Has a guest print these registers, after that which is selected at first. It writes to the clock,
/// too, in vain.
fn read_clock(answer: &Answer, mode: &str, registers: &[u8], options: &[&str]) -> Result<Ran> {
    let (_, place, bits) = MODES.into_iter().find(|(name, ..)| *name == mode).unwrap_or(MODES[0]);
    let mut source = format!("        {bits}\n        mov     $HYPERCALL_PORT, %dx\n");
    for letter in "first ".chars() {
        let _ = writeln!(source, "        mov     $'{letter}', %al\n        call    print");
    }
    source += "        in      $0x71, %al
        call    hex
        mov     $HC_NEWLINE, %al
        out     %al, %dx
";
    for register in registers {
        let _ = writeln!(
            source,
            "        mov     ${register}, %al
        out     %al, $0x70
        call    hex
        mov     $':', %al
        call    print
        mov     $' ', %al
        call    print
        mov     $0x21, %al
        out     %al, $0x71
        in      $0x71, %al
        call    hex
        mov     $HC_NEWLINE, %al
        out     %al, %dx"
        );
    }
    source += EXIT;
    source += HEX;
    let image = answer.assemble(&format!("clock-{mode}"), place, &source)?;
    answer.run(["--mode", mode].iter().chain(options).chain(&[text(&image)])).finish()
}

/// What is in a register at this Unix time.
fn in_register(register: u8, time: u64) -> u8 {
    let days = time / DAY_SECONDS;
    let (year, month, day) = date(days);
    let value = match register {
        SECONDS => time % 60,
        MINUTES => time / 60 % 60,
        HOURS => time / 3600 % 24,
        DAY_OF_WEEK => (days + 4) % 7 + 1,
        DAY => day,
        MONTH => month,
        YEAR => year % 100,
        0x0a => return 0x26,
        0x0b => return 0x02,
        0x0d => return 0x80,
        _ => return 0,
    };
    (value / 10 * 16 + value % 10) as u8
}

/// The date of a day, counted from 1 January 1970. Years begin in March here, so that a leap day is
/// the last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 1 March 0
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = 400 * era + year_of_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// The same the other way round.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    (365 * year + year / 4 - year / 100 + year / 400 + day_of_year) - 719_468
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

fn timer(answer: &mut Answer) -> Result<()> {
    let mut modes = [0, 2, 3, 4];
    answer.random.shuffle(&mut modes);
    let count = answer.random.u16(2..20_000);
    let large = answer.random.u16(20_000..);
    let status = answer.random.u8(1..64);
    for (count, mode) in [(count, modes[0]), (large, modes[1]), (0, modes[2])] {
        let set = set_timer(0, mode, count);
        let end = format!(
            "        mov     ${status}, %bl\n        mov     $HC_EXIT, %al\n        out     %al, %dx\n"
        );
        let ran = run_timer(answer, &format!("timer-{count}"), &(set + &end), &["--timer"])?;
        ran.status(status.into())?;
        ends_with(&ran, &line(count, mode))?;
    }
    // The last count is what counts; and a crash is an end, too.
    let twice = set_timer(0, modes[3], large) + &set_timer(0, modes[0], count) + "        ud2\n";
    let ran = run_timer(answer, "timer-twice", &twice, &["--timer"])?;
    ran.status(65)?.stderr_has("exception 6 (#UD)")?;
    ends_with(&ran, &line(count, modes[0]))?;

    let other_channel = set_timer(2, 3, large) + EXIT;
    let ran = run_timer(answer, "timer-of-speaker", &other_channel, &["--timer"])?;
    ends_with(&ran, "  timer: not set")?;
    let ran = run_timer(answer, "timer-of-speaker", &other_channel, &[])?;
    no_timer(&ran, 0)?;
    // Side by side with one that has no timer.
    let ran = run_timer(answer, "timer-of-speaker", &other_channel, &["--timer", "hello"])?;
    no_timer(&ran, 1)?;
    let ran = answer.run(["--timer", "hello"]).finish()?;
    no_timer(&ran, 0)?;
    ran.status(0)?.stdout("Hello, KVM!\n")?;

    let ran = answer.run(["--timer", "ticker"]).finish()?;
    ran.status(0)?.stdout("One IRQ at a time\n")?;
    ends_with(&ran, "  timer: count 59659, mode 2, 20.0 Hz")
}

/// Programs a channel: the low byte, then the high one.
fn set_timer(channel: u16, mode: u16, count: u16) -> String {
    let [low, high] = count.to_le_bytes();
    let (command, port) = (channel << 6 | 0x30 | mode << 1, 0x40 + channel);
    [(command, 0x43), (low.into(), port), (high.into(), port)]
        .map(|(byte, port)| {
            format!("        mov     ${byte}, %al\n        out     %al, ${port:#x}\n")
        })
        .concat()
}

fn run_timer(answer: &Answer, name: &str, code: &str, options: &[&str]) -> Result<Ran> {
    let source = format!("        .code32\n        mov     $HYPERCALL_PORT, %dx\n{code}");
    let image = answer.assemble(name, Place::Protected, &source)?;
    answer.run(["--mode", "interrupts"].iter().chain(options).chain(&[text(&image)])).finish()
}

/// What `--timer` says of a count, where 0 is 65536 to the timer.
fn line(count: u16, mode: u16) -> String {
    let count = if count == 0 { 0x1_0000 } else { u32::from(count) };
    format!("  timer: count {count}, mode {mode}, {:.1} Hz", 1_193_182.0 / f64::from(count))
}

fn ends_with(ran: &Ran, expected: &str) -> Result<()> {
    let said = ran.stderr_text();
    match said.lines().last() {
        Some(last) if last == expected => Ok(()),
        last => ran.fail(&format!(
            "the last line on standard error is {:?}, not {expected:?}",
            last.unwrap_or_default()
        )),
    }
}

/// So many lines on standard error are about a timer.
fn no_timer(ran: &Ran, expected: usize) -> Result<()> {
    let said = ran.stderr_text();
    let lines = said.lines().filter(|line| line.starts_with("  timer: ")).count();
    if lines == expected {
        return Ok(());
    }
    ran.fail(&format!("{lines} lines on standard error are about a timer, not {expected}"))
}

/// The rows of keys, by their first scancode: what they type on a US keyboard and on a Dvorak one.
const ROWS: [(u8, &str, &str); 4] = [
    (0x02, "1234567890-=", "1234567890[]"),
    (0x10, "qwertyuiop[]", "',.pyfgcrl/="),
    (0x1e, "asdfghjkl;'", "aoeuidhtns-"),
    (0x2c, "zxcvbnm,./", ";qjkxbmwvz"),
];
/// Those that are where they were.
const OTHERS: &[(u8, u8)] = &[
    (0x01, 0x1b),
    (0x0e, 0x08),
    (0x0f, b'\t'),
    (0x1c, b'\n'),
    (0x29, b'`'),
    (0x2b, b'\\'),
    (0x37, b'*'),
    (0x39, b' '),
];
const PLAIN: &str = "1234567890-=[];'`\\,./";
const SHIFTED: &str = "!@#$%^&*()_+{}:\"~|<>?";

const ESCAPE: u8 = 0x1b;

fn layout(answer: &mut Answer) -> Result<()> {
    let mut typed: Vec<u8> = (b' '..=b'~').chain([b'\n', b'\t', b'\r', 0x08, 0x7f]).collect();
    // Those with Ctrl; among them are some that are keys of their own.
    typed.extend((1..=26).filter(|byte| !matches!(byte, 8 | 9 | 10 | 13)));
    for is_dvorak in [true, false] {
        answer.random.shuffle(&mut typed);
        let options: &[&str] =
            if is_dvorak { &["--layout", "dvorak"] } else { &["--layout", "us"] };
        presses(answer, options, &typed, is_dvorak)?;
    }
    presses(answer, &[], &typed, false)?;

    // A guest that takes the keyboard for a US one shows which keys it were. Ctrl-E is its Ctrl-D.
    let letters: String = (0..20).map(|_| answer.random.lowercase()).collect();
    let keys = |(row, at): (usize, usize)| char::from(ROWS[row].1.as_bytes()[at]);
    let shown: String = letters.bytes().filter_map(|byte| key_of(byte, true)).map(keys).collect();
    let ran =
        answer.run(["--layout", "dvorak", "typist"]).input(format!("{letters}\x05").as_bytes());
    let ran = ran.finish()?;
    if !ran.stdout_text().starts_with(&shown) {
        return ran.fail(&format!("the guest, set to a US keyboard, did not see {shown:?}"));
    }
    ran.status(0)?;
    answer.run(["--layout", "qwertz", "hello"]).finish()?.status(64)?.stdout("")?;
    Ok(())
}

/// The row and the place in it of the key that types this.
fn key_of(byte: u8, is_dvorak: bool) -> Option<(usize, usize)> {
    ROWS.iter().enumerate().find_map(|(row, (_, us, dvorak))| {
        let keys = if is_dvorak { dvorak } else { us };
        Some((row, keys.bytes().position(|key| key == byte)?))
    })
}

/// What the keyboard has to send for a byte.
fn scancodes(byte: u8, is_dvorak: bool) -> Vec<u8> {
    let key = |byte: u8| {
        let in_row = key_of(byte, is_dvorak).map(|(row, at)| ROWS[row].0 + at as u8);
        in_row.or_else(|| OTHERS.iter().find(|(_, other)| *other == byte).map(|(key, _)| *key))
    };
    let byte = match byte {
        b'\r' => b'\n',
        0x7f => 0x08,
        other => other,
    };
    let partner = SHIFTED.bytes().position(|shifted| shifted == byte);
    let partner = match partner.map(|at| PLAIN.as_bytes()[at]) {
        None if byte.is_ascii_uppercase() => Some(byte.to_ascii_lowercase()),
        partner => partner,
    };
    if let Some(key) = key(byte) {
        vec![key, key | 0x80]
    } else if let Some(key) = partner.and_then(key) {
        vec![0x2a, key, key | 0x80, 0xaa]
    } else if let Some(key) = key(byte + b'`') {
        vec![0x1d, key, key | 0x80, 0x9d]
    } else {
        Vec::new()
    }
}

/// Has a guest print the scancodes for these bytes. It ends when Escape is let go.
fn presses(answer: &Answer, options: &[&str], typed: &[u8], is_dvorak: bool) -> Result<()> {
    let source = format!(
        "        .code16
        mov     $HYPERCALL_PORT, %dx
next:   in      $0x64, %al
        test    $1, %al
        jz      next
        in      $0x60, %al
        mov     %al, %cl
        call    hex
        mov     $' ', %al
        call    print
        cmp     $0x81, %cl
        jne     next
{EXIT}{HEX}"
    );
    let image = answer.assemble("keys", Place::Real, &source)?;
    let input = [typed, &[ESCAPE]].concat();
    let ran = answer.run(options.iter().chain(&[text(&image)])).input(&input).finish()?;
    ran.status(0)?;
    let printed = ran.stdout_text();
    let mut sent = printed.split_whitespace();
    for byte in input {
        let expected: Vec<_> =
            scancodes(byte, is_dvorak).iter().map(|key| format!("{key:02x}")).collect();
        let sent: Vec<_> = sent.by_ref().take(expected.len()).collect();
        if sent != expected {
            return ran.fail(&format!(
                "for '{}' the keyboard sent {}, and not {}",
                byte.escape_ascii(),
                sent.join(" "),
                expected.join(" ")
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_and_its_day_are_the_same() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        for day in (0..60_000).step_by(7) {
            let (year, month, day_of_month) = date(day);
            assert_eq!(days(year, month, day_of_month), day);
        }
    }
}
