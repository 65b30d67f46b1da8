//! What is in the archive.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cpio::newc;
use initramfs::{COMMANDS, Shell, pack};
use tempfile::TempDir;

struct Entry {
    mode: u32,
    device: (u32, u32),
    contents: Vec<u8>,
}

/// The entries by name; each directory has to come before what is in it.
fn read(archive: &[u8]) -> BTreeMap<String, Entry> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let mut rest = archive;
    loop {
        let reader = newc::Reader::new(rest).unwrap();
        let entry = reader.entry().clone();
        if entry.is_trailer() {
            return entries;
        }
        if let Some((directory, _)) = entry.name().rsplit_once('/') {
            let parent = entries.get(directory).map(|entry| entry.mode >> 12);
            assert_eq!(parent, Some(0o4), "{directory} before {}", entry.name());
        }
        let mut contents = Vec::new();
        rest = reader.to_writer(&mut contents).unwrap();
        let device = (entry.rdev_major(), entry.rdev_minor());
        let old =
            entries.insert(entry.name().to_owned(), Entry { mode: entry.mode(), device, contents });
        assert!(old.is_none(), "{} twice", entry.name());
    }
}

/// The least that passes for a static program: an ELF header, and a segment.
fn static_program() -> (TempDir, PathBuf) {
    let mut file = vec![0; 64 + 56];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    for (offset, value) in
        [(0x10, 2), (0x12, 62), (0x14, 1), (0x20, 64), (0x34, 64), (0x36, 56), (0x38, 1), (64, 1)]
    {
        file[offset] = value;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mini-init");
    fs::write(&path, file).unwrap();
    (directory, path)
}

#[test]
fn the_archive_has_what_init_needs() {
    let (_directory, init) = static_program();
    let archive = pack(&init, Shell::Ours).unwrap();
    assert_eq!(archive.len() % 4, 0);
    assert_eq!(archive, pack(&init, Shell::Ours).unwrap(), "the same each time");

    let entries = read(&archive);
    assert_eq!(entries["init"].mode, 0o100_755);
    assert_eq!(entries["init"].contents, fs::read(&init).unwrap());
    let console = &entries["dev/console"];
    assert_eq!((console.mode, console.device), (0o020_600, (5, 1)));
    for directory in ["bin", "dev", "proc", "sys"] {
        assert_eq!(entries[directory].mode, 0o040_755, "{directory}");
    }
    assert_eq!(entries["tmp"].mode, 0o041_777);
    for name in COMMANDS {
        let link = &entries[&format!("bin/{name}")];
        assert_eq!((link.mode >> 12, &link.contents[..]), (0o12, &b"/init"[..]), "{name}");
    }
    assert!(!entries.contains_key("bin/bash"));
}

#[test]
fn bash_brings_its_libraries_and_loader() {
    assert!(Path::new("/bin/bash").exists(), "this test needs bash");
    let (_directory, init) = static_program();
    let entries = read(&pack(&init, Shell::Bash).unwrap());
    assert_eq!(entries["bin/bash"].mode, 0o100_755);
    assert!(entries["bin/bash"].contents.starts_with(b"\x7fELF"));
    let has = |name: &str| entries.keys().any(|path| path.contains(name));
    assert!(has("libc.so") && has("/ld-linux"), "{:?}", entries.keys());
    assert!(entries.contains_key("etc/inputrc"));
    assert!(entries.contains_key("bin/sh"), "ours is there, too");
}
