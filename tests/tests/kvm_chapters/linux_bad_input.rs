//! What cannot be booted, and options that ask for the impossible: each is refused with the reason,
//! before there is a VM.

use std::fs::{self, File};
use std::path::Path;

use tempfile::NamedTempFile;
use tests::{Run, assert_ends, text};

use crate::images::image;
use crate::linux_boot::kernel;

const CHAPTERS: [&str; 2] = ["ch14-linux-boot", "ch15-linux-shell"];

/// Without KVM: whoever gets as far as to open it ends with this.
const NO_KVM: Option<&str> = Some("open:2");
const ACCEPTED: i32 = 69;
const REFUSED: i32 = 66;

/// Where fields of the setup header are. Linux/x86 boot protocol, "The Real-Mode Kernel Header".
const SETUP_SECTS: usize = 0x1f1;
const SYSSIZE: usize = 0x1f4;
const MAGIC: usize = 0x202;
const VERSION: usize = 0x206;
const XLOADFLAGS: usize = 0x236;
const CMDLINE_SIZE: usize = 0x238;
const PREF_ADDRESS: usize = 0x258;
const INIT_SIZE: usize = 0x260;

/// The last of these fields ends here.
const HEADER_END: usize = INIT_SIZE + 4;

const MIB: u64 = 1 << 20;

/// Other bytes, and where they go.
type Changes<'a> = &'a [(usize, &'a [u8])];

/// The kernel's 16-bit part with these changes: to be refused it needs no more, if it says itself that
/// there is no more.
fn changed(changes: Changes) -> NamedTempFile {
    let mut file = fs::read(kernel()).unwrap();
    file.truncate((usize::from(file[SETUP_SECTS]) + 1) * 512);
    file[SYSSIZE..SYSSIZE + 4].fill(0);
    for (at, bytes) in changes {
        file[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    image(&file)
}

/// A field of the kernel's header.
fn field<const BYTES: usize>(at: usize) -> [u8; BYTES] {
    fs::read(kernel()).unwrap()[at..at + BYTES].try_into().unwrap()
}

/// Where the memory ends that the kernel needs.
fn kernel_end() -> u64 {
    u64::from_le_bytes(field(PREF_ADDRESS)) + u64::from(u32::from_le_bytes(field(INIT_SIZE)))
}

fn last_page(bytes: u64) -> u64 {
    bytes.next_multiple_of(4096) - 4096
}

#[track_caller]
fn assert_status(chapter: &str, arguments: &[&str], status: i32, message: &[&str]) {
    let finished = Run { fault: NO_KVM, ..Run::new(chapter, arguments) }.finish();
    assert_ends(&finished, status, message);
    assert!(finished.stdout.is_empty(), "{finished}");
}

#[track_caller]
fn assert_kernel(chapter: &str, path: &Path, status: i32, message: &[&str]) {
    let error = format!("error: {}: ", text(path));
    let error = if status == REFUSED { error.as_str() } else { "error: /dev/kvm: " };
    assert_status(chapter, &["--kernel", text(path)], status, &[&[error], message].concat());
}

#[test]
fn a_kernel_cut_short_is_refused_with_how_much_is_missing() {
    let file = fs::read(kernel()).unwrap();
    let sectors = usize::from(file[SETUP_SECTS]) + 1;
    let paragraphs = u32::from_le_bytes(field(SYSSIZE)) as usize;
    let whole = sectors * 512 + paragraphs * 16;
    assert!(whole <= file.len());
    let lengths = [0x1000, sectors * 512 - 1, sectors * 512, file.len() / 2, whole - 1];
    for (length, chapter) in lengths.into_iter().zip(CHAPTERS.into_iter().cycle()) {
        let message =
            format!("this kernel cannot be booted: it is cut short: {length} of {whole} bytes\n");
        assert_kernel(chapter, image(&file[..length]).path(), REFUSED, &[&message]);
    }
    // There may be a signature behind all that; it is not needed.
    assert_kernel(CHAPTERS[0], image(&file[..whole]).path(), ACCEPTED, &[]);
    assert_kernel(CHAPTERS[1], &kernel(), ACCEPTED, &[]);
}

#[test]
fn what_is_no_kernel_is_refused() {
    const FOREIGN: &str = "this kernel cannot be booted: it is not a bzImage\n";
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let header = fs::read(changed(&[]).path()).unwrap();
    let other_magic = changed(&[(MAGIC, b"SrdH")]);
    let [empty, byte, head, sector] =
        [0, 1, SETUP_SECTS, 512].map(|length| image(&header[..length]));
    let text_file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (path, message) in [
        (missing.as_path(), "No such file or directory"),
        (folder.path(), "Is a directory"),
        ("/dev/zero".as_ref(), FOREIGN),
        ("/dev/null".as_ref(), FOREIGN),
        ("/bin/true".as_ref(), FOREIGN),
        (text_file.as_ref(), FOREIGN),
        (other_magic.path(), FOREIGN),
        (empty.path(), FOREIGN),
        (byte.path(), FOREIGN),
        (head.path(), FOREIGN),
        (sector.path(), FOREIGN),
    ] {
        for chapter in CHAPTERS {
            assert_kernel(chapter, path, REFUSED, &[message]);
        }
    }
}

/// Every length, for each field is read at another place of the header.
#[test]
fn no_length_of_the_header_is_too_short_to_be_refused() {
    let header = fs::read(changed(&[]).path()).unwrap();
    for length in (0..HEADER_END + 32).step_by(37) {
        let message = "this kernel cannot be booted: it is ";
        assert_kernel(CHAPTERS[0], image(&header[..length]).path(), REFUSED, &[message]);
    }
}

#[test]
fn a_kernel_that_asks_for_the_impossible_is_refused() {
    let flags = u16::from_le_bytes(field(XLOADFLAGS));
    let [no_flags, all_but_64] = [0, flags & !1].map(u16::to_le_bytes);
    let [highest, too_high] = [u64::MAX, 4 << 30].map(u64::to_le_bytes);
    let size: [u8; 4] = field(INIT_SIZE);
    let just_around = u64::MAX - u64::from(u32::from_le_bytes(size)) + 1;
    let just_around = just_around.to_le_bytes();
    const OLD: &str = "is older than 0x020c\n";
    const NOT_64: &str = "the kernel is not for 64 bits\n";
    const MEMORY: &str = ", there is up to 0x10000000\n";
    const SHORT: &str = "it is cut short: ";
    let cases: &[(&str, Changes, &str)] = &[
        ("2.11", &[(VERSION, &[0x0b, 2])], "boot protocol 0x020b is older than 0x020c\n"),
        ("2.00", &[(VERSION, &[0, 2])], OLD),
        ("1.15", &[(VERSION, &[0xff, 1])], OLD),
        ("no version", &[(VERSION, &[0, 0])], OLD),
        ("no flags", &[(XLOADFLAGS, &no_flags)], NOT_64),
        ("no entry for 64 bits", &[(XLOADFLAGS, &all_but_64)], NOT_64),
        ("at the highest address", &[(PREF_ADDRESS, &highest)], MEMORY),
        ("around the addresses", &[(PREF_ADDRESS, &just_around)], MEMORY),
        ("above 4 GiB", &[(PREF_ADDRESS, &too_high)], MEMORY),
        ("too large", &[(INIT_SIZE, &[0xff; 4])], MEMORY),
        ("as large as can be", &[(PREF_ADDRESS, &highest), (INIT_SIZE, &[0xff; 4])], MEMORY),
        ("all of the memory", &[(PREF_ADDRESS, &[0; 8]), (INIT_SIZE, &[1, 0, 0, 0x10])], MEMORY),
        ("more sectors than the file has", &[(SETUP_SECTS, &[0xff])], SHORT),
        ("no bytes but a paragraph", &[(SYSSIZE, &[1])], SHORT),
        ("more paragraphs than fit into memory", &[(SYSSIZE, &[0xff; 4])], SHORT),
    ];
    for ((what, changes, reason), chapter) in cases.iter().zip(CHAPTERS.into_iter().cycle()) {
        println!("{what}");
        let message = ["this kernel cannot be booted: ", reason];
        assert_kernel(chapter, changed(changes).path(), REFUSED, &message);
    }
}

/// Our tables, the zero page and the command line are there, and nobody's memory but ours ends.
#[test]
fn a_kernel_that_wants_to_be_where_our_tables_are_is_refused() {
    for (address, chapter) in [0_u64, 0x7000, 0x10_0000].into_iter().zip(CHAPTERS.iter().cycle()) {
        let kernel = changed(&[(PREF_ADDRESS, &address.to_le_bytes())]);
        assert_kernel(chapter, kernel.path(), REFUSED, &["this kernel cannot be booted: "]);
    }
}

/// The kernel would be the first to notice that it does not say the truth.
#[test]
fn a_kernel_larger_than_it_says_is_a_bad_file_and_not_a_bad_kvm() {
    let mut file = fs::read(kernel()).unwrap();
    file[INIT_SIZE..HEADER_END].fill(0);
    let half = file.len() as u64 / 2;
    let memory = last_page(u64::from_le_bytes(field(PREF_ADDRESS)) + half);
    let file = image(&file);
    for chapter in CHAPTERS {
        let arguments = ["--kernel", text(file.path()), "--memory", &memory.to_string()];
        let finished = Run::new(chapter, &arguments).finish();
        assert_ends(&finished, REFUSED, &["error: ", text(file.path())]);
    }
}

#[test]
fn without_a_kernel_it_says_how_to_name_one() {
    for chapter in CHAPTERS {
        let mut command = Run { fault: NO_KVM, ..Run::new(chapter, &[]) }.command();
        command.env_remove("MINI_KVM_KERNEL");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(REFUSED), "{output:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.starts_with("error: no kernel is named\n"), "{message}");
        assert!(message.contains("--kernel FILE"), "{message}");
    }
}

#[test]
fn the_command_line_can_be_as_long_as_the_kernel_takes_it() {
    let most = u32::from_le_bytes(field(CMDLINE_SIZE)) as usize;
    for chapter in CHAPTERS {
        assert_status(chapter, &["--cmdline", &"x".repeat(most)], ACCEPTED, &["/dev/kvm"]);
        let message = format!("it takes up to {most} bytes of command line, not {}\n", most + 1);
        assert_status(chapter, &["--cmdline", &"x".repeat(most + 1)], REFUSED, &[&message]);
    }
    // One byte is not one character.
    let characters = "ä".repeat(most / 2 + 1);
    let message = format!("bytes of command line, not {}\n", characters.len());
    assert_status(CHAPTERS[0], &["--cmdline", &characters], REFUSED, &[&message]);

    // There is room for so much between our tables, whatever a kernel takes.
    let takes_all = changed(&[(CMDLINE_SIZE, &[0xff; 4])]);
    for (chapter, length, status) in
        [(CHAPTERS[0], 0x1_0001, REFUSED), (CHAPTERS[1], 0x1_0000, ACCEPTED)]
    {
        let words = "x".repeat(length);
        let arguments = ["--kernel", text(takes_all.path()), "--cmdline", &words];
        let message =
            if status == REFUSED { "it takes up to 65536 bytes" } else { "error: /dev/kvm: " };
        assert_status(chapter, &arguments, status, &[message]);
    }
}

#[test]
fn the_memory_is_a_number_of_pages_up_to_3_gib() {
    const NOT_PAGES: &str = "pages of 4K are possible, up to 3G";
    for (size, message) in [
        ("1", NOT_PAGES),
        ("256", NOT_PAGES), // of what?
        ("4095", NOT_PAGES),
        ("4097", NOT_PAGES),
        ("3221225473", NOT_PAGES),
        ("3145732K", NOT_PAGES),
        ("4G", NOT_PAGES),
        ("1T", NOT_PAGES),
        ("18446744073709551615", NOT_PAGES),
        ("18446744073709551616", ""),
        ("16777216T", ""),
        ("-1", ""),
        ("-256M", ""),
        ("x", ""),
        ("M", ""),
        ("256X", ""),
        ("256M256", ""),
        ("0x10000000", ""),
        ("", ""),
        ("NaN", ""),
        ("inf", ""),
        ("1e99", ""),
    ]
    .into_iter()
    {
        for chapter in CHAPTERS {
            let argument = format!("--memory={size}");
            let value = format!("error: invalid value '{size}' for '--memory <SIZE>': ");
            assert_status(chapter, &[&argument], 64, &[&value, message]);
        }
    }
    for (size, chapter) in
        ["256M", "256m", "256MiB", "268435456", "262144K", "3G", "3145728K", "0.25G"]
            .into_iter()
            .zip(CHAPTERS.into_iter().cycle())
    {
        assert_status(chapter, &["--memory", size], ACCEPTED, &["error: /dev/kvm: "]);
    }
}

#[test]
fn too_little_memory_for_the_kernel_is_refused_with_what_it_needs() {
    let end = kernel_end();
    let enough = end.next_multiple_of(4096);
    for chapter in CHAPTERS {
        for memory in [0, 4096, 16 * MIB, last_page(end)] {
            let message = format!("it needs memory up to {end:#x}, there is up to {memory:#x}\n");
            let memory = memory.to_string();
            assert_status(chapter, &["--memory", &memory], REFUSED, &[&message]);
        }
    }
    let memory = enough.to_string();
    assert_status(CHAPTERS[0], &["--memory", &memory], ACCEPTED, &["error: /dev/kvm: "]);
}

const CHAPTER_WITH_INITRD: &str = CHAPTERS[1];

#[test]
fn an_initrd_that_cannot_be_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    for (path, message) in
        [(missing.as_path(), "No such file or directory"), (folder.path(), "Is a directory")]
    {
        let message = format!("error: {}: {message}", path.display());
        let arguments = ["--initrd", text(path)];
        assert_status(CHAPTER_WITH_INITRD, &arguments, REFUSED, &[&message]);
    }
}

/// A file of this many bytes, all of them zero, and none of them on a disk.
fn hole(bytes: u64) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    File::options().write(true).open(file.path()).unwrap().set_len(bytes).unwrap();
    file
}

#[test]
fn an_initrd_that_does_not_fit_is_refused_with_the_numbers() {
    let end = kernel_end();
    let memory = (end + 2 * MIB).next_multiple_of(MIB);
    let room = memory - end.next_multiple_of(4096);
    assert_initrd(&[], memory, &hole(room), ACCEPTED);
    for bytes in [room + 4096, memory, 100 * MIB] {
        assert_initrd(&[], memory, &hole(bytes), REFUSED);
    }
}

/// It begins with a page, so this one would begin with the kernel's last.
#[test]
fn an_initrd_does_not_begin_in_the_kernels_last_page() {
    let end = kernel_end().next_multiple_of(4096) - 2048;
    let size = (end - u64::from_le_bytes(field(PREF_ADDRESS))) as u32;
    let kernel = changed(&[(INIT_SIZE, &size.to_le_bytes())]);
    let memory = (end + 2 * MIB).next_multiple_of(MIB);
    assert_initrd(&["--kernel", text(kernel.path())], memory, &hole(memory - end), REFUSED);
}

#[track_caller]
fn assert_initrd(kernel: &[&str], memory: u64, file: &NamedTempFile, status: i32) {
    let bytes = file.as_file().metadata().unwrap().len();
    let error = format!("error: {}: the initrd has {bytes} bytes, ", text(file.path()));
    let below = format!("below {memory:#x} there is room for ");
    let message: &[&str] =
        if status == REFUSED { &[&error, &below] } else { &["error: /dev/kvm: "] };
    let memory = memory.to_string();
    let arguments = ["--memory", &memory, "--initrd", text(file.path())];
    assert_status(CHAPTER_WITH_INITRD, &[kernel, &arguments].concat(), status, message);
}

/// A file of which only the beginning is loaded would be worse than none.
#[test]
fn a_very_large_initrd_is_loaded_whole_or_refused() {
    let large = hole(600 * MIB);
    for path in [text(large.path()), "/dev/zero"] {
        let arguments = ["--memory", "512M", "--initrd", path];
        let message = format!("error: {path}: the initrd has ");
        assert_status(CHAPTER_WITH_INITRD, &arguments, REFUSED, &[&message]);
    }
}
