//! Exceptions that a guest does not handle: the report says which, where and why.

use tests::{Finished, Run, assert_ends, text};

use crate::images::image;

/// The chapters that report exceptions, each with two modes in which it does.
const CHAPTERS: [(&str, &[&str]); 2] =
    [("ch10-paging", &["protected", "paging"]), ("ch11-interrupts", &["paging", "interrupts"])];

/// Where memory, and the image in it, begins for a guest in `mode`.
fn base(mode: &str) -> u32 {
    if mode == "paging" { 0x8000_0000 } else { 0 }
}

fn run(chapter: &str, mode: &str, code: &[u8]) -> Finished {
    Run::new(chapter, &["--mode", mode, text(image(code).path())]).finish()
}

/// Those that have nothing to do with paging, each in one of the chapters.
#[test]
fn an_exception_is_named_and_the_registers_are_those_that_it_found() {
    let exceptions = [
        // xor %ecx, %ecx; div %ecx
        (&[0x31, 0xc9, 0xf7, 0xf1][..], 2, "exception 0 (#DE), error code 0x0"),
        // int3, a trap: the next instruction is the one after it
        (&[0xcc, 0x90], 1, "exception 3 (#BP), error code 0x0"),
        // ud2
        (&[0x0f, 0x0b], 0, "exception 6 (#UD), error code 0x0"),
        // mov $0x33, %eax; mov %eax, %ds: no such descriptor. The error code has its selector,
        // without the two bits for the ring, SDM Vol. 3A, 6.13.
        (&[0xb8, 0x33, 0, 0, 0, 0x8e, 0xd8], 5, "exception 13 (#GP), error code 0x30"),
        // int $0x99: no such gate. The error code has its number and, in bit 1, that it is a gate's.
        (&[0xcd, 0x99], 0, "exception 13 (#GP), error code 0x4ca"),
    ];
    for ((code, at, exception), (chapter, modes)) in exceptions.iter().zip(CHAPTERS.iter().cycle())
    {
        for mode in *modes {
            let (rip, rsp) = (base(mode) + 0x1000 + at, base(mode) + 0x100_0000);
            let next: String =
                code[*at as usize..].iter().map(|byte| format!(" {byte:02x}")).collect();
            let message = [
                format!("crashed after 1 exit: {exception}\n"),
                format!("  rip {rip:016x}  rflags "),
                format!("  rsp {rsp:016x}  rbp "),
                format!("  code at {rip:#x}:{next}"),
            ];
            let finished = run(chapter, mode, code);
            assert_ends(&finished, 65, &message.each_ref().map(String::as_str));
            assert!(!finished.to_string().contains("page fault"), "{finished}");
        }
    }
}

#[test]
fn a_page_fault_names_the_access_and_the_level_where_the_walk_ends() {
    for (code, exception, walk) in [
        (
            &[0xa0, 0x00, 0x00, 0x00, 0x40][..], // mov 0x40000000, %al
            "error code 0x0: read from 0x40000000, not mapped",
            "PDE  256 at 0x00100400: 0x00000000\n  not present: a page fault\n",
        ),
        (
            &[0xc6, 0x05, 0xfc, 0xff, 0xff, 0xff, 0x01], // movb $1, 0xfffffffc
            "error code 0x2: write to 0xfffffffc, not mapped",
            "PDE 1023 at 0x00100ffc: 0x00000000\n  not present: a page fault\n",
        ),
        (
            &[
                0x0f, 0x20, 0xc0, //                         mov     %cr0, %eax
                0x0d, 0x00, 0x00, 0x01, 0x00, //             or      $CR0_WP, %eax
                0x0f, 0x22, 0xc0, //                         mov     %eax, %cr0
                0x80, 0x25, 0x00, 0x30, 0x10, 0x00, 0xfd, // andb    $~WRITABLE, 0x103000
                0xc6, 0x05, 0x00, 0x00, 0x80, 0x80, 0x01, // movb    $1, 0x80800000
            ],
            "error code 0x3: write to 0x80800000, not allowed",
            "PTE    0 at 0x00103000: 0x00800001 present\n  physical address 0x800000\n",
        ),
    ] {
        for (chapter, _) in CHAPTERS {
            let finished = run(chapter, "paging", code);
            assert_ends(&finished, 65, &[&format!("exception 14 (#PF), {exception}\n"), walk]);
        }
    }
}

/// Pushing what the handler needs is a page fault, and so is pushing what the handler of that
/// needs.
#[test]
fn with_an_unmapped_stack_it_is_a_triple_fault_and_the_report_says_what_was_known_before() {
    const CODE: [u8; 12] = [
        0xb0, 0x03, //                   mov     $HC_NEWLINE, %al
        0xba, 0x00, 0x05, 0x00, 0x00, // mov     $0x500, %edx
        0xee, //                         out     %al, %dx
        0x31, 0xe4, //                   xor     %esp, %esp: the next push is at 0xfffffffc
        0x0f, 0x0b, //                   ud2
    ];
    for (chapter, _) in CHAPTERS {
        let finished = run(chapter, "paging", &CODE);
        let triple_fault = "crashed after 2 exits: KVM_EXIT_SHUTDOWN: triple fault\n";
        let known = ["rdx 0000000000000500\n", "cr3 0000000000100000", "gdt base 00000500"];
        assert_ends(&finished, 65, &[&[triple_fault][..], &known].concat());
        // On AMD's CPUs, what was known is what the guest was entered with.
        let stderr = String::from_utf8_lossy(&finished.stderr);
        if stderr.contains("after it the CPU was reset") {
            let entered =
                ["rip 0000000080001007 ", "rsp 0000000081000000 ", "0x80001007: ee 31 e4"];
            assert_ends(&finished, 65, &entered);
        }
    }
}

/// A handler of ours writes there; who else does has no exception.
#[test]
fn a_guest_that_writes_to_the_port_of_the_handlers_is_not_taken_for_one() {
    for (chapter, modes) in CHAPTERS {
        for mode in [modes[1], "real"] {
            let finished = run(chapter, mode, &[0xb0, 0x2a, 0xe6, 0xf4]); // mov $42, %al; out %al, $0xf4
            assert_ends(
                &finished,
                65,
                &["crashed after 1 exit: KVM_EXIT_IO: OUT [2a] to port 0xf4"],
            );
        }
    }
}

/// In real mode, the image is where the handlers are in other modes.
#[test]
fn a_real_mode_guest_that_crashes_at_the_address_of_a_handler_has_no_exception() {
    let mut code = vec![0x90; 0x600]; // nop
    code.extend([0xe6, 0x99]); // out %al, $0x99
    for (chapter, _) in CHAPTERS {
        let finished = run(chapter, "real", &code);
        assert_ends(&finished, 65, &["OUT [00] to port 0x99", "code at 0x600: e6 99"]);
    }
}
