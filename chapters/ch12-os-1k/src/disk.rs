//! The disk: a tar archive that a kernel finds in its memory, and may change there. With a file, the
//! changes outlive the virtual machine.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use thiserror::Error;
use vm_memory::{Bytes, GuestMemoryMmap};

use crate::layout::{DISK_ADDRESS, DISK_BYTES};

/// What is at this offset in the first header of each tar archive. POSIX.1, pax.
const MAGIC: &[u8] = b"ustar";
const MAGIC_OFFSET: usize = 257;

#[derive(Debug, Error)]
pub enum DiskError {
    #[error("{path}: {cause}\n  a disk is a file to read and write, or the name for a new one")]
    Unusable { path: PathBuf, cause: io::Error },
    #[error("{path}: another virtual machine has this disk")]
    InUse { path: PathBuf },
    #[error("{path}: not a tar archive\n  a disk is one; the name of a new file gets the built-in")]
    NoArchive { path: PathBuf },
    #[error("{path}: more than {DISK_BYTES} bytes\n  a disk has no room for them")]
    TooLarge { path: PathBuf },
}

pub struct Disk {
    /// An archive, then zeros.
    bytes: Vec<u8>,
    file: Option<(PathBuf, File)>,
}

impl Disk {
    /// The archive in the file at `path`, or the built-in one. A new file has its full size at once,
    /// so that it can be saved later however full the file system is by then.
    pub fn open(path: Option<&Path>) -> Result<Self, DiskError> {
        let Some(path) = path else {
            return Ok(Self { bytes: padded(guests::DISK.to_vec()), file: None });
        };
        let unusable = |cause| DiskError::Unusable { path: path.into(), cause };
        let options = File::options().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(path).map_err(unusable)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => DiskError::InUse { path: path.into() },
            TryLockError::Error(cause) => unusable(cause),
        })?;

        let mut bytes = Vec::new();
        (&file).take(DISK_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unusable)?;
        if bytes.len() > DISK_BYTES {
            return Err(DiskError::TooLarge { path: path.into() });
        }
        let is_new = bytes.is_empty();
        if is_new {
            bytes = guests::DISK.to_vec();
        }
        if !bytes.get(MAGIC_OFFSET..).is_some_and(|rest| rest.starts_with(MAGIC)) {
            return Err(DiskError::NoArchive { path: path.into() });
        }
        let bytes = padded(bytes);
        file.rewind().and_then(|()| file.write_all(&bytes)).map_err(unusable)?;
        Ok(Self { bytes, file: Some((path.into(), file)) })
    }

    /// Puts it where the kernel finds it.
    pub fn load(&self, memory: &GuestMemoryMmap) -> Result<()> {
        memory.write_slice(&self.bytes, DISK_ADDRESS).context("the disk")
    }

    /// Keeps what the guest has made of it.
    pub fn save(&self, memory: &GuestMemoryMmap) -> Result<()> {
        let Some((path, mut file)) = self.file.as_ref().map(|(path, file)| (path, file)) else {
            return Ok(());
        };
        let mut bytes = vec![0; DISK_BYTES];
        memory.read_slice(&mut bytes, DISK_ADDRESS).context("the disk")?;
        let written = file.rewind().and_then(|()| file.write_all(&bytes));
        written.with_context(|| format!("{}: the disk is not saved", path.display()))
    }
}

fn padded(mut archive: Vec<u8>) -> Vec<u8> {
    archive.resize(DISK_BYTES, 0);
    archive
}
