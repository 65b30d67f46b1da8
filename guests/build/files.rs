//! Files, as seen from the workspace's root, and how old they are.
//!
//! Paths start at the root because the tools run there: so an editor finds the file that a
//! compiler's message names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Failure;

/// A path as it is seen from the workspace's root, as we can open it.
pub fn from_root(path: &Path) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The files of a folder, in order. Not those with a dot in front: they are an editor's, not ours.
pub fn files(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>, Failure> {
    let folder = folder.as_ref();
    let read = || -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(from_root(folder))?;
        entries.map(|entry| Ok(folder.join(entry?.file_name()))).collect()
    };
    let mut files = read().map_err(|error| about_path(folder, &error))?;
    files.retain(|path| !stem(path).starts_with('.'));
    files.sort();
    Ok(files)
}

/// When the folder last changed: a file in it, or, as its own time says, which files it has.
pub fn newest_in(folder: impl AsRef<Path>) -> Result<SystemTime, Failure> {
    let folder = folder.as_ref();
    let mut newest = modified(folder)?;
    for file in files(folder)? {
        newest = newest.max(modified(&file)?);
    }
    Ok(newest)
}

pub fn modified(path: &Path) -> Result<SystemTime, Failure> {
    let time = fs::metadata(from_root(path)).and_then(|metadata| metadata.modified());
    time.map_err(|error| about_path(path, &error))
}

/// Whether the file is there, and newer than what it is made of.
pub fn is_up_to_date(path: &Path, sources: SystemTime) -> bool {
    modified(path).is_ok_and(|built| built > sources)
}

/// Creates the folder, or deletes the files in it that nobody wants any more.
pub fn clean_folder(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| about_path(folder, &error))?;
    for path in files(folder)? {
        if !is_wanted(&stem(&path)) {
            fs::remove_file(&path).map_err(|error| about_path(&path, &error))?;
        }
    }
    Ok(())
}

/// Leaves the file, and its time, alone when it says this already.
pub fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).map_err(|error| about_path(path, &error))
}

pub fn is_c(path: &Path) -> bool {
    has_extension(path, "c")
}

pub fn is_assembly(path: &Path) -> bool {
    has_extension(path, "S")
}

pub fn is_rust(path: &Path) -> bool {
    has_extension(path, "rs")
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|its| its == extension)
}

pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

pub fn about_path(path: &Path, error: &io::Error) -> Failure {
    vec![format!("{}: {error}", path.display())]
}
