//! Which files a warm nest keeps in memory, and how it knows that they have changed.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nest_agent::Kept;
use serde_bytes::ByteBuf;

/// A longer file would push out all others.
const LONGEST: u64 = 128 << 20;

/// The program, others that it starts, and the libraries that we ourselves run with: those of every Rust
/// program here.
pub fn files(program: &Path, others: &[PathBuf]) -> Vec<Kept> {
    let maps = fs::read("/proc/self/maps").unwrap_or_default();
    let programs = std::iter::once(program).chain(others.iter().map(PathBuf::as_path));
    programs.chain(libraries(&maps)).filter_map(kept).collect()
}

/// What tells a file from what it was before, or from another in its place.
pub fn identity(data: &Metadata) -> String {
    format!(
        "{:x}-{:x}-{:x}-{:x}-{:x}-{:x}-{:x}",
        data.dev(),
        data.ino(),
        data.len(),
        data.mtime(),
        data.mtime_nsec(),
        data.ctime(),
        data.ctime_nsec()
    )
}

fn kept(path: &Path) -> Option<Kept> {
    let data = path.metadata().ok()?;
    // A copy has no special rights, and a script is read again while it runs.
    let is_plain = data.is_file() && data.mode() & 0o6000 == 0 && data.len() <= LONGEST;
    (is_plain && is_elf(path)).then(|| Kept {
        path: ByteBuf::from(path.as_os_str().as_bytes()),
        identity: identity(&data),
        length: data.len(),
    })
}

fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok()
        && &magic == b"\x7fELF"
}

/// The shared objects among the mappings that `/proc/self/maps` lists. proc(5).
fn libraries(maps: &[u8]) -> Vec<&Path> {
    let mut paths: Vec<&Path> = maps
        .split(|byte| *byte == b'\n')
        .filter_map(|line| Some(&line[line.iter().position(|byte| *byte == b'/')?..]))
        .map(|path| Path::new(OsStr::from_bytes(path)))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().as_bytes();
            name.windows(3).any(|part| part == b".so")
        })
        .collect();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_told_from_other_mappings() {
        let maps = b"5d00-5d10 r--p 00000000 fe:00 12   /work/a b/xtask\n\
            7f00-7f10 r--p 00000000 fe:00 13   /lib/x86_64-linux-gnu/libc.so.6\n\
            7f10-7f20 r-xp 00010000 fe:00 13   /lib/x86_64-linux-gnu/libc.so.6\n\
            7f20-7f30 rw-p 00000000 00:00 0 \n\
            7f30-7f40 r--p 00000000 fe:00 14   /lib64/ld-linux-x86-64.so.2\n\
            7ffd-7ffe rw-p 00000000 00:00 0    [stack]\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(libraries(maps), expected.map(Path::new));
    }

    #[test]
    fn programs_are_kept_and_scripts_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        fs::write(&path, "#!/bin/sh\n").unwrap();
        assert_eq!(kept(&path), None);
        fs::write(&path, "\x7fELF and so on").unwrap();
        let first = kept(&path).unwrap();
        assert_eq!(kept(&path).unwrap(), first);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "\x7fELF and so on").unwrap();
        assert_ne!(kept(&path).unwrap().identity, first.identity);
        assert_eq!(kept(directory.path()), None);
    }

    #[test]
    fn our_own_libraries_are_found() {
        let files = files(Path::new("/no/such/program"), &[]);
        assert!(files.iter().any(|file| file.path.windows(5).any(|part| part == b"libc.")));
    }
}
