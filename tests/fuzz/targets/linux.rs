//! Kernels: bzImages with a setup header that lies.

use clap::Parser;
use fuzz::mutate::Field;
use fuzz::{Target, file::file};
use linux_loader::loader::bootparam::{boot_params, setup_header};
use vm_memory::{ByteValued, Bytes, GuestAddress, GuestMemoryMmap};

use crate::guest::Image;
use crate::layout::{
    COMMAND_LINE_ADDRESS, HIGH_MEMORY_START, KERNEL_MIN, LOW_MEMORY_END, ZERO_PAGE_ADDRESS,
};
use crate::{Options, linux};

const HEADER: usize = 0x1f1;
const MEMORY: &str = "64M";
const MEMORY_BYTES: u64 = 64 << 20;
const COMMAND_LINE: &str = "console=ttyS0 panic=-1";

/// Those of the setup header that somebody believes. boot.rst, "Details of Header Fields".
const FIELDS: &[Field] = &[
    Field { offset: 0x1f1, bytes: 1 }, // setup_sects
    Field { offset: 0x1f4, bytes: 4 }, // syssize
    Field { offset: 0x202, bytes: 4 }, // header
    Field { offset: 0x206, bytes: 2 }, // version
    Field { offset: 0x211, bytes: 1 }, // loadflags
    Field { offset: 0x214, bytes: 4 }, // code32_start
    Field { offset: 0x218, bytes: 4 }, // ramdisk_image
    Field { offset: 0x21c, bytes: 4 }, // ramdisk_size
    Field { offset: 0x22c, bytes: 4 }, // initrd_addr_max
    Field { offset: 0x230, bytes: 4 }, // kernel_alignment
    Field { offset: 0x236, bytes: 2 }, // xloadflags
    Field { offset: 0x238, bytes: 4 }, // cmdline_size
    Field { offset: 0x258, bytes: 8 }, // pref_address
    Field { offset: 0x260, bytes: 4 }, // init_size
];

pub const TARGET: Target = Target {
    name: crate::root::LINUX,
    seeds,
    fields: FIELDS,
    run,
    cases: 1_500,
    allocated_max: 160 << 20, // an initrd that does not fit is read as far as it might
};

/// The header of Debian's kernel 6.1, and a kernel behind it that is as long as a real one's setup. The
/// first 2 bytes are the initrd's length in units of 4 KiB: they are not part of the image.
fn seeds() -> Vec<Vec<u8>> {
    let header = setup_header {
        setup_sects: 39,
        syssize: 0x80,
        boot_flag: 0xaa55,
        jump: 0x6aeb,
        header: u32::from_le_bytes(*b"HdrS"),
        version: 0x020f,
        loadflags: 1,
        code32_start: 0x10_0000,
        initrd_addr_max: 0x7fff_ffff,
        kernel_alignment: 0x20_0000,
        relocatable_kernel: 1,
        min_alignment: 0x15,
        xloadflags: 0x7f,
        cmdline_size: 0x7ff,
        pref_address: 0x100_0000,
        init_size: 0x2be_7000,
        ..Default::default()
    };
    let image = |header: &setup_header| {
        let mut image = vec![0; (39 + 1) * 512 + 0x80 * 16];
        image[HEADER..HEADER + size_of::<setup_header>()].copy_from_slice(header.as_slice());
        image
    };
    let small = setup_header { setup_sects: 4, init_size: 0x1000, ..header };
    [image(&header), image(&small)]
        .into_iter()
        .flat_map(|image| {
            // The initrd's length is in bytes that nobody reads: the boot sector's first.
            [0, 1, 200].map(|length| {
                let mut image = image.clone();
                image[0] = length;
                image
            })
        })
        .collect()
}

fn run(bytes: &[u8]) {
    let initrd = vec![0xab; usize::from(bytes.first().copied().unwrap_or(0)) << 12];
    let (_kernel, kernel) = file(bytes);
    let (_initrd, initrd_path) = file(&initrd);
    let mut words = vec!["ch", "--memory", MEMORY, "--cmdline", COMMAND_LINE, "--kernel"];
    let (kernel, initrd_path) = (kernel.to_str().unwrap(), initrd_path.to_str().unwrap());
    words.push(kernel);
    if crate::root::HAS_INITRD && !initrd.is_empty() {
        words.extend(["--initrd", initrd_path]);
    }
    let options = Options::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    let image = match linux::open(&options) {
        Ok(image) => image,
        Err(error) => {
            let message = error.to_string();
            let is_named = [kernel, initrd_path].iter().any(|path| message.contains(path));
            return assert!(is_named, "{message}: names no file");
        }
    };
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY_BYTES as usize)]).unwrap();
    for segment in &image.segments {
        memory.write_slice(&segment.bytes, segment.address).unwrap();
    }
    // What was accepted can be loaded: an error here would be taken for one of KVM.
    linux::load(&image, COMMAND_LINE, &memory).unwrap_or_else(|error| panic!("{error:#}"));
    check(&image, &initrd, &memory);
}

/// What the kernel relies on.
fn check(image: &Image, initrd: &[u8], memory: &GuestMemoryMmap) {
    let zero_page: boot_params = memory.read_obj(ZERO_PAGE_ADDRESS).unwrap();
    let hdr = zero_page.hdr;
    let (start, init_size, setup) = (hdr.pref_address, hdr.init_size, hdr.setup_sects);
    let setup = if setup == 0 { 4 } else { u64::from(setup) };
    let kernel_bytes = image.bzimage.len() as u64 - (setup + 1) * 512;
    let end = start + kernel_bytes.max(init_size.into());
    assert!(start >= KERNEL_MIN && end <= MEMORY_BYTES, "kernel from {start:#x} to {end:#x}");
    assert!(image.entry.0 >= start && image.entry.0 < MEMORY_BYTES);
    let mut kernel = vec![0; kernel_bytes as usize];
    memory.read_slice(&mut kernel, GuestAddress(start)).unwrap();
    assert!(image.bzimage.ends_with(&kernel), "another kernel is in memory");

    if crate::root::HAS_INITRD && !initrd.is_empty() {
        let (at, length) = (u64::from(hdr.ramdisk_image), u64::from(hdr.ramdisk_size));
        assert_eq!(length, initrd.len() as u64);
        assert!(
            at >= end && at + length <= MEMORY_BYTES,
            "the initrd is over the kernel, or not there"
        );
        assert!(at + length - 1 <= u64::from(hdr.initrd_addr_max), "the initrd is too high");
        let mut found = vec![0; initrd.len()];
        memory.read_slice(&mut found, GuestAddress(at)).unwrap();
        assert!(found == initrd, "the initrd is not what it was");
    }

    let at = u64::from(hdr.cmd_line_ptr);
    assert_eq!(at, COMMAND_LINE_ADDRESS.0);
    let mut words = vec![0; COMMAND_LINE.len() + 1];
    memory.read_slice(&mut words, COMMAND_LINE_ADDRESS).unwrap();
    assert_eq!(words, [COMMAND_LINE.as_bytes(), b"\0"].concat());

    let count = usize::from(zero_page.e820_entries);
    let mut last_end = 0;
    for entry in &zero_page.e820_table[..count] {
        let (at, size) = (entry.addr, entry.size);
        assert!(last_end <= at && size > 0 && at + size <= MEMORY_BYTES, "e820: {at:#x} {size:#x}");
        assert!(at >= HIGH_MEMORY_START || at + size <= LOW_MEMORY_END);
        last_end = at + size;
    }
    assert_eq!(last_end, MEMORY_BYTES);
}
