//! `kill [-SIGNAL] PROCESS...`: sends a signal; `TERM` if not told otherwise.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::each;
use crate::failure::{Failure, Named};

pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    let (signal, processes) = parse(arguments)?;
    Ok(each("kill", processes, |process| {
        let id = process.parse().map_err(|_| Failure::usage(format!("{process}: not a number")))?;
        kill(Pid::from_raw(id), signal).named(process)
    }))
}

fn parse(arguments: &[String]) -> Result<(Signal, &[String]), Failure> {
    let (signal, processes) = match arguments.split_first() {
        Some((first, rest)) => match first.strip_prefix('-') {
            Some(name) => (signal(name)?, rest),
            None => (Signal::SIGTERM, arguments),
        },
        None => (Signal::SIGTERM, arguments),
    };
    if processes.is_empty() {
        return Err(Failure::usage("usage: kill [-SIGNAL] PROCESS..."));
    }
    Ok((signal, processes))
}

/// `KILL`, `SIGKILL` or `9`.
fn signal(name: &str) -> Result<Signal, Failure> {
    let by_number = name.parse().ok().and_then(|number: i32| Signal::try_from(number).ok());
    let full = if name.starts_with("SIG") { name.to_owned() } else { format!("SIG{name}") };
    by_number
        .or_else(|| full.parse().ok())
        .ok_or_else(|| Failure::usage(format!("{name}: not a signal")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_and_processes() {
        let parsed = |words: &str| -> Result<(Signal, usize), Failure> {
            let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
            parse(&words).map(|(signal, processes)| (signal, processes.len()))
        };
        assert_eq!(parsed("1 2").unwrap(), (Signal::SIGTERM, 2));
        assert_eq!(parsed("-9 1").unwrap(), (Signal::SIGKILL, 1));
        assert_eq!(parsed("-KILL 1").unwrap(), (Signal::SIGKILL, 1));
        assert_eq!(parsed("-SIGINT 1").unwrap(), (Signal::SIGINT, 1));
        assert_eq!(parsed("-NONE 1").unwrap_err().status, 2);
        assert_eq!(parsed("").unwrap_err().status, 2);
    }
}
