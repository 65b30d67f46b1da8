//! What goes wrong outside the VMM: one clear message, the right status, never a panic.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use tests::{Run, assert_ends, finish, program, text};

use crate::images::image;

const CHAPTERS: [&str; 15] = [
    "ch01-open-kvm",
    "ch02-guest-memory",
    "ch03-hlt",
    "ch04-exits",
    "ch05-uart",
    "ch06-uart-input",
    "ch07-hypercall",
    "ch08-multi-vcpu",
    "ch09-protected-mode",
    "ch10-paging",
    "ch11-interrupts",
    "ch12-os-1k",
    "ch13-long-mode",
    "ch14-linux-boot",
    "ch15-linux-shell",
];

/// The instruction that ends a guest.
const HLT: u8 = 0xf4;

/// The chapters that take a guest; of those from 9 on, which do the same with bad input, the last.
fn with_guest() -> impl Iterator<Item = &'static str> {
    CHAPTERS[3..8].iter().chain(CHAPTERS.last()).copied()
}

/// The memory of a real-mode guest in `chapter`, in bytes.
fn memory_bytes(chapter: &str) -> usize {
    if chapter < "ch08" { 65_536 } else { 262_144 }
}

#[track_caller]
fn assert_fault(chapter: &str, fault: &str, message: &[&str]) {
    let run = Run { fault: Some(fault), ..Run::new(chapter, &[]) };
    assert_ends(&run.finish(), 69, message);
}

#[test]
fn no_dev_kvm() {
    for chapter in CHAPTERS {
        let message = ["error: /dev/kvm: No such file", "sudo modprobe kvm_intel", "xtask doctor"];
        assert_fault(chapter, "open:2", &message);
    }
}

#[test]
fn no_permission() {
    for chapter in CHAPTERS {
        let message = ["error: /dev/kvm: Permission denied", "usermod -aG kvm", "MINI_KVM=nest"];
        assert_fault(chapter, "open:13", &message);
    }
}

#[test]
fn other_api_version() {
    for chapter in CHAPTERS {
        let message = ["error: /dev/kvm: its API version is 11, not 12", "cargo xtask doctor"];
        assert_fault(chapter, "version:11", &message);
    }
}

#[test]
fn missing_capability() {
    for (number, name, needed_from) in [
        (3, "KVM_CAP_USER_MEMORY", "ch02"),
        (136, "KVM_CAP_IMMEDIATE_EXIT", "ch04"),
        (66, "KVM_CAP_MAX_VCPUS", "ch08"),
        (10, "KVM_CAP_NR_MEMSLOTS", "ch08"),
        (4, "KVM_CAP_SET_TSS_ADDR", "ch11"),
        (0, "KVM_CAP_IRQCHIP", "ch11"),
        (32, "KVM_CAP_IRQFD", "ch11"),
        (33, "KVM_CAP_PIT2", "ch11"),
        (7, "KVM_CAP_EXT_CPUID", "ch13"),
    ] {
        let fault = format!("lacks:{number}");
        let message = format!("error: /dev/kvm lacks {name} (");
        // Chapter 1 reports what any chapter needs.
        let first = CHAPTERS.into_iter().find(|chapter| *chapter >= needed_from);
        for chapter in [Some(CHAPTERS[0]), first, CHAPTERS.last().copied()].into_iter().flatten() {
            assert_fault(chapter, &fault, &[&message]);
        }
        // The one before does without.
        if let Some(chapter) = CHAPTERS[3..].iter().rfind(|chapter| **chapter < needed_from) {
            let run = Run { fault: Some(&fault), ..Run::new(chapter, &["minimal"]) };
            assert_ends(&run.finish(), 0, &["minimal: halted after 1 exit\n"]);
        }
    }
}

#[test]
fn every_system_call_that_fails_is_named() {
    for (request, name) in [
        ("0xae01", "KVM_CREATE_VM"),
        ("0x4020ae46", "KVM_SET_USER_MEMORY_REGION"),
        ("0xae41", "KVM_CREATE_VCPU"),
        ("0x8138ae83", "KVM_GET_SREGS"),
        ("0x4138ae84", "KVM_SET_SREGS"),
        ("0x4090ae82", "KVM_SET_REGS"),
        ("0xae80", "KVM_RUN"),
    ] {
        let message = format!("error: {name}: Cannot allocate memory");
        for chapter in with_guest() {
            assert_fault(chapter, &format!("ioctl:{request}:12"), &[&message]);
        }
    }
    for (request, name) in [
        ("0xae47", "KVM_SET_TSS_ADDR"),
        ("0xae60", "KVM_CREATE_IRQCHIP"),
        ("0x4040ae77", "KVM_CREATE_PIT2"),
        ("0x4020ae76", "KVM_IRQFD"),
    ] {
        let message = format!("error: {name}: Cannot allocate memory");
        assert_fault("ch11-interrupts", &format!("ioctl:{request}:12"), &[&message]);
    }
    for (request, name) in
        [("0xc008ae05", "KVM_GET_SUPPORTED_CPUID"), ("0x4008ae90", "KVM_SET_CPUID2")]
    {
        let message = format!("error: {name}: Cannot allocate memory");
        assert_fault("ch13-long-mode", &format!("ioctl:{request}:12"), &[&message]);
    }
}

#[test]
fn images_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let empty = image(b"");
    for chapter in with_guest() {
        let fits = memory_bytes(chapter);
        let large = image(&vec![HLT; fits + 1]);
        let too_large =
            format!("the image has at least {} bytes, there is room for {fits}", fits + 1);
        for (path, message) in [
            (missing.as_path(), "No such file or directory"),
            (folder.path(), "Is a directory"),
            (empty.path(), "the image is empty"),
            (large.path(), too_large.as_str()),
            ("/dev/zero".as_ref(), "the image has at least "),
        ] {
            let message = format!("error: {}: {message}", path.display());
            assert_ends(&Run::new(chapter, &[text(path)]).finish(), 66, &[&message]);
        }
    }
}

#[test]
fn an_image_that_may_not_be_read() {
    let image = image(&[HLT]);
    image.as_file().set_permissions(Permissions::from_mode(0o0)).unwrap();
    for chapter in with_guest() {
        // Root may read everything, unless it gives that up.
        let child = Command::new("setpriv")
            .args(["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"])
            .arg(program(chapter))
            .arg(image.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("util-linux has setpriv");
        let path = text(image.path());
        assert_ends(&finish(child, b""), 66, &["error: ", path, "Permission denied"]);
    }
}

#[test]
fn an_image_that_just_fits() {
    for chapter in with_guest() {
        let image = image(&vec![HLT; memory_bytes(chapter)]);
        let finished = Run::new(chapter, &[text(image.path())]).finish();
        assert_ends(&finished, 0, &["halted after 1 exit\n"]);
    }
}

#[test]
fn one_bad_guest_of_several_and_none_runs() {
    let large = image(&vec![HLT; memory_bytes("ch08-multi-vcpu") + 1]);
    let too_large = [text(large.path()), "there is room for 262144"];
    for (guests, status, message) in [
        (["hello", "counter", "hello", "nobody"], 64, &["no guest has the name \"nobody\""][..]),
        (["hello", "/missing", "hello", "counter"], 66, &["error: /missing: No such file"]),
        (["hello", "counter", "hello", text(large.path())], 66, &too_large),
    ] {
        let finished = Run::new("ch08-multi-vcpu", &guests).finish();
        assert_ends(&finished, status, message);
        assert!(finished.stdout.is_empty(), "{finished}");
    }
}

#[test]
fn four_images_that_just_fit() {
    let image = image(&vec![HLT; memory_bytes("ch08-multi-vcpu")]);
    let finished = Run::new("ch08-multi-vcpu", &[text(image.path()); 4]).finish();
    for id in 0..4 {
        let halted = format!("[{id} {}]: halted after 1 exit\n", text(image.path()));
        assert_ends(&finished, 0, &[&halted]);
    }
}

/// A pipe that nobody reads any more, as after `| head -1`.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn nobody_reads_standard_output() {
    let default_runs = CHAPTERS.iter().map(|chapter| (*chapter, vec![]));
    let options = CHAPTERS.iter().map(|chapter| (*chapter, vec!["--help"]));
    let lists = with_guest().map(|chapter| (chapter, vec!["--list"]));
    for (chapter, arguments) in default_runs.chain(options).chain(lists) {
        let run = Run::new(chapter, &arguments);
        let child = run
            .command()
            .stdin(Stdio::null())
            .stdout(closed_pipe())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let finished = finish(child, b"");
        assert_eq!(finished.code(), 0, "{run}: {finished}");
        let stderr = String::from_utf8_lossy(&finished.stderr);
        assert!(!stderr.contains("error") && !stderr.contains("panicked"), "{run}: {finished}");
    }
}

#[test]
fn a_crash_is_told_even_if_nobody_reads_the_output() {
    // mov $0x3f8, %dx; out %al, %dx; mov $0xbad, %dx; out %al, %dx
    let image = image(&[0xba, 0xf8, 0x03, 0xee, 0xba, 0xad, 0x0b, 0xee]);
    for chapter in with_guest().skip(1) {
        for stdout in [closed_pipe(), File::create("/dev/full").unwrap().into()] {
            let arguments = [text(image.path())];
            let mut command = Run::new(chapter, &arguments).command();
            let child = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).spawn();
            assert_ends(&finish(child.unwrap(), b""), 65, &["crashed after 2 exits", "0xbad"]);
        }
    }
}

#[test]
fn nobody_reads_standard_error() {
    for (chapter, arguments, status) in [
        ("ch01-open-kvm", vec!["wrong"], 0),
        ("ch03-hlt", vec![], 0),
        ("ch04-exits", vec!["--verbose"], 0),
        ("ch04-exits", vec!["mmio"], 65),
        ("ch04-exits", vec!["/missing"], 66),
        ("ch07-hypercall", vec![], 0),
        ("ch08-multi-vcpu", vec![], 0),
        ("ch08-multi-vcpu", vec!["hello", "mmio"], 65),
    ] {
        let run = Run::new(chapter, &arguments);
        let child =
            run.command().stdin(Stdio::null()).stderr(closed_pipe()).stdout(Stdio::null()).spawn();
        assert_eq!(finish(child.unwrap(), b"").code(), status, "{run}");
    }
}

#[test]
fn a_trace_that_cannot_be_written_ends_no_guest() {
    for chapter in ["ch07-hypercall", "ch08-multi-vcpu", "ch11-interrupts"] {
        let run = Run::new(chapter, &["exit-status", "--verbose"]);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let child = run.command().stdin(Stdio::null()).stdout(Stdio::null()).stderr(full).spawn();
        assert_eq!(finish(child.unwrap(), b"").code(), 7, "{run}");
    }
}

#[test]
fn standard_output_is_full() {
    for (chapter, arguments) in [
        ("ch01-open-kvm", vec![]),
        ("ch02-guest-memory", vec![]),
        ("ch04-exits", vec!["--list"]),
        ("ch05-uart", vec!["hello"]),
        ("ch07-hypercall", vec!["multiplication"]),
        ("ch08-multi-vcpu", vec![]),
        ("ch08-multi-vcpu", vec!["hello", "spin", "spin", "spin"]),
    ] {
        let run = Run::new(chapter, &arguments);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let child = run.command().stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).spawn();
        assert_ends(&finish(child.unwrap(), b""), 74, &["error: ", "No space left on device"]);
    }
}
