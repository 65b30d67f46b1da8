//! Guests: built-in ones by name, others by the path of their image.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use guests::Mode;
use thiserror::Error;
use vm_memory::GuestAddress;

use crate::elf;
use crate::layout::layout;

/// The modes in which this VMM can start a guest.
pub const MODES: &[Mode] =
    &[Mode::Real, Mode::Protected, Mode::Paging, Mode::Interrupts, Mode::Multiboot, Mode::Long];

/// What to run, and the mode in which it wants to start.
pub struct Image {
    pub mode: Mode,
    pub entry: GuestAddress,
    pub segments: Vec<Segment>,
    /// Linux, which is loaded in its own way.
    pub bzimage: Vec<u8>,
}

/// What goes into memory in one piece.
pub struct Segment {
    pub address: GuestAddress,
    pub bytes: Vec<u8>,
}

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
    #[error("{path}: the ELF file cannot be loaded: {cause}")]
    BadElf { path: PathBuf, cause: anyhow::Error },
    #[error("{path}: this kernel cannot be booted: {cause}")]
    BadKernel { path: PathBuf, cause: anyhow::Error },
    #[error("{path}: the initrd has {bytes} bytes, below {end:#x} there is room for {bytes_max}")]
    InitrdTooLarge { path: PathBuf, bytes: u64, end: u64, bytes_max: u64 },
    #[error(
        "{path}: {cause}\n  its folders and files are for the guest, so they have to be readable"
    )]
    NotShared { path: PathBuf, cause: io::Error },
    #[error("no kernel is named\n  name one: --kernel FILE, or let cargo run fetch one")]
    NoKernel,
    #[error("--disk is for a guest that is alone, and an ELF file\n  os-1k is one")]
    NoUseForDisk,
    #[error("--break is for guests in long mode: hello64, rust64")]
    NothingToBreak,
    #[error("--com2, --share and --status are for the guest linux, if it is alone")]
    NotLinuxAlone,
    #[error("{guests} guests are too many: up to {vcpus} run side by side, a thread each")]
    TooMany { guests: usize, vcpus: usize },
}

/// For the command line.
pub fn parse_mode(name: &str) -> Result<Mode, String> {
    let names: Vec<_> = MODES.iter().map(Mode::to_string).collect();
    let mode = MODES.iter().find(|mode| mode.to_string() == name);
    mode.copied().ok_or_else(|| format!("the modes are {}", names.join(", ")))
}

/// The image of the built-in guest `name_or_path`, or else what is in the file there, for `mode`.
pub fn load_image(name_or_path: &OsStr, mode: Mode) -> Result<Image, GuestError> {
    let path = Path::new(name_or_path);
    match name_or_path.to_str() {
        Some(name) => match guests::find(name, MODES) {
            Some(guest) => parse_image(path, guest.mode, guest.image.to_vec()),
            None if name.contains(['/', '.']) || path.exists() => read_image(path, mode),
            None => Err(GuestError::Unknown { name: name.to_owned() }),
        },
        None => read_image(path, mode),
    }
}

fn read_image(path: &Path, mode: Mode) -> Result<Image, GuestError> {
    let unreadable = |cause| GuestError::Unreadable { path: path.into(), cause };
    let file = File::open(path).map_err(unreadable)?;
    let file_bytes = file.metadata().map_err(unreadable)?.len();

    let mut image = Vec::new();
    // One byte more than fits will do: some files never end.
    let bytes_max = layout(Mode::Multiboot).image_bytes_max;
    file.take(bytes_max as u64 + 1).read_to_end(&mut image).map_err(unreadable)?;
    let mode = if image.starts_with(elf::MAGIC) { Mode::Multiboot } else { mode };
    let bytes_max = layout(mode).image_bytes_max;
    let bytes = file_bytes.max(image.len() as u64);
    match image.len() {
        0 => Err(GuestError::Empty { path: path.into() }),
        read if read <= bytes_max => parse_image(path, mode, image),
        _ => Err(GuestError::TooLarge { path: path.into(), bytes, bytes_max }),
    }
}

/// An ELF file says where it wants to be, all others are where the mode has them.
fn parse_image(path: &Path, mode: Mode, bytes: Vec<u8>) -> Result<Image, GuestError> {
    let layout = layout(mode);
    if mode != Mode::Multiboot {
        let (entry, segments) = (layout.image, vec![Segment { address: layout.image, bytes }]);
        return Ok(Image { mode, entry, segments, bzimage: Vec::new() });
    }
    let room = layout.image.0..layout.image.0 + layout.image_bytes_max as u64;
    let (entry, segments) = elf::parse(&bytes, &room)
        .map_err(|cause| GuestError::BadElf { path: path.into(), cause })?;
    Ok(Image { mode, entry, segments, bzimage: Vec::new() })
}

fn did_you_mean(name: &str) -> String {
    match guests::nearest(name, MODES).as_slice() {
        [] => String::new(),
        names => format!("\n  did you mean {}?", names.join(", ")),
    }
}
