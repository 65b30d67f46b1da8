//! Faults in the kernel of the 1K OS: it is spoilt in a copy, for it has none of its own that we
//! know. It says where, and how it got there, and ends the machine.

use tempfile::NamedTempFile;
use tests::{Run, assert_ends, text};

use crate::kernel::spoilt;
use crate::os_1k::CHAPTER;

const STATUS_PANIC: i32 = 63;

/// Runs the kernel up to the panic, and gives what that says.
fn panic_of(kernel: &NamedTempFile, input: &[u8]) -> String {
    let finished = Run { input, ..Run::new(CHAPTER, &[text(kernel.path())]) }.finish();
    assert_ends(&finished, STATUS_PANIC, &[": exited with status 63 after "]);
    let output = String::from_utf8(finished.stdout).unwrap();
    let (_, said) = output.split_once("\nkernel panic: ").unwrap_or_else(|| panic!("{output}"));
    said.to_owned()
}

/// The functions in the call trace that `said` ends with.
fn call_trace(said: &str) -> Vec<&str> {
    let (_, trace) = said.split_once("call trace:\n").unwrap_or_else(|| panic!("{said}"));
    trace.lines().map(|line| line.split_once(' ').map_or(line, |_| &line[11..])).collect()
}

#[test]
fn no_instruction() {
    let (kernel, address) = spoilt("fs_list", |_| vec![0x0f, 0x0b]); // ud2
    let said = panic_of(&kernel, b"echo so far so good\nls\necho never\n");
    assert!(said.starts_with("exception 6, error code 00000000, CR2 "), "{said}");
    assert!(said.contains(&format!("\n  EIP {address:08x}  EFLAGS 0")), "{said}");
    assert!(said.contains("  CS 00000008  DS 00000010  ES 00000010\n"), "{said}");
    for register in ["EAX", "EBX", "ECX", "EDX", "ESI", "EDI", "EBP 8", "ESP 8"] {
        assert!(said.contains(&format!("  {register}")), "{said}");
    }
    assert!(said.contains(&format!("call trace:\n  {address:08x} fs_list\n")), "{said}");
    let trace = call_trace(&said);
    assert!(trace.contains(&"system_call"), "{said}");
    assert!(trace.contains(&"trap"), "{said}");
}

#[test]
fn the_stack_overflows() {
    let (kernel, address) = spoilt("fs_list", |_| vec![0x50, 0xeb, 0xfd]); // push %eax, for ever
    let said = panic_of(&kernel, b"ls\n");
    // The page fault could not be told on that stack: the double fault has another.
    let fault = said.strip_prefix("double fault, after a fault at 8").and_then(|it| it.get(..7));
    assert!(fault.is_some_and(|it| it.ends_with("ffc")), "not below a page: {said}");
    let stack = format!("  ESP 8{:07x}\n", u32::from_str_radix(fault.unwrap(), 16).unwrap() + 4);
    assert!(said.contains(&stack), "{said}");
    assert!(said.contains(&format!("\n  EIP {address:08x}  ")), "{said}");
    let trace = call_trace(&said);
    assert_eq!(trace[0], "fs_list", "{said}");
    assert!(trace.contains(&"system_call") && trace.contains(&"trap"), "{said}");
}

#[test]
fn the_kernel_writes_its_own_code() {
    let mut written = 0;
    let (kernel, address) = spoilt("fs_list", |address| {
        written = address;
        [&[0xc7, 0x05], &address.to_le_bytes()[..], &[0; 4]].concat() // movl $0, address
    });
    let said = panic_of(&kernel, b"ls\n");
    // Present, a write. SDM Vol. 3A, 4.7.
    assert!(said.starts_with(&format!("exception 14, error code 00000003, CR2 {written:08x}\n")));
    assert!(said.contains(&format!("call trace:\n  {address:08x} fs_list\n")), "{said}");
}

#[test]
fn the_kernel_reads_what_is_nowhere() {
    let code = vec![0xa1, 0x00, 0x00, 0x00, 0x70]; // mov 0x70000000, %eax
    let (kernel, address) = spoilt("fs_remove", |_| code);
    let said = panic_of(&kernel, b"rm readme.txt\n");
    assert!(said.starts_with("exception 14, error code 00000000, CR2 70000000\n"), "{said}");
    assert!(said.contains(&format!("call trace:\n  {address:08x} fs_remove\n")), "{said}");
}

/// Even where there is no process yet.
#[test]
fn it_fails_as_it_starts() {
    let (kernel, address) = spoilt("fs_init", |_| vec![0x0f, 0x0b]);
    let said = panic_of(&kernel, b"");
    let trace = format!("call trace:\n  {address:08x} fs_init\n");
    assert!(said.contains(&trace), "{said}");
    assert_eq!(call_trace(&said)[..2], ["fs_init", "main"], "{said}");
}
