//! `cargo xtask linux`: what the chapters boot whose guest is Linux, if nobody names anything else.
//!
//! The script `xtask/runner` puts the lines that this prints into the chapters' environment.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::ValueEnum;
use initramfs::Shell;

use crate::kernel::{self, Flavour, Kernel};
use crate::places::{self, Places};
use crate::static_program::StaticProgram;
use crate::status;

pub const AFTER_HELP: &str = "\
Each is printed as NAME=FILE, the variable in which a chapter finds it. What is missing is fetched or
built first. Nothing is installed: all is kept under target/, and may be deleted at any time.

Exit status: 0, or 66 if one of them cannot be had.";

/// What is meant if nothing is named.
pub const DEFAULT: [&str; 2] = ["kernel", "initrd"];

/// Something to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Piece {
    /// The distribution's kernel for virtual machines
    Kernel,
    /// The initramfs with our own /init and shell
    Initrd,
    /// The same with this machine's bash for the shell
    InitrdBash,
    /// The distribution's kernel for every machine, which the nest runs too
    KernelFull,
}

impl Piece {
    /// The variable in which a chapter finds it.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Kernel => "MINI_KVM_KERNEL",
            Self::Initrd | Self::InitrdBash => "MINI_KVM_INITRD",
            Self::KernelFull => "MINI_KVM_KERNEL_FULL",
        }
    }

    /// How a user names another.
    fn by_name(self) -> &'static str {
        match self {
            Self::Kernel => "--kernel FILE, or MINI_KVM_KERNEL=FILE",
            Self::Initrd | Self::InitrdBash => "--initrd FILE, or MINI_KVM_INITRD=FILE",
            Self::KernelFull => "MINI_KVM_KERNEL_FULL=FILE",
        }
    }

    /// Where it is: fetched or built, if need be.
    pub fn prepare(self, places: &Places) -> Result<PathBuf> {
        match self {
            Self::Kernel => kernel(places),
            Self::Initrd => initrd(places, Shell::Ours),
            Self::InitrdBash => initrd(places, Shell::Bash),
            Self::KernelFull => kernel_of(places, Flavour::Full),
        }
    }
}

/// Runs the command. What can be had is printed, even if something else cannot.
pub fn run(pieces: &[Piece]) -> Result<ExitCode> {
    let places = Places::find()?;
    let mut status = 0;
    for &piece in pieces {
        let variable = piece.variable();
        match piece.prepare(&places) {
            Ok(path) => {
                let line = [variable.as_bytes(), b"=", path.as_os_str().as_bytes(), b"\n"].concat();
                io::stdout().write_all(&line).context("stdout")?;
            }
            Err(error) => {
                eprintln!("error: {error:#}\n  or name a file of your own: {}", piece.by_name());
                status = status::NO_INPUT;
            }
        }
    }
    Ok(ExitCode::from(status))
}

/// The kernel that a chapter boots: the one for virtual machines, or else another that is here.
fn kernel(places: &Places) -> Result<PathBuf> {
    kernel_of(places, Flavour::Cloud).or_else(|error| {
        let full = Kernel::find(places, Flavour::Full).map(|kernel| kernel.bzimage);
        let Some(instead) = full.or_else(kernel::image_of_this_machine) else { return Err(error) };
        let why = format!("{error:#}");
        let why = why.lines().next().unwrap_or_default();
        eprintln!("linux: {why}; taking {} instead", instead.display());
        Ok(instead)
    })
}

fn kernel_of(places: &Places, flavour: Flavour) -> Result<PathBuf> {
    if let Some(kernel) = Kernel::find(places, flavour) {
        return Ok(kernel.bzimage);
    }
    let _lock = places.lock()?;
    Ok(Kernel::find_or_fetch(places, flavour)?.bzimage)
}

/// The initramfs, packed anew when a source of it is younger.
fn initrd(places: &Places, shell: Shell) -> Result<PathBuf> {
    let init = StaticProgram {
        name: "the guest's /init",
        package: "initramfs",
        binary: "mini-init",
        profile: "small",
        sources: "initramfs",
        target: places.linux.join("init"),
    };
    let archive = places.linux.join(match shell {
        Shell::Ours => "initramfs.cpio",
        Shell::Bash => "initramfs-bash.cpio",
    });
    let time = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    let is_fresh = || init.is_fresh() && time(&archive) >= time(&init.path());
    if is_fresh() {
        return Ok(archive);
    }
    let _lock = places.lock()?;
    if !init.is_fresh() {
        eprintln!("linux: building the guest's /init…");
        init.build()?;
    }
    if !is_fresh() {
        let contents = initramfs::pack(&init.path(), shell)?;
        places::write_whole(&archive, &contents)?;
    }
    Ok(archive)
}
