//! Long mode: what goes wrong on the way there, and what a guest sees that has arrived.

use tests::{Finished, Run, assert_ends, text};

use crate::images::image;

const CHAPTER: &str = "ch13-long-mode";

/// Where memory ends, hence where the stack begins.
const MEMORY_END: u64 = 16 << 20;

/// Where an image begins, in the mapping at 0.
const IMAGE: u64 = 0x1000;
/// What it can have.
const IMAGE_BYTES_MAX: usize = 0x10_0000 - 0x1000;

const HLT: u8 = 0xf4;

fn run(code: &[u8]) -> Finished {
    Run::new(CHAPTER, &["--mode", "long", text(image(code).path())]).finish()
}

/// Fails unless the code ends with this exception, with these words in the report.
#[track_caller]
fn assert_exception(code: &[u8], exception: &str, message: &[&str]) {
    let crashed = format!("crashed after 1 exit: exception {exception}");
    assert_ends(&run(code), 65, &[&[crashed.as_str()], message].concat());
}

#[track_caller]
fn translate(arguments: &[&str]) -> String {
    let finished = Run { fault: Some("open:2"), ..Run::new(CHAPTER, arguments) }.finish();
    assert_ends(&finished, 0, &[]);
    String::from_utf8(finished.stdout).unwrap()
}

/// It starts to run as 32-bit code. How far it comes differs from CPU to CPU, and so does what stops
/// it.
#[test]
fn without_the_l_bit_no_guest_gets_far() {
    for guest in ["hello64", "rust64"] {
        let finished = Run::new(CHAPTER, &["--break", "cs", guest]).finish();
        assert_ends(&finished, 65, &[&format!("error: {guest}: crashed after ")]);
        let printed = String::from_utf8_lossy(&finished.stdout);
        assert!(!printed.contains("2^40"), "{finished}");
    }
}

/// And without SSE, a guest does that does not use it.
#[test]
fn hello64_needs_no_sse() {
    let finished = Run::new(CHAPTER, &["--break", "sse", "hello64"]).finish();
    assert_ends(&finished, 0, &["hello64: halted after 44 exits"]);
    assert_eq!(finished.stdout, b"Hello from long mode!\n2^40 = 1099511627776\n");
}

#[test]
fn an_exception_is_named_and_the_registers_are_those_that_it_found() {
    let at = |offset: u64| format!("  rip {:016x}  rflags ", IMAGE + offset);
    // xor %ecx, %ecx; div %ecx
    assert_exception(&[0x31, 0xc9, 0xf7, 0xf1], "0 (#DE), error code 0x0\n", &[&at(2)]);
    // int3, a trap: the next instruction is the one after it
    assert_exception(&[0xcc, 0x90], "3 (#BP), error code 0x0\n", &[&at(1), "code at 0x1001: 90"]);
    // push %rax; ud2. The CPU aligns the stack before it pushes, and remembers how it was.
    let rsp = format!("  rsp {:016x}  rbp ", MEMORY_END - 8);
    assert_exception(&[0x50, 0x0f, 0x0b], "6 (#UD), error code 0x0\n", &[&at(1), &rsp]);
    // mov $0x33, %eax; mov %eax, %ds: no such descriptor
    let code = [0xb8, 0x33, 0, 0, 0, 0x8e, 0xd8];
    assert_exception(&code, "13 (#GP), error code 0x30\n", &[&at(5)]);
    // movabs 0x0000800000000000, %al: an address that has no meaning is no page fault
    let code = [0xa0, 0, 0, 0, 0, 0, 0x80, 0, 0];
    assert_exception(&code, "13 (#GP), error code 0x0\n", &[&at(0)]);
}

#[test]
fn the_higher_half_can_be_executed() {
    let mut code = vec![0x48, 0xb8]; // movabs $0xffff80000000100e, %rax
    code.extend(0xffff_8000_0000_100e_u64.to_le_bytes());
    code.extend([0xff, 0xe0]); // jmp *%rax
    code.extend([HLT, HLT]);
    code.extend([0x0f, 0x0b]); // ud2
    let message = ["  rip ffff80000000100e  ", "  code at 0xffff80000000100e: 0f 0b"];
    assert_exception(&code, "6 (#UD), error code 0x0\n", &message);
}

#[test]
fn a_page_fault_names_the_access_and_the_level_where_the_walk_ends() {
    let movabs = |opcode: u8, address: u64| [&[opcode][..], &address.to_le_bytes()].concat();
    for (code, access, walk) in [
        (
            movabs(0xa0, MEMORY_END), // movabs 0x1000000, %al
            "error code 0x0: read from 0x1000000, not mapped",
            "  PDE    8 at 0x00102040: 0x00000000\n",
        ),
        (
            movabs(0xa2, 0x4000_0000), // movabs %al, 0x40000000
            "error code 0x2: write to 0x40000000, not mapped",
            "  PDPTE    1 at 0x00101008: 0x00000000\n",
        ),
        (
            movabs(0xa2, 0xffff_ffff_ffff_ffff),
            "error code 0x2: write to 0xffffffffffffffff, not mapped",
            "  PML4E  511 at 0x00100ff8: 0x00000000\n",
        ),
    ] {
        let exception = format!("14 (#PF), {access}\n");
        assert_exception(&code, &exception, &[walk, "  not present: a page fault\n"]);
    }
}

/// Pushing what the handler needs is a page fault, and so is pushing what the handler of that needs.
#[test]
fn with_an_unmapped_stack_it_is_a_triple_fault() {
    const CODE: [u8; 12] = [
        0xb0, 0x03, //                   mov     $HC_NEWLINE, %al
        0xba, 0x00, 0x05, 0x00, 0x00, // mov     $0x500, %edx
        0xee, //                         out     %al, %dx
        0x31,
        0xe4, //                   xor     %esp, %esp: the next push is at the highest address
        0x0f, 0x0b, //                   ud2
    ];
    let triple_fault = "crashed after 2 exits: KVM_EXIT_SHUTDOWN: triple fault\n";
    let known = ["rdx 0000000000000500\n", "cr3 0000000000100000", "gdt base 00000500"];
    assert_ends(&run(&CODE), 65, &[&[triple_fault][..], &known].concat());
}

#[test]
fn an_image_may_be_as_large_as_the_memory_below_the_tables() {
    let finished = run(&vec![HLT; IMAGE_BYTES_MAX]);
    assert_ends(&finished, 0, &["halted after 1 exit\n"]);
    let message =
        format!("has at least {} bytes, there is room for {IMAGE_BYTES_MAX}", IMAGE_BYTES_MAX + 1);
    assert_ends(&run(&vec![HLT; IMAGE_BYTES_MAX + 1]), 66, &[&message]);
}

#[test]
fn what_is_not_mapped_has_no_physical_address() {
    for address in ["1000000", "ffffffff", "7fffffffffff", "ffff7fffffffffff", "ffff800001000000"] {
        let answer = translate(&["--mode", "long", "--translate", address]);
        assert!(!answer.contains("physical address"), "{address}: {answer}");
    }
}

/// Bits 48 to 63 are all as bit 47, or else the CPU does not even look at the tables. SDM Vol. 1,
/// 3.3.7.1.
#[test]
fn what_is_no_canonical_address_has_no_physical_address() {
    for address in ["800000001234", "1000000001234", "7fff800000001234", "ffff000000001234"] {
        let answer = translate(&["--translate", address]);
        assert!(!answer.contains("physical address"), "{address}: {answer}");
    }
}

#[test]
fn what_is_no_address_is_bad_usage() {
    for address in ["", "12g4", "-1", "0xffff8000000012340"] {
        let finished = Run::new(CHAPTER, &[&format!("--translate={address}")]).finish();
        assert_ends(&finished, 64, &["for '--translate <ADDRESS>'"]);
        assert!(finished.stdout.is_empty(), "{finished}");
    }
}
