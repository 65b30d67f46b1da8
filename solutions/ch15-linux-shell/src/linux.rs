//! Linux: the file with its kernel, and the zero page, which tells the kernel what it wants to know
//! when it starts. The Linux/x86 boot protocol: Documentation/arch/x86/boot.rst, zero-page.rst.

use std::fs::File;
use std::io::{Cursor, Read};
use std::mem::offset_of;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use guests::Mode;
use linux_loader::loader::bootparam::{boot_e820_entry, boot_params, setup_header};
use linux_loader::loader::{KernelLoader, bzimage::BzImage};
use vm_memory::{Address, ByteValued, Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

use crate::Options;
use crate::guest::{GuestError, Image, Segment};
use crate::layout::{COMMAND_LINE_ADDRESS, COMMAND_LINE_BYTES_MAX, ZERO_PAGE_ADDRESS};
use crate::layout::{HIGH_MEMORY_START, KERNEL_MIN, LOW_MEMORY_END, MEMORY_BYTES_MAX};
use crate::share;

/// Where the setup header is, in a bzImage and in the zero page.
const HEADER: usize = 0x1f1;
/// `header`: "HdrS".
const MAGIC: u32 = u32::from_le_bytes(*b"HdrS");
/// `version`: 2.12 is the first that says whether there is an entry for 64 bits.
const VERSION_MIN: u16 = 0x020c;
/// `xloadflags`: there is, this far from where the kernel begins.
const XLF_KERNEL_64: u16 = 1 << 0;
const ENTRY_64_OFFSET: u64 = 0x200;
const PAGE_BYTES: u64 = 4096;
const FILE_BYTES_MAX: u64 = 128 << 20;

// A kernel that does not find these where it looks fails far from here.
const _: () = assert!(offset_of!(boot_params, e820_entries) == 0x1e8);
const _: () = assert!(offset_of!(boot_params, hdr) == HEADER);
const _: () = assert!(offset_of!(boot_params, hdr.type_of_loader) == 0x210);
const _: () = assert!(offset_of!(boot_params, hdr.ramdisk_image) == 0x218);
const _: () = assert!(offset_of!(boot_params, hdr.ramdisk_size) == 0x21c);
const _: () = assert!(offset_of!(boot_params, hdr.cmd_line_ptr) == 0x228);
const _: () = assert!(offset_of!(boot_params, e820_table) == 0x2d0);

/// Reads a bzImage, for the address where the kernel wants to be.
pub fn open(options: &Options) -> Result<Image, GuestError> {
    let path = options.kernel.as_ref().ok_or(GuestError::NoKernel)?;
    let bytes = read(path, FILE_BYTES_MAX)?;
    let header = check(&bytes, options)
        .map_err(|cause| GuestError::BadKernel { path: path.into(), cause })?;
    let entry = GuestAddress(header.pref_address + ENTRY_64_OFFSET);
    let segments = match (&options.initrd, &options.share) {
        (None, None) => Vec::new(),
        (initrd, folder) => vec![place_initrd(
            initrd.as_deref(),
            folder.as_deref(),
            &header,
            options.memory as u64,
        )?],
    };
    Ok(Image { mode: Mode::Linux, entry, segments, bzimage: bytes })
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, GuestError> {
    let unreadable = |cause| GuestError::Unreadable { path: path.into(), cause };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(bytes_max).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// The initrd and an archive of a folder, as high as the kernel allows and memory goes: the kernel
/// unpacks itself below.
fn place_initrd(
    initrd: Option<&Path>,
    folder: Option<&Path>,
    header: &setup_header,
    memory: u64,
) -> Result<Segment, GuestError> {
    let end = memory.min(u64::from(header.initrd_addr_max) + 1);
    let kernel_end = header.pref_address + u64::from(header.init_size);
    let bytes_max = end.saturating_sub(kernel_end.next_multiple_of(PAGE_BYTES));
    let (mut bytes, mut length) = (Vec::new(), 0);
    if let Some(path) = initrd {
        bytes = read(path, bytes_max + 1)?;
        length = (bytes.len() as u64).max(path.metadata().map_or(0, |file| file.len()));
    }
    let shared = folder.map(share::list).transpose()?;
    if let Some(shared) = &shared {
        length = length.next_multiple_of(share::ALIGNMENT) + share::length(shared);
    }
    if length > bytes_max {
        return Err(GuestError::InitrdTooLarge {
            path: folder.or(initrd).unwrap_or(Path::new("")).into(),
            bytes: length,
            end,
            bytes_max,
        });
    }
    if let Some(shared) = &shared {
        share::align(&mut bytes);
        share::append(shared, &mut bytes)?;
    }
    let address = GuestAddress((end - length) & !(PAGE_BYTES - 1));
    Ok(Segment { address, bytes })
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

/// Puts the kernel, the zero page and the command line into memory.
pub fn load(linux: &Image, command_line: &str, memory: &GuestMemoryMmap) -> Result<()> {
    let start = GuestAddress(linux.entry.0 - ENTRY_64_OFFSET);
    let loaded = BzImage::load(memory, Some(start), &mut Cursor::new(&linux.bzimage), None);
    let hdr = loaded.context("loading the kernel")?.setup_header.context("no setup header")?;
    let mut zero_page = boot_params { hdr, ..Default::default() };
    set_boot_loader(&mut zero_page);
    set_command_line(&mut zero_page);
    if let [initrd] = &linux.segments[..] {
        set_initrd(&mut zero_page, initrd);
    }
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

fn set_initrd(zero_page: &mut boot_params, initrd: &Segment) {
    zero_page.hdr.ramdisk_image = initrd.address.raw_value() as u32;
    zero_page.hdr.ramdisk_size = initrd.bytes.len() as u32;
}

/// The kernel may use all memory but what a PC has between 640 KiB and 1 MiB.
fn set_memory_map(zero_page: &mut boot_params, end: u64) {
    const E820_TYPE_RAM: u32 = 1;
    let ram =
        |start, end| boot_e820_entry { addr: start, size: end - start, r#type: E820_TYPE_RAM };
    zero_page.e820_table[0] = ram(0, LOW_MEMORY_END);
    zero_page.e820_table[1] = ram(HIGH_MEMORY_START, end);
    zero_page.e820_entries = 2;
}

/// For the command line: bytes, or K, M or G for multiples of 1024.
pub fn parse_memory(text: &str) -> Result<usize> {
    let bytes = parse_size::Config::new().with_binary().parse_size(text)?;
    let is_possible = bytes % PAGE_BYTES == 0 && bytes <= MEMORY_BYTES_MAX;
    ensure!(is_possible, "pages of 4K are possible, up to 3G: above are devices");
    Ok(bytes as usize)
}

/// Whether the reset was a warm one: in a PC, that tells the firmware, by this word, to hurry.
pub fn has_panicked(memory: &GuestMemoryMmap) -> Result<bool> {
    const RESET_FLAG: GuestAddress = GuestAddress(0x472);
    const WARM: u16 = 0x1234;
    Ok(memory.read_obj::<u16>(RESET_FLAG).context("the reset flag")? == WARM)
}
