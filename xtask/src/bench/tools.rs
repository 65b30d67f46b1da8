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
    Ok(directory)
}

fn compile(source: &str, options: &[&str], program: &Path) -> Result<()> {
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command.args(options).arg("-o").arg(program);
    command.arg(Places::workspace().join("xtask/src/bench").join(source));
    programs::output_of(&mut command).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_ends_with_its_count() {
        let target = tempfile::tempdir().unwrap();
        let directory = build(&Places::make(target.path()).unwrap()).unwrap();
        let image = fs::read(directory.join(MATRIX)).unwrap();
        assert!(image.len() < 200, "{} bytes", image.len());
        assert!(image.ends_with(&[0, 0, 1, 0, 0, 0]), "{image:x?}");
        assert_eq!(image[0], 0xbe, "it begins with mov $a, %si");
        assert!(directory.join(HLT).is_file());
    }
}
