//! Disks: tar archives, in a file of the user's and in the memory of a guest that has changed it.

use fuzz::mutate::{Field, fields};
use fuzz::{Target, file::file};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::disk::Disk;
use crate::layout::{DISK_ADDRESS, DISK_BYTES};

/// The first header: its size, its checksum, its type, and what an old GNU tar has in a header for a
/// sparse file.
const FIELDS: &[Field] = &{
    let mut all = [Field { offset: 0, bytes: 1 }; 12 + 8 + 1 + 12];
    let (size, checksum, real) = (fields::<12>(124, 1), fields::<8>(148, 1), fields::<12>(386, 1));
    let mut index = 0;
    while index < all.len() {
        all[index] = match index {
            0..12 => size[index],
            12..20 => checksum[index - 12],
            20 => Field { offset: 156, bytes: 1 },
            _ => real[index - 21],
        };
        index += 1;
    }
    all
};

/// Half of the inputs get a right checksum: no others have much of a way into a reader of archives.
fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.last().is_some_and(|last| last & 1 == 0)
        && let Some(header) = bytes.first_chunk_mut::<512>()
    {
        let mut repaired = tar::Header::new_old();
        repaired.as_mut_bytes().copy_from_slice(header);
        repaired.set_cksum();
        header.copy_from_slice(repaired.as_bytes());
    }
    bytes
}

/// Opened by the user.
pub const OPENED: Target = Target {
    name: "disk",
    seeds,
    fields: FIELDS,
    run: |bytes| {
        let (_open, path) = file(&repaired(bytes));
        match Disk::open(Some(&path)) {
            Ok(disk) => assert_eq!(disk.bytes.len(), DISK_BYTES),
            Err(error) => {
                let (message, path) = (error.to_string(), path.display().to_string());
                assert!(message.starts_with(&path), "{message}: does not name {path}");
            }
        }
    },
    cases: 100,
    allocated_max: 16 << 20,
};

/// Saved, as the guest has left it.
pub const SAVED: Target = Target {
    name: "disk-saved",
    seeds,
    fields: FIELDS,
    run: |bytes| {
        let bytes = repaired(&bytes[..bytes.len().min(DISK_BYTES)]);
        let (open, path) = file(guests::DISK);
        let Ok(disk) = Disk::open(Some(&path)) else { panic!("the built-in disk is one") };
        let size = DISK_ADDRESS.0 as usize + DISK_BYTES;
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), size)]).unwrap();
        memory.write_slice(&bytes, DISK_ADDRESS).unwrap();
        let saved = disk.save(&memory);
        if let Err(error) = &saved {
            let (message, path) = (format!("{error:#}"), path.display().to_string());
            assert!(message.contains(&path), "{message}: does not name {path}");
        }
        let length = open.metadata().unwrap().len();
        assert_eq!(length, DISK_BYTES as u64, "the file has another length");
    },
    cases: 100,
    allocated_max: 16 << 20,
};

/// The archive that every guest gets; one that begins with a small file, as most mutants do something
/// to the first header; and one with a sparse file.
fn seeds() -> Vec<Vec<u8>> {
    let archive = |kind, name: &str, bytes: &[u8], real: Option<u64>| {
        let mut header = tar::Header::new_gnu();
        header.set_path(name).unwrap();
        header.set_size(bytes.len() as u64);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        if let (Some(real), Some(gnu)) = (real, header.as_gnu_mut()) {
            gnu.set_real_size(real);
            gnu.sparse[0].set_offset(real);
            gnu.sparse[0].set_length(0);
        }
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, bytes).unwrap();
        builder.into_inner().unwrap()
    };
    use tar::EntryType::{GNULongName, GNUSparse, Regular, XHeader};
    vec![
        guests::DISK.to_vec(),
        archive(Regular, "readme.txt", b"hello\n", None),
        archive(GNULongName, "././@LongLink", &[b'a'; 200], None),
        archive(XHeader, "x", b"14 size=1000\n\n", None),
        archive(GNUSparse, "holes", b"", Some(4096)),
        archive(GNUSparse, "more-holes", b"", Some(1 << 33)),
    ]
}
