//! Builds `mini-init` statically, by another cargo.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Builds it, in a target directory of its own: what the workspace builds beside it is not static,
/// and the two would take turns.
pub fn mini_init(workspace: &Path, target: &Path) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["rustc", "--quiet", "--package", "initramfs", "--bin", "mini-init"])
        .args(["--profile", "small"])
        .arg("--manifest-path")
        .arg(workspace.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .args(["--", "-C", "target-feature=+crt-static", "-C", "relocation-model=static"])
        .status()
        .context("cannot run cargo, which builds mini-init")?;
    if !status.success() {
        bail!(
            "mini-init cannot be built\n  \
             if the linker misses -lc, there is no static C library:\n  \
             Debian, Ubuntu: apt-get install libc6-dev\n  \
             Fedora: dnf install glibc-static\n  \
             Arch: pacman -S glibc"
        );
    }
    Ok(target.join("small/mini-init"))
}
