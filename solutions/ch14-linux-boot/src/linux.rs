//! Linux: the file with its kernel, and the zero page, which tells the kernel what it wants to know
//! when it starts. The Linux/x86 boot protocol: Documentation/arch/x86/boot.rst, zero-page.rst.

use std::fs::File;
use std::io::{Cursor, Read};
use std::mem::offset_of;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use guests::Mode;
use linux_loader::loader::bootparam::{boot_e820_entry, boot_params, setup_header};
use linux_loader::loader::{KernelLoader, bzimage::BzImage};
use vm_memory::{Address, ByteValued, Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

use crate::Options;
use crate::elf;
use crate::guest::{GuestError, Image, Segment};
use crate::layout::{COMMAND_LINE_ADDRESS, COMMAND_LINE_BYTES_MAX, ZERO_PAGE_ADDRESS};
use crate::layout::{HIGH_MEMORY_START, KERNEL_MIN, LOW_MEMORY_END, MEMORY_BYTES_MAX};

/// Where the setup header is, in a bzImage and in the zero page.
const HEADER: usize = 0x1f1;
/// `header`: "HdrS".
const MAGIC: u32 = u32::from_le_bytes(*b"HdrS");
/// `version`: 2.12 is the first that says whether there is an entry for 64 bits.
const VERSION_MIN: u16 = 0x020c;
/// `xloadflags`: there is, this far from where the kernel begins.
const XLF_KERNEL_64: u16 = 1 << 0;
const ENTRY_64_OFFSET: u64 = 0x200;
const FILE_BYTES_MAX: u64 = 128 << 20;

// A kernel that does not find these where it looks fails far from here.
const _: () = assert!(offset_of!(boot_params, e820_entries) == 0x1e8);
const _: () = assert!(offset_of!(boot_params, hdr) == HEADER);
const _: () = assert!(offset_of!(boot_params, hdr.type_of_loader) == 0x210);
const _: () = assert!(offset_of!(boot_params, hdr.cmd_line_ptr) == 0x228);
const _: () = assert!(offset_of!(boot_params, e820_table) == 0x2d0);

/// Reads a bzImage, for the address where the kernel wants to be, or a kernel that is an ELF file.
pub fn open(options: &Options) -> Result<Image, GuestError> {
    let path = options.kernel.as_ref().ok_or(GuestError::NoKernel)?;
    let unreadable = |cause| GuestError::Unreadable { path: path.into(), cause };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    let bad = |cause| GuestError::BadKernel { path: path.into(), cause };
    if bytes.starts_with(elf::MAGIC) {
        let (entry, segments) = check_elf(&bytes, options).map_err(bad)?;
        return Ok(Image { mode: Mode::Linux, entry, segments, bzimage: Vec::new() });
    }
    let header = check(&bytes, options).map_err(bad)?;
    let entry = GuestAddress(header.pref_address + ENTRY_64_OFFSET);
    Ok(Image { mode: Mode::Linux, entry, segments: Vec::new(), bzimage: bytes })
}

/// The setup header of a kernel that can be booted here.
fn check(file: &[u8], options: &Options) -> Result<setup_header> {
    let mut header = setup_header::default();
    if let Some(bytes) = file.get(HEADER..HEADER + size_of_val(&header)) {
        header.as_mut_slice().copy_from_slice(bytes);
    }
    ensure!(header.header == MAGIC, "it is not a bzImage");
    let version = header.version;
    ensure!(
        version >= VERSION_MIN,
        "boot protocol {version:#06x} is older than {VERSION_MIN:#06x}"
    );
    ensure!(header.xloadflags & XLF_KERNEL_64 != 0, "the kernel is not for 64 bits");
    // The one counts sectors of 512 bytes, without the first; the other paragraphs of 16 bytes.
    let whole = (usize::from(header.setup_sects) + 1) * 512 + header.syssize as usize * 16;
    let bytes = file.len();
    ensure!(bytes >= whole, "it is cut short: {bytes} of {whole} bytes");
    let (start, memory) = (header.pref_address, options.memory as u64);
    let end = start.saturating_add(u64::from(header.init_size).max(bytes as u64));
    ensure!(end <= memory, "it needs memory up to {end:#x}, there is up to {memory:#x}");
    ensure!(start >= KERNEL_MIN, "it wants to be at {start:#x}, where our page tables are");
    let (words, most) = (options.cmdline.len(), header.cmdline_size.min(COMMAND_LINE_BYTES_MAX));
    ensure!(words <= most as usize, "it takes up to {most} bytes of command line, not {words}");
    Ok(header)
}

/// The entry and the segments of a kernel that says itself where they go: above what is ours.
fn check_elf(file: &[u8], options: &Options) -> Result<(GuestAddress, Vec<Segment>)> {
    let (words, most) = (options.cmdline.len(), COMMAND_LINE_BYTES_MAX);
    ensure!(words <= most as usize, "it takes up to {most} bytes of command line, not {words}");
    elf::parse_kernel(file, &(HIGH_MEMORY_START..options.memory as u64))
}

/// Puts the kernel, the zero page and the command line into memory.
pub fn load(linux: &Image, command_line: &str, memory: &GuestMemoryMmap) -> Result<()> {
    let start = GuestAddress(linux.entry.0 - ENTRY_64_OFFSET);
    let loaded = BzImage::load(memory, Some(start), &mut Cursor::new(&linux.bzimage), None);
    let hdr = loaded.context("loading the kernel")?.setup_header.context("no setup header")?;
    let mut zero_page = boot_params { hdr, ..Default::default() };
    set_boot_loader(&mut zero_page);
    set_command_line(&mut zero_page);
    set_memory_map(&mut zero_page, memory.last_addr().raw_value() + 1);
    memory.write_obj(zero_page, ZERO_PAGE_ADDRESS).context("the zero page")?;
    memory.write_slice(command_line.as_bytes(), COMMAND_LINE_ADDRESS).context("the command line")
}

/// One that has no number of its own.
fn set_boot_loader(zero_page: &mut boot_params) {
    zero_page.hdr.type_of_loader = 0xff;
}

fn set_command_line(zero_page: &mut boot_params) {
    zero_page.hdr.cmd_line_ptr = COMMAND_LINE_ADDRESS.raw_value() as u32;
}

/// The kernel may use all memory but what a PC has between 640 KiB and 1 MiB.
pub fn ram(end: u64) -> [Range<u64>; 2] {
    [0..LOW_MEMORY_END, HIGH_MEMORY_START..end]
}

fn set_memory_map(zero_page: &mut boot_params, end: u64) {
    const E820_TYPE_RAM: u32 = 1;
    let ram = ram(end);
    zero_page.e820_entries = ram.len() as u8;
    for (entry, Range { start, end }) in zero_page.e820_table.iter_mut().zip(ram) {
        *entry = boot_e820_entry { addr: start, size: end - start, r#type: E820_TYPE_RAM };
    }
}

/// For the command line: bytes, or K, M or G for multiples of 1024.
pub fn parse_memory(text: &str) -> Result<usize> {
    let bytes = parse_size::Config::new().with_binary().parse_size(text)?;
    let is_possible = bytes % 4096 == 0 && bytes <= MEMORY_BYTES_MAX;
    ensure!(is_possible, "pages of 4K are possible, up to 3G: above are devices");
    Ok(bytes as usize)
}
