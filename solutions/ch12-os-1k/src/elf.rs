//! Programs in ELF files: which of the file's bytes go where. System V ABI, chapters 4 and 5.

use std::ops::Range;

use anyhow::{Result, ensure};
use elf::ElfBytes;
use elf::abi::{EM_386, ET_EXEC, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::Class;
use vm_memory::GuestAddress;

use crate::guest::Segment;

pub const MAGIC: &[u8] = b"\x7fELF";

/// The entry of a program, and the segments to load, all within `room`. Paging is off, so physical
/// addresses count. What a segment has in memory and not in the file is 0, as memory is.
pub fn parse(file: &[u8], room: &Range<u64>) -> Result<(GuestAddress, Vec<Segment>)> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file)?;
    let kind = (elf.ehdr.class, elf.ehdr.e_machine, elf.ehdr.e_type);
    ensure!(kind == (Class::ELF32, EM_386, ET_EXEC), "not an executable for 32-bit x86");
    let headers = elf.segments().into_iter().flatten();
    let mut headers: Vec<_> = headers.filter(|it| it.p_type == PT_LOAD && it.p_memsz > 0).collect();
    headers.sort_by_key(|header| header.p_paddr);

    let entry = elf.ehdr.e_entry;
    let (mut segments, mut last_end, mut has_entry) = (Vec::new(), 0, false);
    for header in headers {
        let (start, end) = (header.p_paddr, header.p_paddr + header.p_memsz);
        let what = format!("the segment from {start:#x} to {end:#x}");
        ensure!(room.start <= start && end <= room.end, "{what} is not within {room:#x?}");
        ensure!(last_end <= start, "{what} overlaps another");
        ensure!(header.p_filesz <= header.p_memsz, "{what} is shorter than its bytes in the file");
        let bytes = elf.segment_data(&header)?.to_vec();
        segments.push(Segment { address: GuestAddress(start), bytes });
        last_end = end;
        has_entry |= (start..end).contains(&entry);
    }
    ensure!(has_entry, "the entry {entry:#x} is the physical address of nothing");
    Ok((GuestAddress(entry), segments))
}
