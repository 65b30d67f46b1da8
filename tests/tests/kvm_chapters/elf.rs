//! ELF files as guests: what may be loaded, and what is refused before it can do harm.

use std::fs;
use std::ops::Range;
use std::path::Path;

use tests::{Run, assert_ends, text};

use crate::images::image;
use crate::os_1k::CHAPTER;

/// Where fields of the file header are. System V ABI, chapter 4.
const CLASS: usize = 4;
const DATA: usize = 5;
const IDENTIFICATION_VERSION: usize = 6;
const TYPE: usize = 16;
const MACHINE: usize = 18;
const ENTRY: usize = 24;
const SEGMENTS: usize = 28;
const SEGMENT_BYTES: usize = 42;
const SEGMENT_COUNT: usize = 44;

/// Where fields of the headers of the two segments are. The same, chapter 5.
const CODE: usize = 52;
const DATA_SEGMENT: usize = CODE + 32;
const HEADERS_END: usize = DATA_SEGMENT + 32;
const KIND: usize = 0;
const OFFSET: usize = 4;
const ADDRESS: usize = 12;
const FILE_BYTES: usize = 16;
const MEMORY_BYTES: usize = 20;

/// What an ELF file can have of the memory: all but our tables and the disk.
const ROOM: Range<u32> = 0x1000..0xf0_0000;

const STATUS: i32 = 5;

/// mov $0x500, %edx; mov $STATUS, %bl; xor %al, %al; out %al, %dx
const EXIT: [u8; 10] = [0xba, 0x00, 0x05, 0x00, 0x00, 0xb3, STATUS as u8, 0x30, 0xc0, 0xee];

/// An executable that ends with the status above: its code at 1 MiB, data at 2 MiB.
fn executable() -> Vec<u8> {
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(TYPE, 0);
    let halves = |values: &[u16]| values.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<_>>();
    let words = |values: &[u32]| values.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<_>>();
    let end = HEADERS_END as u32;
    let code = EXIT.len() as u32;
    file.extend(halves(&[2, 3])); // an executable for the 80386
    file.extend(words(&[1, 0x10_0000, CODE as u32, 0, 0]));
    file.extend(halves(&[52, 32, 2, 40, 0, 0]));
    file.extend(words(&[1, end, 0x10_0000, 0x10_0000, code, 0x1000, 5, 0x1000]));
    file.extend(words(&[1, end + code, 0x20_0000, 0x20_0000, 4, 0x1000, 6, 0x1000]));
    file.extend(EXIT);
    file.extend(b"data");
    file
}

/// Other bytes, and where they go.
type Changes<'a> = &'a [(usize, &'a [u8])];

/// The same with these changes.
fn changed(changes: Changes) -> Vec<u8> {
    let mut file = executable();
    for (at, bytes) in changes {
        file[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    file
}

/// Even without KVM: nobody needs it to see what is wrong with the file.
#[track_caller]
fn assert_refused(path: &Path, reason: &str) {
    let path = text(path);
    let arguments = [path];
    let run = Run { fault: Some("open:2"), ..Run::new(CHAPTER, &arguments) };
    assert_ends(&run.finish(), 66, &[&format!("error: {path}: {reason}")]);
}

const NOT_LOADED: &str = "the ELF file cannot be loaded: ";

#[track_caller]
fn assert_runs(file: &[u8]) {
    let image = image(file);
    let finished = Run::new(CHAPTER, &[text(image.path())]).finish();
    assert_ends(&finished, STATUS, &[": exited with status 5 after 1 exit\n"]);
}

#[test]
fn executables_are_loaded_where_they_want_to_be() {
    let [first, last] = [ROOM.start, ROOM.end - 0x1000].map(u32::to_le_bytes);
    let behind_the_code = 0x10_1000_u32.to_le_bytes();
    let cases: &[Changes] = &[
        &[],
        &[(CODE + ADDRESS, &first), (ENTRY, &first)],
        &[(CODE + ADDRESS, &last), (ENTRY, &last)],
        &[(DATA_SEGMENT + ADDRESS, &behind_the_code)],
        // Not to be loaded, so it may be anywhere: a note, and a segment of no bytes.
        &[(DATA_SEGMENT + KIND, &[4]), (DATA_SEGMENT + ADDRESS, &[0xff; 4])],
        &[
            (DATA_SEGMENT + ADDRESS, &[0xff; 4]),
            (DATA_SEGMENT + FILE_BYTES, &[0; 4]),
            (DATA_SEGMENT + MEMORY_BYTES, &[0; 4]),
        ],
    ];
    for changes in cases {
        assert_runs(&changed(changes));
    }
}

#[test]
fn built_in_guests_run_from_their_elf_files() {
    let ticker = format!("{}/interrupts/ticker.elf", guests::ELF_DIR);
    let finished = Run::new(CHAPTER, &[&ticker]).finish();
    assert_ends(&finished, 0, &["ticker.elf: exited with status 0 after 19 exits\n"]);
    assert_eq!(finished.stdout, b"One IRQ at a time\n");

    let kernel = format!("{}/multiboot/os-1k.elf", guests::ELF_DIR);
    let finished = Run { input: b"exit 4\n", ..Run::new(CHAPTER, &[&kernel]) }.finish();
    assert_ends(&finished, 4, &["os-1k.elf: exited with status 4 after "]);
}

#[test]
fn what_only_looks_like_an_elf_file_is_a_flat_image() {
    const JUMPED_TO: usize = 2 + b'E' as usize; // 0x7f, 'E' is jg .+2+'E'
    let mut code = b"\x7fEL".to_vec();
    code.resize(JUMPED_TO, 0xf4);
    code.extend(EXIT);
    let elf_later = [&EXIT[..], b"\x7fELF"].concat();
    for code in [&code, &elf_later] {
        let image = image(code);
        let finished = Run::new(CHAPTER, &["--mode", "protected", text(image.path())]).finish();
        assert_ends(&finished, STATUS, &[": exited with status 5 after 1 exit\n"]);
    }
}

#[test]
fn files_that_are_cut_off_are_refused() {
    let whole = executable();
    let data = HEADERS_END + EXIT.len();
    for bytes in [4, CLASS, TYPE, TYPE + 1, CODE - 1, CODE, CODE + 1, DATA_SEGMENT, HEADERS_END - 1]
        .into_iter()
        .chain([HEADERS_END, data - 1, data, whole.len() - 1])
    {
        assert_refused(image(&whole[..bytes]).path(), NOT_LOADED);
    }
}

#[test]
fn files_for_something_else_are_refused() {
    const NOT_FOR_US: &str = "not an executable for 32-bit x86";
    let cases: &[(&str, Changes, &str)] = &[
        ("64 bits", &[(CLASS, &[2])], ""),
        ("no class", &[(CLASS, &[0])], ""),
        ("big-endian", &[(DATA, &[2])], ""),
        ("no byte order", &[(DATA, &[0])], ""),
        ("another version", &[(IDENTIFICATION_VERSION, &[2])], ""),
        ("an object file", &[(TYPE, &[1])], NOT_FOR_US),
        ("a shared object", &[(TYPE, &[3])], NOT_FOR_US),
        ("a core dump", &[(TYPE, &[4])], NOT_FOR_US),
        ("x86-64 in ELF32", &[(MACHINE, &[62])], NOT_FOR_US),
        ("Arm", &[(MACHINE, &[40])], NOT_FOR_US),
    ];
    for (what, changes, reason) in cases {
        println!("{what}");
        assert_refused(image(&changed(changes)).path(), &format!("{NOT_LOADED}{reason}"));
    }
    let [true_, shim] = ["/bin/true", concat!(env!("KVM_FAULTS_DIR"), "/kvm_faults.so")];
    for path in [true_, shim] {
        assert_refused(Path::new(path), &format!("{NOT_LOADED}{NOT_FOR_US}"));
    }
    // Linked for the higher half: where that is, is its loader's secret.
    let test_kernel = format!("{}/paging/test-kernel.elf", guests::ELF_DIR);
    assert_refused(Path::new(&test_kernel), NOT_LOADED);
}

#[test]
fn segments_that_do_not_fit_are_refused() {
    let [below, above] = [ROOM.start - 1, ROOM.end - 0xfff].map(u32::to_le_bytes);
    let [code_end, all] = [0x10_0fff_u32, ROOM.end - ROOM.start + 1].map(u32::to_le_bytes);
    let [first, beyond] = [ROOM.start, 16 << 20].map(u32::to_le_bytes);
    let (highest, entry) = (0xffff_f000_u32.to_le_bytes(), 0x10_1000_u32.to_le_bytes());
    let between = 0x18_0000_u32.to_le_bytes();
    const OUTSIDE: &str = "is not within 0x1000..0xf00000";
    const OVERLAPS: &str = "overlaps another";
    const NO_ENTRY: &str = "is the physical address of nothing";
    let data = DATA_SEGMENT;
    let cases: &[(&str, Changes, &str)] = &[
        ("in our tables", &[(data + ADDRESS, &below)], OUTSIDE),
        ("at 0", &[(data + ADDRESS, &[0; 4])], OUTSIDE),
        ("in the disk", &[(data + ADDRESS, &above)], OUTSIDE),
        ("beyond memory", &[(data + ADDRESS, &beyond)], OUTSIDE),
        ("at the end of addresses", &[(data + ADDRESS, &highest)], OUTSIDE),
        ("around the addresses", &[(data + MEMORY_BYTES, &[0xff; 4])], OUTSIDE),
        ("too long", &[(data + ADDRESS, &first), (data + MEMORY_BYTES, &all)], OUTSIDE),
        ("the last byte of another", &[(data + ADDRESS, &code_end)], OVERLAPS),
        ("all of another", &[(data + ADDRESS, &0x10_0000_u32.to_le_bytes())], OVERLAPS),
        ("around another", &[(data + ADDRESS, &first), (data + MEMORY_BYTES, &between)], OVERLAPS),
        (
            "longer in the file",
            &[(data + MEMORY_BYTES, &[3, 0, 0, 0])],
            "is shorter than its bytes",
        ),
        ("bytes past the file's end", &[(data + OFFSET, &highest)], ""),
        ("bytes around the addresses", &[(data + OFFSET, &[0xff; 4])], ""),
        ("entry nowhere", &[(ENTRY, &[0; 4])], NO_ENTRY),
        ("entry just behind", &[(ENTRY, &entry)], NO_ENTRY),
        ("entry in a segment that is not loaded", &[(CODE + KIND, &[4, 0, 0, 0])], NO_ENTRY),
    ];
    for (what, changes, reason) in cases {
        println!("{what}");
        let file = image(&changed(changes));
        let finished =
            Run { fault: Some("open:2"), ..Run::new(CHAPTER, &[text(file.path())]) }.finish();
        assert_ends(
            &finished,
            66,
            &[&format!("error: {}: ", text(file.path())), NOT_LOADED, reason],
        );
    }
}

#[test]
fn absurd_headers_are_refused() {
    let cases: &[(&str, Changes)] = &[
        ("no segments", &[(SEGMENT_COUNT, &[0, 0])]),
        ("65534 segments", &[(SEGMENT_COUNT, &[0xfe, 0xff])]),
        ("65535 segments, which are too many to say", &[(SEGMENT_COUNT, &[0xff, 0xff])]),
        ("headers at the end of the file", &[(SEGMENTS, &[130])]),
        ("headers past its end", &[(SEGMENTS, &[0, 0x10])]),
        ("headers at the end of addresses", &[(SEGMENTS, &[0xff; 4])]),
        ("headers nowhere", &[(SEGMENTS, &[0])]),
        ("headers of 0 bytes", &[(SEGMENT_BYTES, &[0])]),
        ("headers of 65535 bytes", &[(SEGMENT_BYTES, &[0xff, 0xff])]),
        ("all of the headers is ff", &[(TYPE + 8, &[0xff; CODE - TYPE - 8])]),
    ];
    for (what, changes) in cases {
        println!("{what}");
        assert_refused(image(&changed(changes)).path(), NOT_LOADED);
    }
}

#[test]
fn a_file_larger_than_the_memory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    fs::write(&path, executable()).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap(); // with a hole
    let message =
        format!("the image has at least {} bytes, there is room for {}", 1_u64 << 40, ROOM.len());
    assert_refused(&path, &message);
}
