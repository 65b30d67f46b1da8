//! What a Linux costs that waits at its shell's prompt.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use performance::Group;

use super::Here;
use super::boot::{MACHINES, Machine, PROMPT};
use super::counters::Counters;

/// After the prompt, until the kernel has done what it does after a boot.
const SETTLES: Duration = Duration::from_secs(5);
/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(20);

pub fn measure(here: &Here) -> Result<Vec<Group>> {
    Counters::check()?;
    eprintln!("idle: each machine is watched for {} s", WATCHED.as_secs());
    let seconds =
        MACHINES.iter().map(|machine| second(machine, here)).collect::<Result<Vec<_>>>()?;
    let names = MACHINES.each_ref().map(|machine| machine.name);
    let (exits, cpu): (Vec<_>, Vec<_>) = seconds.into_iter().unzip();
    let title = "a second of Linux at its shell's prompt";
    Ok(vec![
        Group::of_rounds("idle", title, here.unit(), &names, &[cpu]),
        Group::of_rounds("idle-exits", title, "exits", &names, &[exits]),
    ])
}

/// Exits, and nanoseconds of CPU time, in a second.
fn second(machine: &Machine, here: &Here) -> Result<(f64, f64)> {
    let mut running = machine.start(here)?;
    running.wait_for(PROMPT)?;
    sleep(SETTLES);
    let pid = running.pid();
    let (start, exits, cpu) = (Instant::now(), Counters::of_process(pid)?.exits(), cpu_time(pid)?);
    sleep(WATCHED);
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_time(pid)? - cpu);
    let exits = Counters::of_process(pid)?.exits() - exits;
    running.end()?;
    Ok((exits as f64 / seconds, cpu.as_secs_f64() * 1e9 / seconds))
}

/// What a process, all its threads together, had of the CPU. clock_getcpuclockid(3).
fn cpu_time(pid: u32) -> Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid.cast_signed()))
        .context("a process's CPU time clock")?;
    Ok(clock_gettime(clock).context("a process's CPU time")?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_had_some_time() {
        let mut before = cpu_time(std::process::id()).unwrap();
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(20) {
            let now = cpu_time(std::process::id()).unwrap();
            assert!(now >= before);
            before = now;
        }
        assert!(before > Duration::ZERO);
        // Higher than a process can be. proc(5), pid_max.
        assert!(cpu_time(4_194_305).is_err());
    }
}
