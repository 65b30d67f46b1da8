//! Writes a cpio archive in the format `newc`, the one that the kernel unpacks
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::{Context, Result};
use cpio::newc::{self, Builder, ModeFileType};

/// An archive in the making. Names are relative to the root, without a leading slash.
pub struct Archive {
    bytes: Vec<u8>,
    /// The kernel takes entries with the same inode number for one file.
    entries: u32,
    directories: BTreeSet<String>,
}

impl Archive {
    pub fn new() -> Self {
        Self { bytes: Vec::new(), entries: 0, directories: BTreeSet::new() }
    }

    pub fn directory(&mut self, name: &str, mode: u32) -> Result<()> {
        if self.directories.insert(name.to_owned()) {
            self.add(name, ModeFileType::Directory, mode, &[], |entry| entry)?;
        }
        Ok(())
    }

    pub fn file(&mut self, name: &str, mode: u32, contents: &[u8]) -> Result<()> {
        self.add(name, ModeFileType::Regular, mode, contents, |entry| entry)
    }

    /// A symbolic link.
    pub fn link(&mut self, name: &str, target: &str) -> Result<()> {
        self.add(name, ModeFileType::Symlink, 0o777, target.as_bytes(), |entry| entry)
    }

    pub fn character_device(
        &mut self,
        name: &str,
        mode: u32,
        major: u32,
        minor: u32,
    ) -> Result<()> {
        let number = |entry: Builder| entry.rdev_major(major).rdev_minor(minor);
        self.add(name, ModeFileType::Char, mode, &[], number)
    }

    /// The whole archive.
    pub fn finish(self) -> Result<Vec<u8>> {
        Ok(newc::trailer(self.bytes)?)
    }

    fn add(
        &mut self,
        name: &str,
        kind: ModeFileType,
        mode: u32,
        data: &[u8],
        more: impl FnOnce(Builder) -> Builder,
    ) -> Result<()> {
        // The kernel makes none by itself, and drops what has no directory to be in.
        if let Some((directory, _)) = name.rsplit_once('/') {
            self.directory(directory, 0o755)?;
        }
        let length = u32::try_from(data.len())
            .with_context(|| format!("{name}: larger than a cpio archive can hold"))?;
        self.entries += 1;
        let entry = Builder::new(name).ino(self.entries).mode(mode).set_mode_file_type(kind);
        let mut writer = more(entry).write(&mut self.bytes, length);
        writer.write_all(data)?;
        writer.finish()?;
        Ok(())
    }
}
