//! Builds the agent: a static program, for there are no libraries where it starts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use super::places::Places;
use super::{elf, programs};

/// Where the agent is once it was built. In a target directory of its own: built as a part of the
/// workspace it is not static, and the two would take turns.
pub fn path(places: &Places) -> PathBuf {
    places.join("agent/release/nest-agent")
}

/// Whether it is there and no source of it is younger. Asking cargo would take longer.
pub fn is_fresh(places: &Places) -> bool {
    let Ok(built) = path(places).metadata().and_then(|data| data.modified()) else {
        return false;
    };
    let workspace = Places::workspace();
    let lock = workspace.join("Cargo.lock").metadata().and_then(|data| data.modified());
    lock.is_ok_and(|lock| lock <= built)
        && youngest(&workspace.join("xtask/agent")).is_some_and(|source| source <= built)
}

/// When the youngest file in a directory was written.
fn youngest(directory: &Path) -> Option<SystemTime> {
    let mut newest = directory.metadata().ok()?.modified().ok()?;
    for entry in directory.read_dir().ok()? {
        let path = entry.ok()?.path();
        let time =
            if path.is_dir() { youngest(&path)? } else { path.metadata().ok()?.modified().ok()? };
        newest = newest.max(time);
    }
    Some(newest)
}

/// Builds it.
pub fn build(places: &Places) -> Result<()> {
    eprintln!("nest: building the agent that runs in there…");
    let workspace = Places::workspace();
    let log = places.join("agent.log");
    let _ = std::fs::remove_file(&log);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["rustc", "--quiet", "--release", "--package", "nest-agent", "--bin", "nest-agent"])
        .arg("--manifest-path")
        .arg(workspace.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(places.join("agent"))
        .args(["--", "-C", "target-feature=+crt-static", "-C", "relocation-model=static"])
        .args(["-C", "strip=symbols"]);
    if let Err(error) = programs::run_logged(&mut command, &log) {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        if said.contains("cannot find -l") || said.contains("unable to find library -l") {
            bail!(
                "the nest's agent cannot be linked: there is no static C library (libc.a)\n  \
                 Debian, Ubuntu: apt-get install libc6-dev\n  \
                 Fedora: dnf install glibc-static\n  \
                 Arch: pacman -S glibc"
            );
        }
        return Err(error).context("the nest's agent cannot be built");
    }
    let path = path(places);
    let file = std::fs::read(&path).with_context(|| format!("no {}", path.display()))?;
    if elf::is_dynamic(&file) != Some(false) {
        bail!("{} is not a static program\n  does RUSTFLAGS forbid it?", path.display());
    }
    // Cargo leaves the file as it was when the sources' contents were; then it is fresh all the same.
    let file = std::fs::File::options().append(true).open(&path)?;
    file.set_modified(SystemTime::now()).context("cannot touch the agent")
}
