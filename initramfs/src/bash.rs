//! The host's bash, and all that it needs where nothing else is.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::archive::Archive;

/// The kernel keeps a Ctrl-D that is typed while no line editor has the terminal as a NUL. Without
/// this line bash does not take that for the end of its input.
const INPUTRC: &str = "\"\\C-@\": \"\\C-d\"\n";

pub fn add(archive: &mut Archive) -> Result<()> {
    let Some(bash) = find("bash") else {
        bail!("there is no bash on this machine's PATH\n  install it, or take our own shell");
    };
    archive.file("bin/bash", 0o755, &read(&bash)?)?;
    for library in libraries(&bash)? {
        let name = library.to_str().context("a library's path is not UTF-8")?;
        archive.file(name.trim_start_matches('/'), 0o755, &read(&library)?)?;
    }
    archive.file("etc/inputrc", 0o644, INPUTRC.as_bytes())
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The shared libraries of a program and the dynamic loader, under the names by which the loader
/// looks for them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .env("LC_ALL", "C")
        .output()
        .context("cannot run ldd, which finds the libraries of bash")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        if said.contains("not a dynamic executable") || errors.contains("not a dynamic executable")
        {
            return Ok(Vec::new());
        }
        bail!("ldd {} failed\n  {}", program.display(), errors.trim_end());
    }
    parse_ldd(&said).with_context(|| format!("the libraries of {}", program.display()))
}

/// The files in what ldd prints, a library a line:
///
/// ```text
///         linux-vdso.so.1 (0x00007ffe2b5e6000)
///         libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f5b8c1b1000)
///         /lib64/ld-linux-x86-64.so.2 (0x00007f5b8c3d9000)
/// ```
fn parse_ldd(output: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for line in output.lines() {
        let (name, file) = line.trim().split_once(" => ").unwrap_or(("", line.trim()));
        if file == "not found" {
            bail!("{name} is not on this machine");
        }
        let file = file.rsplit_once(" (0x").map_or(file, |(file, _)| file);
        // What has no slash is the kernel's vDSO, and no file.
        if file.starts_with('/') {
            files.push(PathBuf::from(file));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ldd_prints() {
        let output = "\tlinux-vdso.so.1 (0x00007ffe2b5e6000)\n\
                      \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f5b8c1b1000)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f5b8c3d9000)\n";
        assert_eq!(
            parse_ldd(output).unwrap(),
            [
                PathBuf::from("/lib/x86_64-linux-gnu/libc.so.6"),
                PathBuf::from("/lib64/ld-linux-x86-64.so.2")
            ]
        );
        assert!(parse_ldd("\tstatically linked\n").unwrap().is_empty());
    }

    #[test]
    fn a_library_that_is_missing_is_named() {
        let error = parse_ldd("\tlibtinfo.so.6 => not found\n").unwrap_err().to_string();
        assert_eq!(error, "libtinfo.so.6 is not on this machine");
    }
}
