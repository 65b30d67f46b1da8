//! ELF files, for a kernel like the 1K OS's.

use fuzz::Target;
use fuzz::mutate::{Field, fields};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::elf::parse;
use crate::layout::{Layout, layout};

/// The numbers of the file header, and of the first five program headers.
pub const FIELDS: &[Field] = &{
    let mut all = [Field { offset: 0, bytes: 4 }; 4 + 6 + 40];
    let (words, halves, headers) = (fields::<4>(20, 4), fields::<6>(40, 2), fields::<40>(52, 4));
    let mut index = 0;
    while index < all.len() {
        all[index] = match index {
            0..4 => words[index],
            4..10 => halves[index - 4],
            _ => headers[index - 10],
        };
        index += 1;
    }
    all
};

pub const TARGET: Target = Target {
    name: "elf",
    seeds: || {
        let os = guests::find("os-1k", crate::guest::MODES).expect("it is built in");
        // All of it, and its headers alone.
        vec![os.image.to_vec(), os.image[..52 + 5 * 32].to_vec()]
    },
    fields: FIELDS,
    run,
    cases: 4_000,
    allocated_max: 48 << 20, // a copy of each segment, and the segments do not overlap
};

fn run(file: &[u8]) {
    let Layout { image, image_bytes_max, memory_bytes } = layout(guests::Mode::Multiboot);
    let room = image.0..image.0 + image_bytes_max as u64;
    let (entry, segments) = match parse(file, &room) {
        Ok(parsed) => parsed,
        Err(error) => return assert!(!format!("{error:#}").is_empty()),
    };
    let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), memory_bytes)]).unwrap();
    let mut last_end = room.start;
    for segment in &segments {
        let end = segment.address.0 + segment.bytes.len() as u64;
        assert!(last_end <= segment.address.0 && end <= room.end, "outside, or over another");
        memory.write_slice(&segment.bytes, segment.address).unwrap();
        last_end = end;
    }
    assert!(room.contains(&entry.0), "the entry is not in memory");
}
