//! The ROM: memory with a file in it, which the guest can read but not write.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use vm_memory::GuestAddress;

/// Where the ROM begins: the last 64 KiB below 1 MiB are where an IBM PC had its firmware.
pub const ADDRESS: GuestAddress = GuestAddress(0xf_0000);

/// As many as there are between `ADDRESS` and 1 MiB.
const BYTES_MAX: usize = 64 * 1024;

/// A slot has whole pages. KVM API document, 4.35.
const PAGE_BYTES: usize = 4096;

#[derive(Debug, Error)]
pub enum RomError {
    #[error("{path}: {cause}\n  a ROM is a file with the bytes that the guest finds in it")]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error(
        "{path}: the file is empty\n  it should hold the bytes that the guest finds in the ROM"
    )]
    Empty { path: PathBuf },
    #[error("{path}: the file has more than {BYTES_MAX} bytes, and there is no room for more")]
    TooLarge { path: PathBuf },
}

/// The ROM's contents: what is in the file, and zeros up to a whole page.
pub fn read(path: &Path) -> Result<Vec<u8>, RomError> {
    let unreadable = |cause| RomError::Unreadable { path: path.into(), cause };
    let mut contents = Vec::new();
    // One byte more than fits will do: some files never end.
    File::open(path)
        .and_then(|file| file.take(BYTES_MAX as u64 + 1).read_to_end(&mut contents))
        .map_err(unreadable)?;
    match contents.len() {
        0 => Err(RomError::Empty { path: path.into() }),
        bytes if bytes <= BYTES_MAX => {
            contents.resize(bytes.next_multiple_of(PAGE_BYTES), 0);
            Ok(contents)
        }
        _ => Err(RomError::TooLarge { path: path.into() }),
    }
}
