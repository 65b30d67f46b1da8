//! What a command would inherit if this process executed it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nest_agent::Command;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::fstat;
use nix::unistd::{getegid, geteuid, getgroups};
use serde_bytes::ByteBuf;

use super::{kept, terminal};
use crate::programs;

const LIMITS: &[Resource] = &[
    Resource::RLIMIT_AS,
    Resource::RLIMIT_CORE,
    Resource::RLIMIT_CPU,
    Resource::RLIMIT_DATA,
    Resource::RLIMIT_FSIZE,
    Resource::RLIMIT_MEMLOCK,
    Resource::RLIMIT_NOFILE,
    Resource::RLIMIT_STACK,
];

/// What may be wanted of a nest beside running a program as it would run here.
#[derive(Clone, Copy, Default)]
pub struct Wishes<'a> {
    /// Other programs that it will start: a nest that stays keeps them in memory, too.
    pub keep: &'a [PathBuf],
    /// To be root in there, whoever we are here.
    pub root: bool,
}

/// The command, for a nest that stays, or for one of its own.
pub fn command(
    program: &OsStr,
    arguments: &[OsString],
    wishes: Wishes<'_>,
    stays: bool,
) -> Result<Command> {
    let path = absolute(program)?;
    let status =
        fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let on_terminal = terminal::standard_terminals();
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let terminal = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]
        .into_iter()
        .zip(on_terminal)
        .find(|(_, is_terminal)| *is_terminal)
        .and_then(|(fd, _)| terminal::describe(fd));
    let bytes = |text: &OsStr| ByteBuf::from(text.as_bytes());
    Ok(Command {
        program: bytes(&path),
        arguments: std::iter::once(program)
            .chain(arguments.iter().map(OsString::as_os_str))
            .map(bytes)
            .collect(),
        environment: std::env::vars_os()
            .map(|(mut name, value)| {
                name.push("=");
                name.push(value);
                ByteBuf::from(name.into_vec())
            })
            .collect(),
        directory: bytes(
            std::env::current_dir().context("there is no working directory")?.as_os_str(),
        ),
        user: if wishes.root { 0 } else { geteuid().as_raw() },
        group: if wishes.root { 0 } else { getegid().as_raw() },
        groups: getgroups()?.iter().map(|group| group.as_raw()).collect(),
        umask: umask(&status).unwrap_or(0o022),
        limits: LIMITS
            .iter()
            .filter_map(|resource| {
                let (soft, hard) = getrlimit(*resource).ok()?;
                Some((*resource as u32, soft, hard))
            })
            .collect(),
        ignored_signals: ignored_signals(&status),
        on_terminal,
        terminal,
        one_output: !on_terminal[1] && !on_terminal[2] && is_same(stdout.as_fd(), stderr.as_fd()),
        keep: if stays { kept::files(Path::new(&path), wishes.keep) } else { Vec::new() },
    })
}

/// Whether both are the same pipe, file, or whatever it may be.
fn is_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    let (Ok(one), Ok(other)) = (fstat(one), fstat(other)) else { return false };
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// The program's path, as `exec` in a shell would find it.
fn absolute(program: &OsStr) -> Result<OsString> {
    let found = if program.as_bytes().contains(&b'/') {
        None
    } else {
        program.to_str().and_then(programs::find)
    };
    let path = found.unwrap_or_else(|| Path::new(program).to_owned());
    Ok(std::path::absolute(path).context("cannot tell the program's path")?.into_os_string())
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// The file mode creation mask, by `/proc/self/status`. proc(5).
fn umask(status: &str) -> Option<u32> {
    u32::from_str_radix(field(status, "Umask:")?, 8).ok()
}

/// The signals that are ignored, by `/proc/self/status`. `SIGPIPE` is not among them: that is
/// Rust's own doing, and not inherited by what it executes.
fn ignored_signals(status: &str) -> Vec<i32> {
    let mask = field(status, "SigIgn:").and_then(|mask| u64::from_str_radix(mask, 16).ok());
    let mask = mask.unwrap_or(0);
    (1..=31).filter(|signal| *signal != libc::SIGPIPE && mask & (1 << (signal - 1)) != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_about_us() {
        let status = "Name:\tx\nUmask:\t0027\nSigIgn:\t0000000000001003\n";
        assert_eq!(umask(status), Some(0o027));
        assert_eq!(ignored_signals(status), [1, 2]);
    }

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        assert!(Path::new(&absolute(OsStr::new("sh")).unwrap()).is_absolute());
        let relative = absolute(OsStr::new("target/x")).unwrap();
        assert_eq!(Path::new(&relative), std::env::current_dir().unwrap().join("target/x"));
    }
}
