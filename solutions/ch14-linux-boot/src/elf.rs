//! Programs in ELF files: which of the file's bytes go where. System V ABI, chapters 4 and 5.

use std::ops::Range;

use anyhow::{Result, bail, ensure};
use elf::ElfBytes;
use elf::abi::{EM_386, EM_X86_64, ET_EXEC, PT_LOAD, PT_NOTE};
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::note::Note;
use vm_memory::GuestAddress;

use crate::guest::Segment;

pub const MAGIC: &[u8] = b"\x7fELF";

/// The note with the entry for hypervisors: `XEN_ELFNOTE_PHYS32_ENTRY`. PVH direct boot.
const PVH_OWNER: &str = "Xen";
const PVH_ENTRY: u64 = 18;

/// The entry of a program, and the segments to load, all within `room`. Paging is off, so physical
/// addresses count. What a segment has in memory and not in the file is 0, as memory is.
pub fn parse(file: &[u8], room: &Range<u64>) -> Result<(GuestAddress, Vec<Segment>)> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file)?;
    let kind = (elf.ehdr.class, elf.ehdr.e_machine, elf.ehdr.e_type);
    ensure!(kind == (Class::ELF32, EM_386, ET_EXEC), "not an executable for 32-bit x86");
    load(&elf, elf.ehdr.e_entry, room)
}

/// The same for a kernel of 64 bits, and its entry for hypervisors.
pub fn parse_kernel(file: &[u8], room: &Range<u64>) -> Result<(GuestAddress, Vec<Segment>)> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file)?;
    let kind = (elf.ehdr.class, elf.ehdr.e_machine, elf.ehdr.e_type);
    ensure!(kind == (Class::ELF64, EM_X86_64, ET_EXEC), "not an executable for 64-bit x86");
    let headers = elf.segments().into_iter().flatten();
    for header in headers.filter(|header| header.p_type == PT_NOTE) {
        for note in elf.segment_data_as_notes(&header)? {
            if let Some(entry) = pvh_entry(&note) {
                return load(&elf, entry, room);
            }
        }
    }
    bail!("it has no PVH entry")
}

fn pvh_entry(note: &Note) -> Option<u64> {
    match note {
        Note::Unknown(it) if it.n_type == PVH_ENTRY && it.name_str().ok()? == PVH_OWNER => {
            match *it.desc {
                [a, b, c, d] => Some(u32::from_le_bytes([a, b, c, d]).into()),
                _ => Some(u64::from_le_bytes(it.desc.try_into().ok()?)),
            }
        }
        _ => None,
    }
}

fn load(
    elf: &ElfBytes<LittleEndian>,
    entry: u64,
    room: &Range<u64>,
) -> Result<(GuestAddress, Vec<Segment>)> {
    let headers = elf.segments().into_iter().flatten();
    let mut headers: Vec<_> = headers.filter(|it| it.p_type == PT_LOAD && it.p_memsz > 0).collect();
    headers.sort_by_key(|header| header.p_paddr);

    let (mut segments, mut last_end, mut has_entry) = (Vec::new(), 0, false);
    for header in headers {
        let (start, end) = (header.p_paddr, header.p_paddr.saturating_add(header.p_memsz));
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
