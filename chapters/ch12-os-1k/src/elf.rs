//! Programs in ELF files: which of the file's bytes go where. System V ABI, chapters 4 and 5.

use std::ops::Range;

use elf::ElfBytes;
use elf::abi::{EM_386, ET_EXEC, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::parse::ParseError;
use thiserror::Error;
use vm_memory::GuestAddress;

use crate::guest::Segment;

/// How each ELF file begins.
pub const MAGIC: &[u8] = b"\x7fELF";

#[derive(Debug, Error)]
pub enum ElfError {
    #[error("the ELF file is damaged: {0}")]
    Damaged(#[from] ParseError),
    #[error("the ELF file is no executable for 32-bit x86")]
    WrongKind,
    #[error("the segment at {start:#x} has more bytes in the file than in memory")]
    TooManyBytes { start: u64 },
    #[error("a segment wants {start:#x} to {end:#x}, there is memory from {:#x} to {:#x}",
        room.start, room.end)]
    OutOfMemory { start: u64, end: u64, room: Range<u64> },
    #[error("two segments overlap at {start:#x}")]
    Overlap { start: u64 },
    #[error("the entry {entry:#x} is in no segment: it has to be a physical address")]
    BadEntry { entry: u64 },
}

/// The entry of a program, and the segments to load, all within `room`. Paging is off, so physical
/// addresses count. What a segment has in memory and not in the file is 0, as memory is.
pub fn parse(
    file: &[u8],
    room: &Range<u64>,
) -> Result<(GuestAddress, Vec<Segment>), ElfError> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file)?;
    if (elf.ehdr.class, elf.ehdr.e_machine, elf.ehdr.e_type) != (Class::ELF32, EM_386, ET_EXEC) {
        return Err(ElfError::WrongKind);
    }
    let headers = elf.segments().into_iter().flatten();
    let mut headers: Vec<_> = headers.filter(|it| it.p_type == PT_LOAD && it.p_memsz > 0).collect();
    headers.sort_by_key(|header| header.p_paddr);

    let (mut segments, mut last_end, mut has_entry) = (Vec::new(), 0, false);
    for header in headers {
        let bytes = elf.segment_data(&header)?;
        let (start, end) = (header.p_paddr, header.p_paddr + header.p_memsz);
        if header.p_filesz > header.p_memsz {
            return Err(ElfError::TooManyBytes { start });
        }
        if start < room.start || end > room.end {
            return Err(ElfError::OutOfMemory { start, end, room: room.clone() });
        }
        if start < last_end {
            return Err(ElfError::Overlap { start });
        }
        last_end = end;
        has_entry |= (start..end).contains(&elf.ehdr.e_entry);
        segments.push(Segment { address: GuestAddress(start), bytes: bytes.to_vec() });
    }
    let entry = elf.ehdr.e_entry;
    if has_entry { Ok((GuestAddress(entry), segments)) } else { Err(ElfError::BadEntry { entry }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program with these segments: address, bytes in the file, bytes in memory.
    fn program(entry: u32, segments: &[[u32; 3]]) -> Vec<u8> {
        const HEADERS: u32 = 52;
        let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0\x01\0\0\0".to_vec();
        file.extend([entry, HEADERS, 0, 0].map(u32::to_le_bytes).concat());
        file.extend([52, 32, segments.len() as u16, 0, 0, 0].map(u16::to_le_bytes).concat());
        for [address, file_bytes, memory_bytes] in segments {
            let header = [PT_LOAD, 0, 0, *address, *file_bytes, *memory_bytes, 0, 0];
            file.extend(header.map(u32::to_le_bytes).concat());
        }
        file
    }

    fn error(file: &[u8]) -> String {
        parse(file, &(0x1000..0x9000)).err().expect("it is wrong").to_string()
    }

    #[test]
    fn segments_go_where_they_say() {
        let file = program(0x2010, &[[0x4000, 0, 0x5000], [0x2000, 4, 0x2000]]);
        let (entry, segments) = parse(&file, &(0x1000..0x9000)).expect("it is right");
        assert_eq!(entry.0, 0x2010);
        let parts: Vec<_> = segments.iter().map(|it| (it.address.0, &it.bytes[..])).collect();
        assert_eq!(parts, [(0x2000, MAGIC), (0x4000, &[][..])]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (entry, segments, message) in [
            (0x1000, &[[0x1000, 2, 1]][..], "more bytes in the file than in memory"),
            (0x0fff, &[[0x0fff, 1, 1]], "wants 0xfff to 0x1000"),
            (0x1000, &[[0x1000, 1, 0x8001]], "there is memory from 0x1000 to 0x9000"),
            (0xffff_ffff, &[[0xffff_ffff, 1, 0xffff_ffff]], "wants 0xffffffff to 0x1fffffffe"),
            (0x1000, &[[0x1000, 1, 2], [0x1001, 1, 1]], "two segments overlap at 0x1001"),
            (0x1001, &[[0x1000, 1, 1]], "the entry 0x1001 is in no segment"),
            (0x1000, &[], "the entry 0x1000 is in no segment"),
            (0x1000, &[[0x1000, 999, 999]], "damaged"),
        ] {
            let error = error(&program(entry, segments));
            assert!(error.contains(message), "{error}");
        }
        let whole = program(0x1000, &[[0x1000, 1, 1]]);
        for length in 0..whole.len() {
            error(&whole[..length]);
        }
    }
}
