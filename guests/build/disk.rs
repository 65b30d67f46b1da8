//! The disk of the 1K OS: a ustar archive.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use crate::Failure;
use crate::files::{about_path, from_root};

/// The longest name: ustar has room for 100 bytes, and the 1K OS wants a 0 at the end.
const NAME_BYTES: usize = 99;

/// The archive of these files, in this order, without their folders. The same files make the same
/// archive: it knows no times and no users.
pub fn archive<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Result<Vec<u8>, Failure> {
    let mut archive = Builder::new(Vec::new());
    for path in files {
        let shown = path.display();
        if name(path).len() > NAME_BYTES {
            return Err(vec![format!("{shown}: the name is longer than {NAME_BYTES} bytes")]);
        }
        append(&mut archive, path).map_err(|error| about_path(path, &error))?;
    }
    archive.into_inner().map_err(|error| vec![format!("the disk of the 1K OS: {error}")])
}

fn append(archive: &mut Builder<Vec<u8>>, path: &Path) -> io::Result<()> {
    let data = fs::read(from_root(path))?;
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_path(name(path))?;
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    archive.append(&header, data.as_slice())
}

/// What a file is called on the disk.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
