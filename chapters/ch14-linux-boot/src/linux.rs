//! Linux: the file with its kernel, and what the kernel wants to know when it starts. The Linux/x86
//! boot protocol, Documentation/arch/x86/boot.rst.

use std::env;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use guests::Mode;
use linux_loader::loader::bootparam::{boot_params, setup_header};
use linux_loader::loader::{KernelLoader, bzimage::BzImage};
use nix::sys::utsname::uname;
use vm_memory::{ByteValued, Bytes, GuestAddress, GuestMemoryMmap};

use crate::guest::{GuestError, Image, Segment};
use crate::layout::{
    COMMAND_LINE_ADDRESS, COMMAND_LINE_BYTES_MAX, KERNEL_ADDRESS, ZERO_PAGE_ADDRESS, memory_ranges,
};
use crate::zero_page;

/// Where a bzImage has its setup header.
pub const HEADER_OFFSET: usize = 0x1f1;

/// `header`: "HdrS".
const MAGIC: u32 = u32::from_le_bytes(*b"HdrS");
/// `version`: 2.12 was the first that says whether there is an entry for 64 bits.
const VERSION_MIN: u16 = 0x020c;
/// `xloadflags`: there is one, at this offset.
const XLF_KERNEL_64: u16 = 1 << 0;
const ENTRY_64_OFFSET: u64 = 0x200;
/// The most memory that one may ask for.
const SIZE_MAX: u64 = 1 << 40;
const PAGE_BYTES: u64 = 4096;
/// No kernel is larger.
const FILE_BYTES_MAX: u64 = 128 << 20;
/// `setup_sects` and `syssize` count in these.
const SECTOR_BYTES: usize = 512;
const PARAGRAPH_BYTES: usize = 16;

/// The kernel to boot if none is named: the one that `cargo run` has fetched, or else this machine's.
pub fn default_kernel() -> PathBuf {
    let release = || uname().map(|uname| uname.release().display().to_string());
    env::var_os("MINI_KVM_KERNEL").map_or_else(
        || format!("/boot/vmlinuz-{}", release().unwrap_or_default()).into(),
        PathBuf::from,
    )
}

/// Reads a bzImage. It is loaded later and as a whole: it says itself what of it goes where.
pub fn open(path: &Path, command_line: &str, memory_bytes: u64) -> Result<Image, GuestError> {
    let unreadable = |cause| GuestError::Unreadable { path: path.into(), cause };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    let header = check(&bytes, memory_bytes)
        .map_err(|cause| GuestError::BadKernel { path: path.into(), cause })?;
    let bytes_max = COMMAND_LINE_BYTES_MAX.min(header.cmdline_size as usize);
    if command_line.len() > bytes_max {
        return Err(GuestError::CommandLineTooLong { bytes: command_line.len(), bytes_max });
    }
    let entry = GuestAddress(KERNEL_ADDRESS.0 + ENTRY_64_OFFSET);
    let segments = vec![Segment { address: KERNEL_ADDRESS, bytes }];
    Ok(Image { mode: Mode::Linux, entry, segments })
}

/// The setup header of a kernel that can be booted here.
fn check(file: &[u8], memory_bytes: u64) -> Result<setup_header> {
    let mut header = setup_header::default();
    if let Some(bytes) = file.get(HEADER_OFFSET..HEADER_OFFSET + size_of::<setup_header>()) {
        header.as_mut_slice().copy_from_slice(bytes);
    }
    ensure!(header.header == MAGIC, "not a bzImage");
    let version = header.version;
    ensure!(
        version >= VERSION_MIN,
        "boot protocol {version:#06x} is older than {VERSION_MIN:#06x}"
    );
    ensure!(header.xloadflags & XLF_KERNEL_64 != 0, "the kernel is not for 64 bits");
    let setup_bytes = (usize::from(header.setup_sects) + 1) * SECTOR_BYTES;
    let (bytes, whole) = (file.len(), setup_bytes + header.syssize as usize * PARAGRAPH_BYTES);
    ensure!(bytes >= whole, "the file is cut short: {bytes} of {whole} bytes");

    // It moves itself to where it wants to be, and unpacks itself there.
    let start = header.pref_address.max(KERNEL_ADDRESS.0);
    let end = start.saturating_add(header.init_size.into());
    let memory_end = memory_ranges(memory_bytes)[0].1 as u64;
    ensure!(end <= memory_end, "it needs memory up to {end:#x}, there is up to {memory_end:#x}");
    Ok(header)
}

/// Puts the kernel, the zero page and the command line into memory.
pub fn load(file: &[u8], command_line: &str, memory: &GuestMemoryMmap) -> Result<()> {
    let mut file = Cursor::new(file);
    let kernel = BzImage::load(memory, Some(KERNEL_ADDRESS), &mut file, None);
    let header = kernel.context("loading the kernel")?.setup_header.context("setup header")?;
    let mut zero_page = boot_params::default();
    zero_page::set_setup_header(&mut zero_page, header);
    zero_page::set_boot_loader(&mut zero_page);
    zero_page::set_command_line(&mut zero_page, COMMAND_LINE_ADDRESS);
    zero_page::set_memory_map(&mut zero_page, memory);
    memory.write_obj(zero_page, ZERO_PAGE_ADDRESS).context("the zero page")?;
    let command_line = [command_line.as_bytes(), b"\0"].concat();
    memory.write_slice(&command_line, COMMAND_LINE_ADDRESS).context("the command line")
}

/// Whether the reset was a warm one. What it leaves there tells a PC's firmware: it then skips its
/// memory test.
pub fn has_panicked(memory: &GuestMemoryMmap) -> Result<bool> {
    const RESET_FLAG: GuestAddress = GuestAddress(0x472);
    const WARM: u16 = 0x1234;
    Ok(memory.read_obj::<u16>(RESET_FLAG).context("the reset flag")? == WARM)
}

/// For the command line: bytes, or with K, M or G multiples of 1024 of them.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(['K', 'M', 'G']);
    let unit = match &text[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return Err("one of K, M and G is enough".into()),
    };
    let number: u64 = digits.parse().map_err(|_| "a size is a number, with K, M or G: 256M")?;
    match number.checked_mul(unit) {
        Some(bytes) if bytes > SIZE_MAX => Err("no machine has more than 1024G".into()),
        None => Err("no machine has more than 1024G".into()),
        Some(bytes) if bytes % PAGE_BYTES != 0 => Err("memory comes in pages of 4K".into()),
        Some(bytes) => Ok(bytes),
    }
}
