//! A machine whose clock counts: the nest, with one nanosecond for each instruction.
//!
//! QEMU's `-icount` makes all clocks of the emulated machine, its time stamp counter too, go by the
//! instructions that it has executed. `sleep=off` lets them jump to the next timer when it is idle,
//! rather than wait for it. With more than one CPU it hangs, so there is one.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use performance::{Clock, Group};
use tempfile::TempDir;

use super::{Name, tools};
use crate::linux::Piece;
use crate::places::Places;
use crate::programs;

const QEMU: &str = "qemu-system-x86_64";

/// Has the groups measured by `this` program in a nest that counts, or else on this machine.
pub fn measure(names: &[Name], rounds: u32, this: &Path, counted: bool) -> Result<Vec<Group>> {
    let names: Vec<_> = names.iter().filter(|name| **name != Name::Nest).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let places = Places::find()?;
    let tools = tools::build(&places)?;
    let kernel = Piece::Kernel.prepare(&places)?;
    let initrd = Piece::Initrd.prepare(&places)?;
    let qemu = programs::find(QEMU)
        .with_context(|| format!("{QEMU} is not installed, which we compare with: install it"))?;

    let mut command = Command::new(this);
    // Cargo has the dynamic linker search its folders first, which no other start would cost.
    command.env_remove("LD_LIBRARY_PATH");
    command.arg("run").arg(this).args(["bench", "--here", "--rounds", &rounds.to_string()]);
    for (option, path) in
        [("--tools", &tools), ("--kernel", &kernel), ("--initrd", &initrd), ("--qemu", &qemu)]
    {
        command.arg(option).arg(std::path::absolute(path)?);
    }
    command.args(
        names
            .iter()
            .filter_map(|name| name.to_possible_value())
            .map(|name| name.get_name().to_owned()),
    );
    let counting = CountingQemu::new(&qemu, &places.target)?;
    if counted {
        command.arg("--counted");
        // A nest of its own, that goes with its command.
        command
            .env("MINI_KVM", "nest")
            .env("MINI_KVM_NEST_IDLE", "0")
            .env("PATH", counting.path()?);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| programs::shown(&command))?;
    let lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
    let groups = lines.map(|line| read(&line?, counted)).collect::<Result<Vec<_>>>();
    let status = child.wait().context("the measurement")?;
    ensure!(status.success(), "the measurement failed: {status}");
    groups
}

fn read(line: &str, counted: bool) -> Result<Group> {
    let group: Group = serde_json::from_str(line).with_context(|| format!("no group: {line}"))?;
    Ok(if counted { group } else { Group { clock: Clock::Wall, ..group } })
}

/// A directory with a QEMU that counts, whatever it is started for. It goes when this is dropped.
struct CountingQemu {
    directory: TempDir,
}

impl CountingQemu {
    /// In a directory from which programs can be started: not all that `TMPDIR` names are.
    fn new(qemu: &Path, parent: &Path) -> Result<Self> {
        let directory = tempfile::tempdir_in(parent)
            .with_context(|| format!("cannot make a directory in {}", parent.display()))?;
        let path = directory.path().join(QEMU);
        let qemu = qemu.to_str().context("QEMU's path is not UTF-8")?.replace('\'', r"'\''");
        fs::write(&path, format!("#!/bin/sh\nexec '{qemu}' \"$@\" -icount shift=0,sleep=off\n"))
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { directory })
    }

    /// The `PATH` in which it is found first.
    fn path(&self) -> Result<OsString> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(PathBuf::from(self.directory.path()));
        Ok(std::env::join_paths(paths.chain(std::env::split_paths(&path)))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counting_qemu_is_found_first_and_passes_everything_on() {
        let real = tempfile::tempdir().unwrap();
        let echo = real.path().join("it's echo");
        std::os::unix::fs::symlink("/bin/echo", &echo).unwrap();
        let counting = CountingQemu::new(&echo, real.path()).unwrap();
        let path = counting.path().unwrap();
        let first = std::env::split_paths(&path).next().unwrap().join(QEMU);
        let said = programs::output_of(Command::new(first).args(["-M", "a b"])).unwrap();
        assert_eq!(said, b"-M a b -icount shift=0,sleep=off\n");
    }
}
