//! Files in the formats that a VMM parses, made around code and data.

use elf::ElfBytes;
use elf::abi::PT_LOAD;
use elf::endian::LittleEndian;

const ELF_HEADER_BYTES: usize = 52;
const PROGRAM_HEADER_BYTES: usize = 32;

/// A piece of a program: where it goes, its bytes, and how many it has in memory.
pub struct Piece {
    address: u32,
    bytes: Vec<u8>,
    memory: u32,
}

/// An ELF file for 32-bit x86 with this code at an address, where it begins. System V ABI, chapter 4.
pub fn elf(code: Vec<u8>, at: u32) -> Vec<u8> {
    elf_of(at, &[piece(code, at)])
}

fn piece(bytes: Vec<u8>, address: u32) -> Piece {
    let memory = bytes.len() as u32;
    Piece { address, bytes, memory }
}

/// The same program, with more code at an address, where it begins. That `code` gets the address
/// where the program would have begun.
///
/// # Panics
///
/// If `file` is no such program: it is one of ours.
pub fn elf_with(file: &[u8], at: u32, code: impl FnOnce(u32) -> Vec<u8>) -> Vec<u8> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).expect("a built-in guest is an ELF");
    let headers = elf.segments().expect("it has segments").into_iter();
    let mut pieces: Vec<_> = headers
        .filter(|header| header.p_type == PT_LOAD)
        .map(|header| Piece {
            address: header.p_paddr as u32,
            bytes: elf.segment_data(&header).expect("it is whole").to_vec(),
            memory: header.p_memsz as u32,
        })
        .collect();
    pieces.push(piece(code(elf.ehdr.e_entry as u32), at));
    elf_of(at, &pieces)
}

fn elf_of(entry: u32, pieces: &[Piece]) -> Vec<u8> {
    let count = pieces.len() as u16;
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(16, 0);
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    half(&mut file, 2); // an executable
    half(&mut file, 3); // for the 386
    for value in [1, entry, ELF_HEADER_BYTES as u32, 0, 0] {
        word(&mut file, value);
    }
    for value in [ELF_HEADER_BYTES as u16, PROGRAM_HEADER_BYTES as u16, count, 40, 0, 0] {
        half(&mut file, value);
    }
    let mut offset = ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES * pieces.len();
    for Piece { address, bytes, memory } in pieces {
        let length = bytes.len() as u32;
        for value in [1, offset as u32, *address, *address, length, *memory, 7, 1] {
            word(&mut file, value);
        }
        offset += bytes.len();
    }
    pieces.iter().for_each(|piece| file.extend(&piece.bytes));
    file
}

/// How far from the start of a kernel its 64-bit entry is, and how long the setup of ours is.
const ENTRY_64: usize = 0x200;
const SETUP_BYTES: usize = 1024;

/// Where our own kernels want to be.
pub const KERNEL_ADDRESS: u64 = 4 << 20;

/// A bzImage whose 64-bit entry is this code. Documentation/arch/x86/boot.rst.
pub fn bzimage(code: &[u8]) -> Vec<u8> {
    let mut file = vec![0; SETUP_BYTES + ENTRY_64];
    file.extend(code);
    file.resize(file.len().next_multiple_of(16), 0xf4);
    let paragraphs = ((file.len() - SETUP_BYTES) / 16) as u32;
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x1f1, &[1]); // setup_sects
    put(0x1f4, &paragraphs.to_le_bytes());
    put(0x1fe, &[0x55, 0xaa]);
    put(0x200, &[0xeb, 0x66]);
    put(0x202, b"HdrS");
    put(0x206, &0x020f_u16.to_le_bytes());
    put(0x211, &[1]); // loadflags: it goes to high memory
    put(0x214, &0x10_0000_u32.to_le_bytes());
    put(0x22c, &0x7fff_ffff_u32.to_le_bytes()); // initrd_addr_max
    put(0x230, &0x1000_u32.to_le_bytes());
    put(0x234, &[1]);
    put(0x236, &[1]); // xloadflags: there is an entry for 64 bits
    put(0x238, &2047_u32.to_le_bytes()); // cmdline_size
    put(0x258, &KERNEL_ADDRESS.to_le_bytes());
    put(0x260, &0x10_0000_u32.to_le_bytes()); // init_size
    file
}

/// Where the setup header is, by which a kernel says what it needs.
pub const SETUP_HEADER: std::ops::Range<usize> = 0x1f1..0x268;

/// Makes the checksums of a tar archive right again, so that what is in the headers counts. POSIX.1,
/// pax, "ustar Interchange Format".
pub fn mend_checksums(tar: &mut [u8]) {
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    const MAGIC: usize = 257;
    for header in tar.chunks_exact_mut(512) {
        if !header[MAGIC..].starts_with(b"ustar") {
            continue;
        }
        header[CHECKSUM].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_program_keeps_its_pieces_and_gets_one_more() {
        let file = elf(vec![0xf4; 5], 0x10_0000);
        let more = elf_with(&file, 0x20_0000, |entry| entry.to_le_bytes().to_vec());
        let elf = ElfBytes::<LittleEndian>::minimal_parse(&more).unwrap();
        assert_eq!(elf.ehdr.e_entry, 0x20_0000);
        let segments = elf.segments().unwrap();
        let pieces: Vec<_> =
            segments.iter().map(|it| (it.p_paddr, elf.segment_data(&it).unwrap())).collect();
        assert_eq!(
            pieces,
            [(0x10_0000, &[0xf4; 5][..]), (0x20_0000, &0x10_0000_u32.to_le_bytes()[..])]
        );
    }

    #[test]
    fn an_archive_with_mended_checksums_can_be_read() {
        let names = |tar: &[u8]| -> io::Result<usize> {
            tar::Archive::new(tar).entries()?.try_fold(0, |count, entry| entry.map(|_| count + 1))
        };
        let mut tar = guests::DISK.to_vec();
        let count = names(&tar).unwrap();
        tar[0] ^= 1;
        assert!(names(&tar).is_err());
        mend_checksums(&mut tar);
        assert_eq!(names(&tar).unwrap(), count);
    }
}
