//! What is measured and no part of the workspace: built here, for nothing compiles in the nest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::places::Places;
use crate::programs;

/// Chapter 3 in C.
pub const HLT: &str = "hlt";
/// The image that multiplies matrices; its last four bytes say how often.
pub const MATRIX: &str = "matrix";
/// Programs that do nothing.
pub const NOTHING_IN_C: &str = "nothing-c";
pub const NOTHING_IN_RUST: &str = "nothing-rust";

/// A real-mode image: the code at address 0, and nothing else.
const IMAGE: &[&str] = &[
    "-m32",
    "-nostdlib",
    "-static",
    "-no-pie",
    "-Wl,--build-id=none",
    "-Wl,-melf_i386",
    "-Wl,-Ttext=0",
    "-Wl,--oformat=binary",
    "-Wl,-z,noexecstack",
];

/// Builds them, and says in which directory they are.
pub fn build(places: &Places) -> Result<PathBuf> {
    let directory = places.target.join("bench");
    fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    compile("hlt.c", &["-O2", "-Wall", "-Wextra", "-Werror"], &directory.join(HLT))?;
    compile("matrix.S", IMAGE, &directory.join(MATRIX))?;
    compile("nothing.c", &["-O2"], &directory.join(NOTHING_IN_C))?;
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(compiler);
    command.args(["--edition=2024", "-O", "-o"]).arg(directory.join(NOTHING_IN_RUST));
    programs::output_of(command.arg(source("nothing.rs")))?;
    Ok(directory)
}

fn source(name: &str) -> PathBuf {
    Places::workspace().join("xtask/src/bench").join(name)
}

fn compile(name: &str, options: &[&str], program: &Path) -> Result<()> {
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command.args(options).arg("-o").arg(program);
    programs::output_of(command.arg(source(name))).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_ends_with_its_count() {
        let target = tempfile::tempdir().unwrap();
        let directory = build(&Places::make(target.path()).unwrap()).unwrap();
        let image = fs::read(directory.join(MATRIX)).unwrap();
        assert_eq!(image.len(), 0x1000 + 18 + 4, "a product and a count, in a page of their own");
        assert!(image.ends_with(&[0, 0, 1, 0, 0, 0]), "{image:x?}");
        assert_eq!(image[0], 0xbe, "it begins with mov $a, %si");
        for name in [HLT, NOTHING_IN_C, NOTHING_IN_RUST] {
            assert!(directory.join(name).is_file(), "{name}");
        }
    }
}
