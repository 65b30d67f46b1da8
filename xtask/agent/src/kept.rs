//! Programs and libraries kept in memory from session to session.
//!
//! The outside is mounted so that the nest sees edits at once, and so the kernel forgets what it has
//! read of a file when the last process closes it. QEMU then translates a program anew each time it is
//! started, for its code is at new addresses: a chapter's start took 0.6 s of CPU time instead of 0.15.
//! A copy in memory stays where it is. The outside says which version of a file it means, so that a
//! copy is never an old one; and a command sees the copy at the place of the original in the root of
//! its session, so that all others go on to see the original.

use std::fs::{self, File, Permissions};
use std::io;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nest_agent::Kept;

/// Where the copies are.
pub const STORE: &str = "/dev/nest/kept";

/// What all copies together may take. Those that were not used for the longest time go.
const LARGEST_STORE: u64 = 384 << 20;

/// As much as is read from the outside in one go (`msize`).
const READ_SIZE: usize = 512 << 10;

/// The copy of a file, which is made if there is none.
pub fn find_or_copy(store: &Path, path: &Path, file: &Kept) -> io::Result<PathBuf> {
    let copy = store.join(&file.identity);
    if let Ok(kept) = File::open(&copy) {
        // When it was used last is when it was written last.
        kept.set_modified(SystemTime::now())?;
        return Ok(copy);
    }
    make_room(store, file.length)?;
    let partial = store.join(format!("{}.{}", file.identity, std::process::id()));
    let copied = fill(&partial, path, file.length).and_then(|()| fs::rename(&partial, &copy));
    if copied.is_err() {
        let _ = fs::remove_file(&partial);
    }
    copied.map(|()| copy)
}

fn fill(copy: &Path, path: &Path, length: u64) -> io::Result<()> {
    let mut source = File::open(path)?;
    let data = source.metadata()?;
    let target = File::create_new(copy)?;
    let mut buffer = vec![0; READ_SIZE];
    let mut copied = 0;
    loop {
        let count = source.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        io::Write::write_all(&mut &target, &buffer[..count])?;
        copied += count as u64;
    }
    // It is being written outside: what we have is neither the one nor the other.
    if copied != length {
        return Err(io::ErrorKind::InvalidData.into());
    }
    fchown(&target, Some(data.uid()), Some(data.gid()))?;
    target.set_permissions(Permissions::from_mode(data.mode() & 0o777))
}

/// Removes copies until there is room for so many bytes more. Those in use go when their use ends.
fn make_room(store: &Path, length: u64) -> io::Result<()> {
    let mut copies = Vec::new();
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        let data = entry.metadata()?;
        copies.push((data.modified()?, data.len(), entry.path()));
    }
    copies.sort();
    let mut total = length + copies.iter().map(|(_, length, _)| length).sum::<u64>();
    if length > LARGEST_STORE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    for (_, length, path) in copies {
        if total <= LARGEST_STORE {
            break;
        }
        // Another session may have been quicker.
        let _ = fs::remove_file(path);
        total -= length;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    use serde_bytes::ByteBuf;

    fn kept(path: &Path, identity: &str) -> Kept {
        let length = path.metadata().unwrap().len();
        let path = ByteBuf::from(path.as_os_str().as_bytes());
        Kept { path, identity: identity.to_owned(), length }
    }

    #[test]
    fn another_identity_is_another_copy() {
        let store = tempfile::tempdir().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        let copy = |identity: &str| {
            let copy = find_or_copy(store.path(), &path, &kept(&path, identity)).unwrap();
            fs::read_to_string(copy).unwrap()
        };
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o4711)).unwrap();
        assert_eq!(copy("1"), "old");
        assert_eq!(store.path().join("1").metadata().unwrap().mode() & 0o7777, 0o711);
        fs::write(&path, "new").unwrap();
        assert_eq!(copy("1"), "old");
        assert_eq!(copy("2"), "new");
    }

    #[test]
    fn a_file_that_changes_meanwhile_is_not_kept() {
        let store = tempfile::tempdir().unwrap();
        let path = store.path().join("program");
        fs::write(&path, "half").unwrap();
        let whole = Kept { length: 8, ..kept(&path, "1") };
        find_or_copy(store.path(), &path, &whole).unwrap_err();
        assert_eq!(fs::read_dir(store.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_copy_that_was_not_used_for_the_longest_time_goes_first() {
        let store = tempfile::tempdir().unwrap();
        for (seconds, name) in [(1, "oldest"), (2, "old"), (3, "young")] {
            let file = File::create(store.path().join(name)).unwrap();
            file.set_len(LARGEST_STORE / 3).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
                .unwrap();
        }
        make_room(store.path(), LARGEST_STORE / 2).unwrap();
        let left: Vec<_> =
            fs::read_dir(store.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, ["young"]);
        make_room(store.path(), LARGEST_STORE + 1).unwrap_err();
    }
}
