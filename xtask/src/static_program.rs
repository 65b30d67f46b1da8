//! Builds programs of the workspace that are static, for there are no libraries where they start.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::cargo::cargo;
use crate::places::Places;
use crate::{elf, programs};

/// A program, and where it is built.
pub struct StaticProgram {
    /// What messages call it.
    pub name: &'static str,
    pub package: &'static str,
    pub binary: &'static str,
    /// The profile in the workspace's `Cargo.toml`.
    pub profile: &'static str,
    /// The folder of the package, from the workspace.
    pub sources: &'static str,
    /// A target directory of its own: built as a part of the workspace the program is not static,
    /// and the two would take turns.
    pub target: PathBuf,
}

impl StaticProgram {
    /// Where the program is once it was built.
    pub fn path(&self) -> PathBuf {
        self.target.join(self.profile).join(self.binary)
    }

    /// Whether it is there and no source of it is younger. Asking cargo would take longer.
    pub fn is_fresh(&self) -> bool {
        let Ok(built) = self.path().metadata().and_then(|data| data.modified()) else {
            return false;
        };
        let workspace = Places::workspace();
        let lock = workspace.join("Cargo.lock").metadata().and_then(|data| data.modified());
        lock.is_ok_and(|lock| lock <= built)
            && youngest(&workspace.join(self.sources)).is_some_and(|source| source <= built)
    }

    /// Builds it. The caller holds the lock.
    pub fn build(&self) -> Result<()> {
        let name = self.name;
        if let Some(parent) = self.target.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("cannot make {}", parent.display()))?;
        }
        let log = self.target.with_extension("log");
        let _ = fs::remove_file(&log);
        let mut command = cargo();
        command
            .args(["rustc", "--quiet", "--profile", self.profile])
            .args(["--package", self.package, "--bin", self.binary])
            .arg("--manifest-path")
            .arg(Places::workspace().join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&self.target)
            .args(["--", "-C", "target-feature=+crt-static", "-C", "relocation-model=static"])
            .args(["-C", "strip=symbols"]);
        if let Err(error) = programs::run_logged(&mut command, &log) {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains("cannot find -l") || said.contains("unable to find library -l") {
                bail!(
                    "{name} cannot be linked: there is no static C library (libc.a)\n  \
                     Debian, Ubuntu: apt-get install libc6-dev\n  \
                     Fedora: dnf install glibc-static\n  \
                     Arch: pacman -S glibc"
                );
            }
            return Err(error).with_context(|| format!("{name} cannot be built"));
        }
        let path = self.path();
        let file = fs::read(&path).with_context(|| format!("no {}", path.display()))?;
        if elf::is_dynamic(&file) != Some(false) {
            bail!("{} is not a static program\n  does RUSTFLAGS forbid it?", path.display());
        }
        // Cargo leaves the file as it was when the sources' contents were; then it is fresh all the
        // same.
        let file = File::options().append(true).open(&path)?;
        file.set_modified(SystemTime::now())
            .with_context(|| format!("cannot touch {}", path.display()))
    }
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
