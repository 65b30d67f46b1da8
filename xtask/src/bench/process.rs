//! Processes that are measured.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::programs;

/// The CPU time, in user mode, in the kernel and as a guest, of all children that have ended.
pub fn cpu_time_of_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("getrusage")?;
    let time = usage.user_time() + usage.system_time();
    Ok(Duration::from_micros(time.num_microseconds().unsigned_abs()))
}

/// What a process took.
pub struct Took {
    pub cpu: Duration,
    pub wall: Duration,
}

/// Runs a program to its end, which is to be this status, and lets what it prints go nowhere.
pub fn run(command: &mut Command, status: i32) -> Result<Took> {
    command.stdout(Stdio::null());
    finish(command, status).map(|(took, _)| took)
}

/// Runs a program to its end, which is to be this status.
pub fn finish(command: &mut Command, status: i32) -> Result<(Took, Output)> {
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let (start, before) = (Instant::now(), cpu_time_of_children()?);
    let output = command.output().with_context(|| programs::shown(command))?;
    let took = Took { cpu: cpu_time_of_children()? - before, wall: start.elapsed() };
    ensure!(
        output.status.code() == Some(status),
        "{}: {}{}",
        programs::shown(command),
        output.status,
        programs::indented(&String::from_utf8_lossy(&output.stderr))
    );
    Ok((took, output))
}

/// How often a guest has to do something to fill about `duration`, by a trial that grows until it is
/// long itself: a short one would say more about the start of the process.
pub fn count_for(duration: Duration, mut time: impl FnMut(u32) -> Result<Duration>) -> Result<u32> {
    let start = time(1)?;
    let mut count = 1_000;
    loop {
        let taken = time(count)?.saturating_sub(start);
        if taken >= duration / 4 {
            let more = duration.as_secs_f64() / taken.as_secs_f64();
            return Ok((f64::from(count) * more) as u32);
        }
        count = count.checked_mul(2).context("a guest that takes no time")?;
    }
}

/// Nanoseconds each of `count` more takes: so the start of the process does not count.
pub fn nanoseconds_each(count: u32, mut time: impl FnMut(u32) -> Result<Duration>) -> Result<f64> {
    let (few, many) = (time(1)?, time(1 + count)?);
    Ok((many.as_secs_f64() - few.as_secs_f64()) * 1e9 / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that takes 5 ms to start and 2 µs for each.
    #[expect(clippy::unnecessary_wraps, reason = "as a measurement has it")]
    fn time(count: u32) -> Result<Duration> {
        Ok(Duration::from_millis(5) + Duration::from_micros(2) * count)
    }

    #[test]
    fn the_start_of_a_process_does_not_count() {
        let count = count_for(Duration::from_millis(100), time).unwrap();
        assert!((49_000..51_000).contains(&count), "{count}");
        let each = nanoseconds_each(count, time).unwrap();
        assert!((each - 2000.0).abs() < 0.1, "{each}");
    }

    #[test]
    fn a_status_that_is_not_expected_is_shown_with_its_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no kvm >&2; exit 3"]);
        assert!(run(&mut command, 3).is_ok());
        let error = run(&mut command, 0).err().unwrap().to_string();
        assert!(error.ends_with("exit status: 3\n  | no kvm"), "{error}");
    }
}
