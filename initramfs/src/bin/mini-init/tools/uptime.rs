//! `uptime`: how long the machine has been running, and how busy it was lately.

use std::io::{Write, stdout};

use super::{nothing, read};
use crate::failure::Failure;

pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    nothing(arguments)?;
    let line = line(&read("/proc/uptime")?, &read("/proc/loadavg")?)
        .ok_or_else(|| Failure::new("cannot make sense of /proc/uptime"))?;
    stdout().write_all(line.as_bytes())?;
    Ok(0)
}

fn line(uptime: &str, load: &str) -> Option<String> {
    let seconds = uptime.split('.').next()?.parse::<u64>().ok()?;
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    let days = match days {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        days => format!("{days} days, "),
    };
    let load: Vec<_> = load.split(' ').take(3).collect();
    let seconds = seconds % 60;
    Some(format!(
        "up {days}{hours:02}:{minutes:02}:{seconds:02}, load average: {}\n",
        load.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(
            line("7.42 3.00\n", "0.00 0.01 0.05 1/33 44\n").as_deref(),
            Some("up 00:00:07, load average: 0.00, 0.01, 0.05\n")
        );
        assert_eq!(
            line("93784.00 0\n", "1.00 1.00 1.00 1/1 1\n").as_deref(),
            Some("up 1 day, 02:03:04, load average: 1.00, 1.00, 1.00\n")
        );
        assert_eq!(line("", ""), None);
    }
}
