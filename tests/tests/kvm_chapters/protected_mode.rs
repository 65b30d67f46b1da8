//! Protected mode from the inside: segments, memory and paging as an image of one's own finds them.

use tests::{Run, assert_ends, text};

use crate::images::image;

/// The chapters with a protected mode.
const CHAPTERS: [&str; 3] = ["ch09-protected-mode", "ch10-paging", "ch11-interrupts"];

/// Writes a letter to the last byte of memory, through each segment that can be written to, and
/// prints what it reads there through CS.
fn letters_through_segments() -> Vec<u8> {
    // Each with the prefix that makes an instruction use it. SDM Vol. 2A, 2.1.1.
    const SEGMENTS: [(u8, u8); 5] =
        [(0x3e, b'D'), (0x26, b'E'), (0x64, b'F'), (0x65, b'G'), (0x36, b'S')];
    let mut code = vec![0xba, 0x00, 0x05, 0x00, 0x00]; //         mov $0x500, %edx
    for (prefix, letter) in SEGMENTS {
        code.push(prefix);
        code.extend([0xc6, 0x05, 0xff, 0xff, 0xff, 0x00, letter]); // movb $letter, 0xffffff
        code.extend([0x2e, 0x8a, 0x1d, 0xff, 0xff, 0xff, 0x00]); //   mov %cs:0xffffff, %bl
        code.extend([0xb0, 0x01, 0xee]); //          mov $HC_PUTCHAR, %al; out %al, %dx
    }
    code.push(0xf4); //                                           hlt
    code
}

/// Loads all segment registers from the GDT.
const RELOAD: [u8; 22] = [
    0xb8, 0x10, 0x00, 0x00, 0x00, //             mov     $DATA, %eax
    0x8e, 0xd8, 0x8e, 0xc0, //                   mov     %eax, %ds; mov %eax, %es
    0x8e, 0xe0, 0x8e, 0xe8, //                   mov     %eax, %fs; mov %eax, %gs
    0x8e, 0xd0, //                               mov     %eax, %ss
    0xea, 0x16, 0x10, 0x00, 0x00, 0x08, 0x00, // ljmp    $CODE, $0x1016: what follows
];

/// Makes page tables for the first 4 MiB, identity and higher half, turns paging on, jumps to the
/// higher half and prints a byte of its own from there.
const TURNS_PAGING_ON: [u8; 0x55] = [
    0xbf, 0x00, 0x10, 0x20, 0x00, //             mov     $0x201000, %edi: the page table
    0xb8, 0x03, 0x00, 0x00, 0x00, //             mov     $PRESENT | WRITABLE, %eax
    0xab, //                               next: stosl
    0x05, 0x00, 0x10, 0x00, 0x00, //             add     $0x1000, %eax
    0x3d, 0x03, 0x00, 0x40, 0x00, //             cmp     $0x400003, %eax
    0x72, 0xf3, //                               jb      next
    0xc7, 0x05, 0x00, 0x00, 0x20, 0x00, 0x03, 0x10, 0x20, 0x00, // movl $0x201003, 0x200000
    0xc7, 0x05, 0x00, 0x08, 0x20, 0x00, 0x03, 0x10, 0x20, 0x00, // movl $0x201003, 0x200800
    0xb8, 0x00, 0x00, 0x20, 0x00, //             mov     $0x200000, %eax: the page directory
    0x0f, 0x22, 0xd8, //                         mov     %eax, %cr3
    0x0f, 0x20, 0xc0, //                         mov     %cr0, %eax
    0x0d, 0x00, 0x00, 0x00, 0x80, //             or      $CR0_PG, %eax
    0x0f, 0x22, 0xc0, //                         mov     %eax, %cr0
    0xb8, 0x45, 0x10, 0x00, 0x80, //             mov     $0x80001045, %eax
    0xff, 0xe0, //                               jmp     *%eax
    0x8a, 0x1d, 0x54, 0x10, 0x00, 0x80, //       mov     0x80001054, %bl: the last byte here
    0xba, 0x00, 0x05, 0x00, 0x00, //             mov     $0x500, %edx
    0xb0, 0x01, 0xee, //                         mov     $HC_PUTCHAR, %al; out %al, %dx
    0xf4, //                                     hlt
    b'P',
];

/// Runs `code` as a protected-mode image in each chapter, to its `hlt`.
#[track_caller]
fn assert_prints(code: &[u8], expected: &str) {
    let image = image(code);
    for chapter in CHAPTERS {
        let finished = Run::new(chapter, &["--mode", "protected", text(image.path())]).finish();
        assert_ends(&finished, 0, &[": halted after "]);
        assert_eq!(String::from_utf8_lossy(&finished.stdout), expected, "{chapter}: {finished}");
    }
}

#[test]
fn every_segment_reaches_all_memory_before_it_is_reloaded() {
    assert_prints(&letters_through_segments(), "DEFGS");
}

#[test]
fn every_segment_is_the_same_after_it_is_reloaded() {
    assert_prints(&[&RELOAD, letters_through_segments().as_slice()].concat(), "DEFGS");
}

#[test]
fn a_guest_may_turn_paging_on_by_itself() {
    assert_prints(&TURNS_PAGING_ON, "P");
}

#[test]
fn a_report_reads_the_code_where_the_guests_own_page_tables_have_it() {
    let mut code = TURNS_PAGING_ON.to_vec();
    code.truncate(0x45);
    code.extend([0xe6, 0xf4]); // out %al, $0xf4: nobody's port
    let image = image(&code);
    for chapter in &CHAPTERS[1..] {
        let finished = Run::new(chapter, &["--mode", "protected", text(image.path())]).finish();
        let code = "code at 0x80001045: e6 f4 00 ";
        assert_ends(&finished, 65, &["OUT [45] to port 0xf4", "cr3 0000000000200000", code]);
    }
}

#[test]
fn above_16_mib_there_is_no_memory() {
    let image = image(&[0xc6, 0x05, 0x00, 0x00, 0x00, 0x01, 0x2a]); // movb $42, 0x1000000
    for chapter in CHAPTERS {
        let finished = Run::new(chapter, &["--mode", "protected", text(image.path())]).finish();
        assert_ends(&finished, 65, &["KVM_EXIT_MMIO: write of [2a] to 0x1000000\n"]);
    }
}

#[test]
fn an_image_has_the_room_from_4_kib_to_1_mib() {
    const ROOM: usize = 0x10_0000 - 0x1000;
    let mut code = vec![0x8a, 0x1d, 0xff, 0xff, 0x0f, 0x00]; //     mov     0xfffff, %bl
    code.extend([0xb0, 0x00, 0xba, 0x00, 0x05, 0x00, 0x00, 0xee]); // HC_EXIT
    code.resize(ROOM, 0);
    code[ROOM - 1] = 42;
    let fits = image(&code);
    let large = image(&[0; ROOM + 1]);
    let too_large = format!("has at least {} bytes, there is room for {ROOM}\n", ROOM + 1);
    for (chapter, mode) in CHAPTERS.iter().zip(["protected", "paging", "interrupts"]) {
        let run = |path| Run::new(chapter, &["--mode", mode, path]).finish();
        assert_ends(&run(text(fits.path())), 42, &["exited with status 42 after 1 exit\n"]);
        assert_ends(&run(text(large.path())), 66, &[text(large.path()), &too_large]);
    }
}

/// A system call at each exit gives what KVM leaves in `kvm_run` otherwise.
#[test]
fn without_sync_regs_what_was_known_before_a_triple_fault_is_the_same() {
    for chapter in CHAPTERS {
        let run = Run::new(chapter, &["pmode-no-gdt"]);
        let without = Run { fault: Some("lacks:74"), ..Run::new(chapter, &["pmode-no-gdt"]) };
        assert_eq!(without.finish().to_string(), run.finish().to_string(), "{chapter}");
    }
}

/// The registers after a reset have the same next address, but they are not the guest's.
#[test]
fn a_guest_that_jumps_to_the_reset_vector_has_not_been_reset() {
    const JUMPS: [u8; 7] = [0xb8, 0xf0, 0xff, 0xff, 0xff, 0xff, 0xe0]; // mov $-16, %eax; jmp *%eax
    let image = image(&JUMPS);
    for chapter in CHAPTERS {
        let finished = Run::new(chapter, &["--mode", "protected", text(image.path())]).finish();
        assert_ends(&finished, 65, &["  rip 00000000fffffff0 ", "at 0xfffffff0: no memory there"]);
        assert!(!finished.to_string().contains("reset"), "{finished}");
    }
}
