//! How long a command takes in a nest: the first one, and the next.
//!
//! By this machine's clock, for that is what a person waits by. The nest is one of our own, in a target
//! directory of its own, so that the user's stays as it is.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use performance::Group;

use super::process;
use crate::places::Places;

/// How many commands follow the first in a round.
const NEXT: u32 = 5;

const CHAPTER: &str = "ch03-hlt";

/// How long a nest stays after its last command, in seconds.
const IDLE: &str = "MINI_KVM_NEST_IDLE";

pub fn measure(this: &Path, rounds: u32) -> Result<Group> {
    let places = Places::find()?;
    let chapter = this.with_file_name(CHAPTER);
    // All that a nest consists of is had now, and does not count.
    process::run(in_nest(this, &chapter).env(IDLE, "0"), 0)?;
    let mut values = Vec::new();
    for round in 1..=rounds {
        eprintln!("nest: round {round} of {rounds}");
        let nest = Nest::new(&places, this)?;
        let seconds = || -> Result<f64> {
            Ok(process::run(&mut in_nest(&nest.xtask, &chapter), 0)?.wall.as_secs_f64())
        };
        let first = seconds()?;
        let next = (0..NEXT).map(|_| seconds()).collect::<Result<Vec<_>>>()?;
        values.push(vec![first, performance::median(next.into_iter())]);
    }
    let names = ["the first command", "the next"];
    let title = "`ch03-hlt` in a nest";
    Ok(Group::of_rounds("nest", title, "s", &names, &values).by_wall_clock())
}

fn in_nest(xtask: &Path, program: &Path) -> Command {
    let mut command = Command::new(xtask);
    command.arg("run").arg(program).env("MINI_KVM", "nest").env(IDLE, "60");
    command
}

/// A target directory with nothing but this program and what nests consist of, so that no other nest
/// is found there. A nest ends with its target directory.
struct Nest {
    target: PathBuf,
    xtask: PathBuf,
}

impl Nest {
    fn new(places: &Places, this: &Path) -> Result<Self> {
        let target = places.target.join(format!("bench-nest-{}", std::process::id()));
        let nest = Self { xtask: target.join("release/xtask"), target };
        let (release, pieces) = (nest.target.join("release"), nest.target.join("nest"));
        for directory in [&release, &pieces] {
            fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        }
        fs::copy(this, &nest.xtask).with_context(|| nest.xtask.display().to_string())?;
        let entries =
            fs::read_dir(&places.nest).with_context(|| places.nest.display().to_string())?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().context("a file without a name")?;
            if name != "lock" && !path.join("lock").exists() {
                symlink(std::path::absolute(&path)?, pieces.join(name))
                    .with_context(|| path.display().to_string())?;
            }
        }
        Ok(nest)
    }
}

impl Drop for Nest {
    fn drop(&mut self) {
        // A nest that ended with its command is not there to be ended.
        let _ = process::run(Command::new(&self.xtask).args(["nest", "down"]), 0);
        let _ = fs::remove_dir_all(&self.target);
    }
}
