//! The disk: a tar archive that a kernel finds in its memory, and may change there. With a file, the
//! changes outlive the virtual machine.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use thiserror::Error;
use vm_memory::{Bytes, GuestMemoryMmap};

use crate::layout::{DISK_ADDRESS, DISK_BYTES};

/// What the first header of each tar archive has, and where. POSIX.1, pax.
const MAGIC: &[u8] = b"ustar";
const MAGIC_OFFSET: usize = 257;

#[derive(Debug, Error)]
#[error("{path}: {cause}\n  a disk is a tar archive of up to {DISK_BYTES} bytes, or a new file")]
pub struct DiskError {
    path: PathBuf,
    cause: io::Error,
}

pub struct Disk {
    pub bytes: Vec<u8>,
    file: Option<(PathBuf, File)>,
}

impl Disk {
    /// The archive in the file at `path`, or a copy of the built-in one.
    pub fn open(path: Option<&Path>) -> Result<Self, DiskError> {
        let Some(path) = path else {
            let mut bytes = guests::DISK.to_vec();
            bytes.resize(DISK_BYTES, 0);
            return Ok(Self { bytes, file: None });
        };
        let read = || {
            let mut options = File::options();
            let mut file =
                options.read(true).write(true).create(true).truncate(false).open(path)?;
            file.try_lock()?; // another VM would overwrite what this one saves
            let mut bytes = Vec::new();
            (&file).take(DISK_BYTES as u64 + 1).read_to_end(&mut bytes)?;
            if bytes.is_empty() {
                bytes = guests::DISK.to_vec();
            }
            if !bytes.get(MAGIC_OFFSET..).is_some_and(|rest| rest.starts_with(MAGIC)) {
                return Err(io::Error::other("not a tar archive"));
            }
            if bytes.len() > DISK_BYTES {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            bytes.resize(DISK_BYTES, 0);
            // It has its full size at once, or that of before: to save it later takes no more space.
            let before = file.metadata()?.len();
            file.rewind()?;
            let written = file.write_all(&bytes).and_then(|()| file.sync_all());
            written.or_else(|error| file.set_len(before).and(Err(error)))?;
            Ok(Self { bytes, file: Some((path.into(), file)) })
        };
        read().map_err(|cause| DiskError { path: path.into(), cause })
    }

    /// Keeps what the guest has made of it.
    pub fn save(&self, memory: &GuestMemoryMmap) -> Result<()> {
        let Some((path, file)) = &self.file else { return Ok(()) };
        let (mut file, mut bytes): (&File, _) = (file, vec![0; DISK_BYTES]);
        memory.read_slice(&mut bytes, DISK_ADDRESS).context("the disk")?;
        if bytes == self.bytes {
            return Ok(());
        }
        // A guest that was stopped while it wrote leaves no archive: then the old one stays.
        let mut tar = tar::Archive::new(&bytes[..]);
        let whole = tar.entries()?.try_for_each(|entry| entry.map(drop));
        let saved = whole.and_then(|()| file.rewind()).and_then(|()| file.write_all(&bytes));
        let saved = saved.and_then(|()| file.sync_all());
        saved.with_context(|| format!("{}: the disk is not saved", path.display()))
    }
}
