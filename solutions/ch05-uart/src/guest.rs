//! Guests: built-in ones by name, others by the path of their image.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use guests::Mode;
use thiserror::Error;

/// The modes in which this VMM can start a guest.
pub const MODES: &[Mode] = &[Mode::Real];

#[derive(Debug, Error)]
pub enum GuestError {
    #[error("no guest has the name {name:?}{}\n  all guests: --list", did_you_mean(name))]
    Unknown { name: String },
    #[error("{path}: {cause}\n  a guest is a built-in name (--list) or the path of an image")]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("{path}: the image is empty\n  it should hold the guest's code, a flat binary")]
    Empty { path: PathBuf },
    #[error("{path}: the image has at least {bytes} bytes, there is room for {bytes_max}")]
    TooLarge { path: PathBuf, bytes: u64, bytes_max: usize },
}

/// The image of the built-in guest `name_or_path`, or else what is in the file there.
pub fn load_image(name_or_path: &OsStr, bytes_max: usize) -> Result<Vec<u8>, GuestError> {
    let path = Path::new(name_or_path);
    match name_or_path.to_str() {
        Some(name) => match guests::find(name, MODES) {
            Some(guest) => Ok(guest.image.to_vec()),
            None if name.contains(['/', '.']) || path.exists() => read_image(path, bytes_max),
            None => Err(GuestError::Unknown { name: name.to_owned() }),
        },
        None => read_image(path, bytes_max),
    }
}

fn read_image(path: &Path, bytes_max: usize) -> Result<Vec<u8>, GuestError> {
    let unreadable = |cause| GuestError::Unreadable { path: path.into(), cause };
    let file = File::open(path).map_err(unreadable)?;
    let file_bytes = file.metadata().map_err(unreadable)?.len();

    let mut image = Vec::new();
    // One byte more than fits will do: some files never end.
    file.take(bytes_max as u64 + 1).read_to_end(&mut image).map_err(unreadable)?;
    let bytes = file_bytes.max(image.len() as u64);
    match image.len() {
        0 => Err(GuestError::Empty { path: path.into() }),
        read if read <= bytes_max => Ok(image),
        _ => Err(GuestError::TooLarge { path: path.into(), bytes, bytes_max }),
    }
}

fn did_you_mean(name: &str) -> String {
    match guests::nearest(name, MODES).as_slice() {
        [] => String::new(),
        names => format!("\n  did you mean {}?", names.join(", ")),
    }
}
