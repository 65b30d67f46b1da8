//! The kernel proper out of a bzImage: what the bzImage would unpack itself into at every start,
//! which emulated takes seconds.
//!
//! Offsets are those of `Documentation/arch/x86/boot.rst`, "The real-mode kernel header".

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::{elf, programs};

const SETUP_SECTS: usize = 0x1f1;
const HEADER_MAGIC: usize = 0x202;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
const SECTOR: usize = 512;

/// Writes the uncompressed kernel to `to`, if it is one that QEMU can start. That it is not, is no
/// error: the bzImage will do, later.
pub fn unpack(bzimage: &Path, to: &Path) -> Result<bool> {
    let image = std::fs::read(bzimage)
        .with_context(|| format!("cannot read the kernel {}", bzimage.display()))?;
    let Some((program, compressed)) = payload(&image) else { return Ok(false) };
    if programs::find(program).is_none() {
        return Ok(false);
    }
    let input = tempfile::NamedTempFile::new_in(to.parent().context("no directory")?)?;
    std::fs::write(input.path(), compressed)?;
    let output = Command::new(program)
        .arg("-dc")
        .stdin(Stdio::from(std::fs::File::open(input.path())?))
        .output()?;
    if !output.status.success() || elf::has_pvh_entry(&output.stdout) != Some(true) {
        return Ok(false);
    }
    std::fs::write(to, output.stdout).with_context(|| format!("cannot write {}", to.display()))?;
    Ok(true)
}

/// The compressed kernel in a bzImage, and the program that can unpack it.
fn payload(image: &[u8]) -> Option<(&'static str, &[u8])> {
    let number = |at: usize| -> Option<usize> {
        u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?).try_into().ok()
    };
    if image.get(HEADER_MAGIC..HEADER_MAGIC + 4)? != b"HdrS" {
        return None;
    }
    // "For backwards compatibility, if the setup_sects field contains 0, the real value is 4."
    let setup_sectors = match usize::from(image[SETUP_SECTS]) {
        0 => 4,
        count => count,
    };
    let start = (setup_sectors + 1) * SECTOR + number(PAYLOAD_OFFSET)?;
    let payload = image.get(start..start.checked_add(number(PAYLOAD_LENGTH)?)?)?;
    // The kernel's build appends the uncompressed length where the format has none of its own.
    let without_length = payload.get(..payload.len().checked_sub(4)?)?;
    match payload {
        [0x1f, 0x8b, ..] => Some(("gzip", payload)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(("xz", without_length)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(("zstd", without_length)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bzimage(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 5 * SECTOR + 16];
        image[HEADER_MAGIC..HEADER_MAGIC + 4].copy_from_slice(b"HdrS");
        image[PAYLOAD_OFFSET] = 16;
        image[PAYLOAD_LENGTH] = u8::try_from(payload.len()).unwrap();
        image.extend(payload);
        image
    }

    #[test]
    fn the_payload_is_where_the_header_says() {
        assert_eq!(payload(&bzimage(b"\x1f\x8babcd")), Some(("gzip", &b"\x1f\x8babcd"[..])));
        assert_eq!(payload(&bzimage(b"\xfd7zXZ\0xSIZE")), Some(("xz", &b"\xfd7zXZ\0x"[..])));
        assert_eq!(payload(&bzimage(b"what is this")), None);
    }

    #[test]
    fn what_is_no_bzimage_is_left_alone() {
        assert_eq!(payload(b""), None);
        assert_eq!(payload(&[0; 4096]), None);
        let cut = bzimage(b"\x1f\x8babcd");
        assert_eq!(payload(&cut[..cut.len() - 1]), None);
    }
}
