//! The guest's image: a file with its instructions and data, as they are to be in memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

#[derive(Debug, Error)]
pub enum ImageError {
    #[error("{path}: {cause}\n  an image is a file with the guest's code, a flat binary")]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("{path}: the image is empty\n  it should hold the guest's code, a flat binary")]
    Empty { path: PathBuf },
    #[error("{path}: the image has more than the {bytes_max} bytes that there is room for")]
    TooLarge { path: PathBuf, bytes_max: usize },
}

/// What is in the file, if that is something and not too much.
pub fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, ImageError> {
    let mut image = Vec::new();
    // One byte more than fits will do: some files never end.
    File::open(path)
        .and_then(|file| file.take(bytes_max as u64 + 1).read_to_end(&mut image))
        .map_err(|cause| ImageError::Unreadable { path: path.into(), cause })?;
    match image.len() {
        0 => Err(ImageError::Empty { path: path.into() }),
        bytes if bytes <= bytes_max => Ok(image),
        _ => Err(ImageError::TooLarge { path: path.into(), bytes_max }),
    }
}
