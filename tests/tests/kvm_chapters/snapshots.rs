//! What each chapter prints, to the letter: the book shows these very files.

use insta::Settings;
use tests::{Finished, Run};

/// What differs from run to run or from place to place, and nothing else.
const VARYING: [(&str, &str); 2] = [
    // ch02: where the kernel happened to put the guest's memory
    ("0x7[0-9a-f]{11}", "0x7[address]"),
    // --list: where this checkout was built
    ("gdb: .*/out/guests/", "gdb: [out]/guests/"),
];

/// Compares what a run leaves behind with `snapshots/NAME.snap`.
pub fn check(name: &str, run: &Run, more_varying: &[(&str, &str)]) {
    check_finished(name, run, run.finish(), more_varying);
}

/// The same of a run that is over.
pub fn check_finished(
    name: &str,
    run: &Run,
    mut finished: Finished,
    more_varying: &[(&str, &str)],
) {
    finished.code();
    // A 1K OS that is alone has lines, too, that look like a vCPU's.
    if String::from_utf8_lossy(&finished.stderr).contains("[1 ") {
        finished = finished.sorted_by_vcpu();
    }
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, replacement) in VARYING.iter().chain(more_varying) {
        settings.add_filter(pattern, *replacement);
    }
    settings.bind(|| insta::assert_snapshot!(name, format!("$ {run}\n{finished}")));
}

/// Whether a triple fault leaves the registers of a reset CPU behind: see [`REGISTERS`].
pub fn resets_after_triple_fault() -> bool {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").expect("Linux has it");
    ["AuthenticAMD", "HygonGenuine"].iter().any(|vendor| cpu.contains(vendor))
}

/// A test for each case: its name, its command line and, where there is one, its input.
macro_rules! cases {
    ($($name:ident: $chapter:literal $($argument:literal)* $(, input $input:literal)?
        $(, fault $fault:literal)? $(, varying $varying:expr)?;)*) => {
        $(#[test]
        fn $name() {
            let run = Run {
                $(input: $input,)?
                $(fault: Some($fault),)?
                ..Run::new($chapter, &[$($argument),*])
            };
            let varying: &[&[(&str, &str)]] = &[$($varying)?];
            check(stringify!($name), &run, &varying.concat());
        })*
    };
}

/// How often the guest asks for its input depends on when it arrives.
pub const POLLS: &[(&str, &str)] = &[
    (r"after \d+ exits", "after [some] exits"),
    (r" +\d+  COM1 line status", "   [some]  COM1 line status"),
];

/// How often a guest is woken by its keys depends on when they arrive.
const WAKE_UPS: &[(&str, &str)] =
    &[(r"after \d+ exits", "after [some] exits"), (r" +\d+  keyboard", "   [some]  keyboard")];

/// How often KVM tries to inject an interrupt is its own affair.
const INJECTIONS: &[(&str, &str)] =
    &[(r"after \d+ interrupt injection", "after [some] interrupt injection")];

/// After a triple fault AMD's KVM resets the registers, Intel's leaves them.
pub const REGISTERS: &[(&str, &str)] =
    &[(r"(?s)(  after it [^\n]*\n)?  rip .*?  code [^\n]*\n", "  [registers]\n")];

/// What a C guest has in its registers is the compiler's affair.
const COMPILED: &[(&str, &str)] = &[
    (r"(?s)  rip .*?  cr0 ", "  [general registers]\n  cr0 "),
    (r"code at 0x8000[0-9a-f]{4}: [0-9a-f ]+", "code at [address]: [bytes]"),
];

/// What a 64-bit guest in Rust has in its registers is the compiler's affair, and so is where it runs.
const COMPILED_64: &[(&str, &str)] = &[
    (r"(?s)  rip .*?  cr0 ", "  [general registers]\n  cr0 "),
    (r"code at 0x[0-9a-f]{4}: [0-9a-f ]+", "code at [address]: [bytes]"),
];

/// How far a guest in Rust comes without SSE is the compiler's affair, too.
const WITHOUT_SSE: &[(&str, &str)] = &[
    (r"(?s)(Hello from Rust!\n).*?--- stderr", "$1[what needs no SSE]\n--- stderr"),
    (r"after \d+ exits", "after [some] exits"),
    (r"(?s)  rip .*?  cr0 ", "  [general registers]\n  cr0 "),
    (r"code at 0x[0-9a-f]{4}: [0-9a-f ]+", "code at [address]: [bytes]"),
];

/// The guest prints who made the CPU.
const CPU: &[(&str, &str)] = &[(r"CPU: \S+", "CPU: [vendor]")];

/// Where a program dies, and how large it is, is the compiler's affair, too.
const OS: &[(&str, &str)] = &[
    (r"after \d+ exits", "after [some] exits"),
    (r" +\d+  keyboard", "   [some]  keyboard"),
    (r"(?m)^ {2,6}\d+  ([a-z0-9]+)$", "[bytes]  $1"),
    (r"\b0100[0-9a-f]{4}\b", "[code]"),
    (r"\b7fffa[0-9a-f]{3}\b", "[guard page]"),
    (r"up for \d\.\d\d s", "up for [time]"),
    (r"files of \d{5} bytes", "files of [some] bytes"),
];

/// Which kernel it is, how long it takes and how often it asks differ from place to place. After a panic
/// it tells where in itself that was.
pub const LINUX: &[(&str, &str)] = &[
    (r"\r", ""),
    (r"(?m)^\[ *\d+\.\d{6}\]", "[time]"),
    (r"(?m)^Linux \d\S+", "Linux [release]"),
    (r"(?m)^( *(?:\d+|LOC):) +[1-9]\d*", "$1     [some]"),
    (
        r"(?s)(Kernel panic - not syncing: [^\n]*\n).*?--- stderr",
        "$1[where in the kernel]\n--- stderr",
    ),
    (r"after \d+ exits", "after [some] exits"),
    (r"(?m)^ +\d+  (COM1|keyboard|other)", "   [some]  $1"),
];

/// The book takes these registers apart: where they are others, the rest has to do.
#[test]
fn ch09_no_gdt() {
    let run = Run::new("ch09-protected-mode", &["pmode-no-gdt"]);
    if resets_after_triple_fault() {
        check("ch09_no_gdt", &run, &[]);
    } else {
        check("ch09_no_gdt_elsewhere", &run, REGISTERS);
    }
}

cases! {
    ch01: "ch01-open-kvm";
    ch01_help: "ch01-open-kvm" "--help";
    ch01_argument: "ch01-open-kvm" "hello";

    ch02: "ch02-guest-memory";
    ch02_help: "ch02-guest-memory" "--help";
    ch02_argument: "ch02-guest-memory" "hello";

    ch03: "ch03-hlt";
    ch03_help: "ch03-hlt" "--help";
    ch03_argument: "ch03-hlt" "hello";

    ch04: "ch04-exits";
    ch04_help: "ch04-exits" "--help";
    ch04_list: "ch04-exits" "--list";
    ch04_verbose: "ch04-exits" "--verbose";
    ch04_triple_fault: "ch04-exits" "triple-fault", varying REGISTERS;
    ch04_mmio: "ch04-exits" "mmio";
    ch04_bad_port: "ch04-exits" "bad-port";
    ch04_hello: "ch04-exits" "hello";
    ch04_fail_entry: "ch04-exits", fault "exit:9:0x80000021";
    ch04_internal_error: "ch04-exits", fault "exit:17:1";
    ch04_unknown_exit: "ch04-exits", fault "exit:99";
    ch04_two_guests: "ch04-exits" "minimal" "hello";
    ch04_unknown_option: "ch04-exits" "--loud";
    ch04_unknown_guest: "ch04-exits" "minimall";

    ch05: "ch05-uart";
    ch05_help: "ch05-uart" "--help";
    ch05_list: "ch05-uart" "--list";
    ch05_counter: "ch05-uart" "counter";
    ch05_verbose: "ch05-uart" "--verbose" "counter";
    ch05_echo: "ch05-uart" "echo";
    ch05_unknown_option: "ch05-uart" "--loud";

    ch06: "ch06-uart-input", input b"Hello, guest!\n", varying POLLS;
    ch06_help: "ch06-uart-input" "--help";
    ch06_list: "ch06-uart-input" "--list";
    ch06_end_of_input: "ch06-uart-input", varying POLLS;
    ch06_hello: "ch06-uart-input" "hello";
    ch06_verbose: "ch06-uart-input" "--verbose" "hello";
    ch06_hctest: "ch06-uart-input" "hctest";
    ch06_unknown_option: "ch06-uart-input" "--loud";

    ch07: "ch07-hypercall";
    ch07_help: "ch07-hypercall" "--help";
    ch07_list: "ch07-hypercall" "--list";
    ch07_verbose: "ch07-hypercall" "--verbose" "hctest";
    ch07_minimal: "ch07-hypercall" "minimal";
    ch07_triple_fault: "ch07-hypercall" "triple-fault", varying REGISTERS;
    ch07_mmio: "ch07-hypercall" "mmio";
    ch07_bad_port: "ch07-hypercall" "bad-port";
    ch07_hello: "ch07-hypercall" "hello";
    ch07_counter: "ch07-hypercall" "counter";
    ch07_echo: "ch07-hypercall" "echo", input b"all the way\n", varying POLLS;
    ch07_hctest: "ch07-hypercall" "hctest";
    ch07_fibonacci: "ch07-hypercall" "fibonacci";
    ch07_matrix: "ch07-hypercall" "matrix";
    ch07_ask: "ch07-hypercall" "ask", input b"Ada\n";
    ch07_ask_no_answer: "ch07-hypercall" "ask";
    ch07_exit_status: "ch07-hypercall" "exit-status";
    ch07_bad_hypercall: "ch07-hypercall" "bad-hypercall";
    ch07_without_sync_regs: "ch07-hypercall" "ask", input b"Ada\n", fault "lacks:74";
    ch07_unknown_option: "ch07-hypercall" "--loud";

    ch08: "ch08-multi-vcpu";
    ch08_help: "ch08-multi-vcpu" "--help";
    ch08_list: "ch08-multi-vcpu" "--list";
    ch08_verbose: "ch08-multi-vcpu" "--verbose" "counter" "minimal" "exit-status";
    ch08_same_guest: "ch08-multi-vcpu" "hello" "hello" "hello" "hello";
    ch08_crash: "ch08-multi-vcpu" "hello" "bad-port" "counter" "exit-status";
    ch08_triple_fault: "ch08-multi-vcpu" "hello" "triple-fault" "counter" "exit-status",
        varying REGISTERS;
    ch08_input: "ch08-multi-vcpu" "ask" "echo" "ask" "hello", input b"Ada\n";
    ch08_hello: "ch08-multi-vcpu" "hello";
    ch08_five_guests: "ch08-multi-vcpu" "hello" "hello" "hello" "hello" "hello";
    ch08_unknown_guest: "ch08-multi-vcpu" "hello" "counter" "helo" "minimal";
    ch08_unknown_option: "ch08-multi-vcpu" "--loud";

    ch09: "ch09-protected-mode";
    ch09_help: "ch09-protected-mode" "--help";
    ch09_list: "ch09-protected-mode" "--list";
    ch09_verbose: "ch09-protected-mode" "--verbose" "hctest";
    ch09_hello: "ch09-protected-mode" "hello";
    ch09_side_by_side: "ch09-protected-mode" "pmode" "hello" "pmode" "counter";
    ch09_five_guests: "ch09-protected-mode" "pmode" "pmode" "pmode" "pmode" "pmode";
    ch09_unknown_mode: "ch09-protected-mode" "--mode" "paging" "pmode";
    ch09_unknown_option: "ch09-protected-mode" "--loud";

    ch10: "ch10-paging";
    ch10_help: "ch10-paging" "--help";
    ch10_list: "ch10-paging" "--list";
    ch10_verbose: "ch10-paging" "--verbose" "exit-status";
    ch10_page_fault: "ch10-paging" "page-fault", varying COMPILED;
    ch10_pmode: "ch10-paging" "pmode";
    ch10_no_gdt: "ch10-paging" "pmode-no-gdt", varying REGISTERS;
    ch10_hello: "ch10-paging" "hello";
    ch10_side_by_side: "ch10-paging" "page-fault" "pmode" "test-kernel" "hello",
        varying COMPILED;
    ch10_translate_identity: "ch10-paging" "--translate" "0x1234", fault "open:2";
    ch10_translate_higher_half: "ch10-paging" "--translate" "80001234", fault "open:2";
    ch10_translate_last_mapped: "ch10-paging" "--translate" "0x80ffffff", fault "open:2";
    ch10_translate_first_unmapped: "ch10-paging" "--translate" "0x81000000", fault "open:2";
    ch10_translate_garbage: "ch10-paging" "--translate" "0x0x80001234";
    ch10_translate_and_guest: "ch10-paging" "--translate" "0" "test-kernel";
    ch10_five_guests: "ch10-paging" "pmode" "hello" "pmode" "hello" "pmode";
    ch10_unknown_mode: "ch10-paging" "--mode" "interrupts" "pmode";
    ch10_unknown_option: "ch10-paging" "--loud";

    ch11: "ch11-interrupts";
    ch11_help: "ch11-interrupts" "--help";
    ch11_list: "ch11-interrupts" "--list";
    ch11_verbose: "ch11-interrupts" "--verbose" "ticker", varying INJECTIONS;
    ch11_typist: "ch11-interrupts" "typist", input b"Hello, guest!\n", varying WAKE_UPS;
    ch11_typist_end_of_input: "ch11-interrupts" "typist", varying WAKE_UPS;
    ch11_typist_ticker: "ch11-interrupts" "typist" "ticker", input b"Hello, guest!\n",
        varying WAKE_UPS;
    ch11_page_fault: "ch11-interrupts" "page-fault", varying COMPILED;
    ch11_test_kernel: "ch11-interrupts" "test-kernel";
    ch11_pmode: "ch11-interrupts" "pmode";
    ch11_no_gdt: "ch11-interrupts" "pmode-no-gdt", varying REGISTERS;
    ch11_hello: "ch11-interrupts" "hello";
    ch11_triple_fault: "ch11-interrupts" "triple-fault", varying REGISTERS;
    ch11_five_guests: "ch11-interrupts" "ticker" "hello" "ticker" "hello" "ticker";
    ch11_unknown_guest: "ch11-interrupts" "tikcer";
    ch11_unknown_mode: "ch11-interrupts" "--mode" "long" "ticker";
    ch11_unknown_option: "ch11-interrupts" "--loud";

    ch12: "ch12-os-1k", input b"help\nls\nexit 3\n", varying OS;
    ch12_help: "ch12-os-1k" "--help";
    ch12_list: "ch12-os-1k" "--list";
    ch12_programs: "ch12-os-1k", input b"about\ncalculator 10 + 5\ncalculator (1 + 2) * -3\n\
calculator 1 / 0\ncounter 3\nrun echo\nHello, OS!\n\x04factorial 5\nfibonacci 10\ngcd 1071 462\n\
primes\nmultiplication\n", varying OS;
    ch12_crash: "ch12-os-1k", input b"crash\ncrash kernel\ncrash null\ncrash stack\ncrash hlt\n\
echo The shell lives.\n", varying OS;
    ch12_abuse: "ch12-os-1k", input b"abuse\n", varying OS;
    ch12_side_by_side: "ch12-os-1k" "os-1k" "hello" "os-1k" "pmode",
        input b"echo Only the first can hear you.\nexit 5\n", varying OS;
    ch12_ticker: "ch12-os-1k" "ticker";
    ch12_typist: "ch12-os-1k" "typist", input b"Hello, guest!\n", varying WAKE_UPS;
    ch12_test_kernel: "ch12-os-1k" "test-kernel";
    ch12_page_fault: "ch12-os-1k" "page-fault", varying COMPILED;
    ch12_verbose: "ch12-os-1k" "--verbose" "hctest";
    ch12_hello: "ch12-os-1k" "hello";
    ch12_five_guests: "ch12-os-1k" "os-1k" "hello" "ticker" "pmode" "os-1k";
    ch12_unknown_guest: "ch12-os-1k" "os1k";
    ch12_unknown_mode: "ch12-os-1k" "--mode" "multi" "os-1k";
    ch12_unknown_option: "ch12-os-1k" "--loud";

    ch13: "ch13-long-mode";
    ch13_help: "ch13-long-mode" "--help";
    ch13_list: "ch13-long-mode" "--list";
    ch13_verbose: "ch13-long-mode" "--verbose" "hctest";
    ch13_rust64: "ch13-long-mode" "rust64", varying CPU;
    ch13_rust64_panic: "ch13-long-mode" "rust64-panic";
    ch13_fault64: "ch13-long-mode" "fault64", varying COMPILED_64;
    ch13_side_by_side: "ch13-long-mode" "hello64" "hello" "rust64-panic" "test-kernel";
    ch13_hello: "ch13-long-mode" "hello";
    ch13_page_fault: "ch13-long-mode" "page-fault", varying COMPILED;
    ch13_ticker: "ch13-long-mode" "ticker";
    ch13_os: "ch13-long-mode" "os-1k", input b"echo Long live 32 bits.\nexit 3\n", varying OS;
    ch13_without_lma: "ch13-long-mode" "--break" "lma";
    ch13_without_pae: "ch13-long-mode" "--break" "pae";
    ch13_without_sse: "ch13-long-mode" "--break" "sse" "rust64", varying WITHOUT_SSE;
    ch13_unknown_mistake: "ch13-long-mode" "--break" "nx";
    ch13_break_real_mode: "ch13-long-mode" "--break" "lma" "hello64" "hello";
    ch13_translate_identity: "ch13-long-mode" "--mode" "long" "--translate" "0x1234", fault "open:2";
    ch13_translate_higher_half: "ch13-long-mode" "--translate" "ffff800000801234", fault "open:2";
    ch13_translate_last_mapped: "ch13-long-mode" "--translate" "0xffff800000ffffff", fault "open:2";
    ch13_translate_first_unmapped: "ch13-long-mode" "--translate" "0xffff800001000000",
        fault "open:2";
    ch13_translate_last_of_lower_half: "ch13-long-mode" "--translate" "0x7fffffffffff",
        fault "open:2";
    ch13_translate_32_bit: "ch13-long-mode" "--translate" "0x80001234", fault "open:2";
    ch13_translate_too_long: "ch13-long-mode" "--translate" "10000000000000000";
    ch13_five_guests: "ch13-long-mode" "hello64" "hello" "hello64" "hello" "rust64";
    ch13_unknown_guest: "ch13-long-mode" "helo64";
    ch13_unknown_mode: "ch13-long-mode" "--mode" "linux" "hello64";
    ch13_unknown_option: "ch13-long-mode" "--loud";

    ch14_help: "ch14-linux-boot" "--help";
    ch14_list: "ch14-linux-boot" "--list";
    ch14_hello: "ch14-linux-boot" "hello";
    ch14_hello64: "ch14-linux-boot" "hello64";
    ch14_break_linux: "ch14-linux-boot" "--break" "lma" "linux", fault "open:2";
    ch14_memory_unaligned: "ch14-linux-boot" "--memory" "4095";
    ch14_memory_too_much: "ch14-linux-boot" "--memory" "4G";
    ch14_unknown_guest: "ch14-linux-boot" "linus";
    ch14_unknown_option: "ch14-linux-boot" "--loud";

    ch15_session: "ch15-linux-shell",
        input b"uname -sr\nls /\nhead -6 /proc/interrupts\npoweroff\n", varying LINUX;
    ch15_without_acpi: "ch15-linux-shell" "--cmdline"
        "console=ttyS0 loglevel=3 reboot=k,panic_warm panic=-1 acpi=off",
        input b"head -6 /proc/interrupts\npoweroff\n", varying LINUX;
    ch15_help: "ch15-linux-shell" "--help";
    ch15_list: "ch15-linux-shell" "--list";
    ch15_hello: "ch15-linux-shell" "hello";
    ch15_rust64: "ch15-linux-shell" "rust64", varying CPU;
    ch15_typist: "ch15-linux-shell" "typist", input b"Hello, guest!\n", varying WAKE_UPS;
    ch15_unknown_option: "ch15-linux-shell" "--loud";
}
