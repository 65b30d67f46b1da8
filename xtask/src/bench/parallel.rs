//! One to four guests on chapter 8, each with the same number of exits.
//!
//! The machine that counts has one CPU: there we see what a guest costs the others, which is nothing if
//! they share nothing. What several CPUs give can only be seen on several, by the wall clock: on this
//! machine's own KVM, if that runs real mode.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use performance::Group;

use super::image::{self, End, Exits};
use super::{Here, process};

const CHAPTER: &str = "ch08-multi-vcpu";
const GUESTS_MOST: usize = 4;
const NAMES: [&str; GUESTS_MOST] = ["1 guest", "2 guests", "3 guests", "4 guests"];

const EXITS: Exits = Exits { port: image::HYPERCALL, al: image::HC_PUTCHAR, end: End::Halt };

/// The CPU time of an exit.
pub fn measure(here: &Here) -> Result<Vec<Group>> {
    let program = here.chapter(CHAPTER);
    let duration = Duration::from_millis(if here.counted { 30 } else { 500 });
    let count = process::count_for(duration, |count| Ok(run(&program, 1, count)?.cpu))?;
    let mut rounds = Vec::new();
    for round in 1..=here.rounds {
        eprintln!("parallel: round {round} of {}, {count} exits each", here.rounds);
        let values = (1..=GUESTS_MOST).map(|guests| {
            let all =
                process::nanoseconds_each(count, |count| Ok(run(&program, guests, count)?.cpu))?;
            Ok(all / guests as f64)
        });
        rounds.push(values.collect::<Result<Vec<_>>>()?);
    }
    let title = "an exit of chapter 8, with guests side by side on one CPU";
    Ok(vec![Group::of_rounds("parallel", title, here.unit(), &NAMES, &rounds)])
}

/// The time until all guests are done, on this machine's own KVM.
pub fn by_wall_clock(this: &Path, rounds: u32) -> Result<Group> {
    const NAME: &str = "parallel-wall";
    let title = format!("guests of chapter 8 side by side on {} CPUs, until all are done", cpus());
    let program = this.with_file_name(CHAPTER);
    if let Err(error) = run(&program, 1, 1) {
        let first = format!("{error:#}").lines().next().unwrap_or_default().to_owned();
        let why = format!("this machine's own KVM does not run chapter 8: {first}");
        return Ok(Group::missing(NAME, &title, &why));
    }
    let wall = |guests, count| Ok(run(&program, guests, count)?.wall);
    let count = process::count_for(Duration::from_millis(500), |count| wall(1, count))?;
    let mut values = Vec::new();
    for round in 1..=rounds {
        eprintln!("parallel: round {round} of {rounds}, {count} exits each, by the wall clock");
        let seconds = (1..=GUESTS_MOST).map(|guests| {
            Ok(process::nanoseconds_each(count, |count| wall(guests, count))? * f64::from(count)
                / 1e9)
        });
        values.push(seconds.collect::<Result<Vec<_>>>()?);
    }
    Ok(Group::of_rounds(NAME, &title, "s", &NAMES, &values).by_wall_clock())
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn run(program: &Path, guests: usize, count: u32) -> Result<process::Took> {
    let image = tempfile::NamedTempFile::new().context("a file for the image")?;
    fs::write(image.path(), image::exits(EXITS, count)).context("the image")?;
    let mut command = Command::new(program);
    command.args(std::iter::repeat_n(image.path(), guests));
    process::run(&mut command, 0)
}
