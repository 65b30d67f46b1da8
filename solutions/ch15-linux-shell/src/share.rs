//! The host's files for the guest: an archive that Linux unpacks after its initrd. Each entry is a
//! header of hexadecimal numbers, a name, and the file's bytes. cpio(5), "New ASCII Format".

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::guest::GuestError;

/// Where the guest finds them.
const ROOT: &str = "host";

/// The magic number, and 13 fields of 8 digits.
const HEADER_BYTES: u64 = 6 + 13 * 8;
/// Names and contents are followed by zeros up to a multiple of this, and so are archives.
pub const ALIGNMENT: u64 = 4;

/// The entry that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";

/// The type of a file, above its permissions.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const PERMISSIONS: u32 = 0o7777;

/// A file or a folder that is shared.
pub struct Shared {
    path: PathBuf,
    /// In the guest, without the first slash.
    name: OsString,
    metadata: Metadata,
}

/// All that is shared of `folder`: a folder comes before what is in it, or Linux drops that.
pub fn list(folder: &Path) -> Result<Vec<Shared>, GuestError> {
    let metadata = fs::metadata(folder).map_err(|cause| unreadable(folder, cause))?;
    let mut found = vec![Shared { path: folder.into(), name: ROOT.into(), metadata }];
    let mut next = 0;
    while next < found.len() {
        let Shared { path, name, metadata } = &found[next];
        let is_root = next == 0;
        next += 1;
        if !metadata.is_dir() && !is_root {
            continue;
        }
        let (path, name) = (path.clone(), name.clone());
        let entries = fs::read_dir(&path).map_err(|cause| unreadable(&path, cause))?;
        let mut inside = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|cause| unreadable(&path, cause))?;
            let path = entry.path();
            // Of a symbolic link itself, not of what it leads to.
            let metadata = entry.metadata().map_err(|cause| unreadable(&path, cause))?;
            if metadata.is_dir() || metadata.is_file() {
                let mut name = name.clone();
                name.push("/");
                name.push(entry.file_name());
                inside.push(Shared { path, name, metadata });
            }
        }
        inside.sort_by(|a, b| a.name.cmp(&b.name));
        found.extend(inside);
    }
    Ok(found)
}

/// How long the archive is.
pub fn length(shared: &[Shared]) -> u64 {
    let entry = |name: usize, contents: u64| {
        (HEADER_BYTES + name as u64 + 1).next_multiple_of(ALIGNMENT)
            + contents.next_multiple_of(ALIGNMENT)
    };
    let entries = shared.iter().map(|it| entry(it.name.len(), it.contents_bytes()));
    entries.sum::<u64>() + entry(TRAILER.len(), 0)
}

/// Appends the archive. `archives` has those before it, up to where the next may begin.
pub fn append(shared: &[Shared], archives: &mut Vec<u8>) -> Result<(), GuestError> {
    for (it, inode) in shared.iter().zip(1..) {
        let mut contents = Vec::new();
        if it.metadata.is_file() {
            let file = File::open(&it.path).map_err(|cause| unreadable(&it.path, cause))?;
            // If it has grown since, there is no room for more.
            let read = file.take(it.contents_bytes()).read_to_end(&mut contents);
            read.map_err(|cause| unreadable(&it.path, cause))?;
        }
        let kind = if it.metadata.is_dir() { DIRECTORY } else { REGULAR };
        let mode = kind | it.metadata.permissions().mode() & PERMISSIONS;
        append_entry(archives, inode, mode, it.name.as_bytes(), &contents);
    }
    append_entry(archives, 0, 0, TRAILER, &[]);
    Ok(())
}

/// Linux takes entries of the same inode for one file: each has another. Of the other fields, it needs
/// none but these.
fn append_entry(archives: &mut Vec<u8>, inode: u32, mode: u32, name: &[u8], contents: &[u8]) {
    let links = 1;
    let (bytes, name_bytes) = (contents.len() as u32, name.len() as u32 + 1);
    let fields = [inode, mode, 0, 0, links, 0, bytes, 0, 0, 0, 0, name_bytes, 0];
    let fields: String = fields.iter().map(|field| format!("{field:08x}")).collect();
    archives.extend(b"070701");
    archives.extend(fields.as_bytes());
    archives.extend(name);
    archives.push(0);
    align(archives);
    archives.extend(contents);
    align(archives);
}

/// Fills up with zeros.
pub fn align(archives: &mut Vec<u8>) {
    archives.resize(archives.len().next_multiple_of(ALIGNMENT as usize), 0);
}

impl Shared {
    fn contents_bytes(&self) -> u64 {
        if self.metadata.is_file() { self.metadata.len() } else { 0 }
    }
}

fn unreadable(path: &Path, cause: io::Error) -> GuestError {
    GuestError::NotShared { path: path.into(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_as_long_as_was_said() {
        let shared = list(Path::new("src")).unwrap();
        let mut archive = Vec::new();
        append(&shared, &mut archive).unwrap();
        assert_eq!(archive.len() as u64, length(&shared));
        assert!(archive.starts_with(b"070701"));
    }
}
