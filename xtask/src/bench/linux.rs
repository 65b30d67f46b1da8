//! What a boot of Linux costs on chapter 15, and on how many VM exits, against QEMU with KVM.
//!
//! A boot counts from the start of the process to the line that our /init prints first. At that line
//! the process is stopped and KVM's own counters of its VM are read: all exits, not only those that
//! reach user space. The machines take turns, round after round.

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use performance::{Group, median, rounded};

use super::Here;
use super::boot::{MACHINES, MARK, Machine};
use super::counters::{Counters, Kind};
use super::process::cpu_time_of_children;

/// One boot.
struct Boot {
    /// What it had of the CPU, in user mode, in the kernel and as a guest.
    cpu: f64,
    counters: Counters,
}

pub fn measure(here: &Here) -> Result<Vec<Group>> {
    Counters::check()?;
    let mut rounds = Vec::new();
    // The first round only brings what is read into memory.
    for round in 0..=here.rounds {
        let boots = MACHINES.iter().map(|machine| {
            let boot = boot(machine, here)?;
            let exits = boot.counters.exits();
            eprintln!("linux: round {round} of {}: {exits:6} exits  {}", here.rounds, machine.name);
            Ok(boot)
        });
        let boots = boots.collect::<Result<Vec<_>>>()?;
        if round > 0 {
            rounds.push(boots);
        }
    }
    Ok(groups(&rounds, here.unit()))
}

fn boot(machine: &Machine, here: &Here) -> Result<Boot> {
    let before = cpu_time_of_children()?;
    let mut running = machine.start(here)?;
    running.wait_for(MARK)?;
    let pid = running.pid();
    // All its threads leave the guest, and what comes after the line is not counted.
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).context("cannot stop it")?;
    let counters = Counters::of_process(pid)?;
    running.end()?;
    Ok(Boot { cpu: (cpu_time_of_children()? - before).as_secs_f64() * 1e9, counters })
}

fn groups(rounds: &[Vec<Boot>], unit: &str) -> Vec<Group> {
    let names = MACHINES.each_ref().map(|machine| machine.name);
    let values = |value: fn(&Boot) -> f64| -> Vec<Vec<f64>> {
        rounds.iter().map(|boots| boots.iter().map(value).collect()).collect()
    };
    let cpu = values(|boot| boot.cpu);
    let exits = values(|boot| boot.counters.exits() as f64);
    let mut exits = Group::of_rounds("linux-exits", "Linux up to `/init`", "exits", &names, &exits);
    for (index, row) in exits.rows.iter_mut().enumerate() {
        for kind in Kind::ALL {
            let counts = rounds.iter().map(|boots| boots[index].counters.of_kind(kind) as f64);
            row.parts.insert(kind.name().to_owned(), rounded(median(counts)));
        }
    }
    vec![Group::of_rounds("linux", "Linux up to `/init`", unit, &names, &cpu), exits]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(cpu: f64, exits: u64) -> Boot {
        let counters = [("exits", exits), ("io_exits", 10)];
        Boot { cpu, counters: counters.into_iter().collect() }
    }

    #[test]
    fn exits_are_told_by_kind() {
        let round = || vec![boot(2e9, 100), boot(3e9, 400), boot(4e9, 200)];
        let groups = groups(&[round(), round()], "instructions");
        let ratios =
            |group: &Group| -> Vec<f64> { group.rows.iter().map(|row| row.ratio).collect() };
        assert_eq!(ratios(&groups[0]), [1.0, 1.5, 2.0]);
        assert_eq!(ratios(&groups[1]), [1.0, 4.0, 2.0]);
        assert_eq!(groups[1].rows[1].parts["I/O"], 10.0);
        assert_eq!(groups[1].rows[1].parts["other"], 390.0);
    }
}
