//! Guests that do not stop by themselves, and guests that wait.

use std::fs;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use tests::{Run, cpu_seconds, finish, signal, text};

/// Prints `x` on COM1 for ever: mov $0x3f8, %dx; mov $'x', %al; 1: out %al, %dx; jmp 1b
const CHATTERBOX: [u8; 8] = [0xba, 0xf8, 0x03, 0xb0, b'x', 0xee, 0xeb, 0xfd];

/// The same, but once: mov $0x3f8, %dx; mov $'x', %al; out %al, %dx; 1: jmp 1b
const PRINTS_AND_SPINS: [u8; 8] = [0xba, 0xf8, 0x03, 0xb0, b'x', 0xee, 0xeb, 0xfe];

/// Starts a guest and waits until the VMM has its signal handlers.
fn start(chapter: &str, guest: &str) -> Child {
    let child = Run::new(chapter, &[guest]).start();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !catches(&child, Signal::SIGINT) {
        assert!(Instant::now() < deadline, "{chapter} {guest} does not start");
        sleep(Duration::from_millis(10));
    }
    child
}

fn catches(child: &Child, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() & 1 << (signal as i32 - 1) != 0
}

#[track_caller]
fn assert_interrupted(child: Child) {
    let finished = finish(child, b"");
    assert_eq!(finished.code(), 130, "{finished}");
    assert!(
        String::from_utf8_lossy(&finished.stderr).contains(": interrupted after "),
        "{finished}"
    );
}

#[test]
fn a_signal_ends_a_guest_that_never_exits() {
    for chapter in ["ch04-exits", "ch05-uart", "ch06-uart-input", "ch07-hypercall"] {
        for number in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
            let child = start(chapter, "spin");
            signal(&child, number);
            assert_interrupted(child);
        }
    }
}

/// As `timeout` does: the program, then its process group.
#[test]
fn two_signals_at_once_lose_no_output() {
    let image = tempfile::NamedTempFile::new().unwrap();
    fs::write(image.path(), PRINTS_AND_SPINS).unwrap();
    for chapter in ["ch05-uart", "ch06-uart-input", "ch07-hypercall"] {
        let child = start(chapter, text(image.path()));
        sleep(Duration::from_secs(1));
        signal(&child, Signal::SIGTERM);
        signal(&child, Signal::SIGINT);
        let finished = finish(child, b"");
        assert_eq!((finished.code(), finished.stdout.as_slice()), (130, &b"x"[..]), "{finished}");
    }
}

#[test]
fn a_signal_ends_a_guest_that_waits_for_input() {
    for (chapter, guest) in
        [("ch06-uart-input", "echo"), ("ch07-hypercall", "echo"), ("ch07-hypercall", "ask")]
    {
        let mut child = start(chapter, guest);
        let stdin = child.stdin.take(); // kept open: the input has no end
        sleep(Duration::from_millis(300));
        signal(&child, Signal::SIGINT);
        assert_interrupted(child);
        drop(stdin);
    }
}

#[test]
fn stopped_and_continued_a_guest_goes_on() {
    for chapter in ["ch04-exits", "ch07-hypercall"] {
        let mut child = start(chapter, "spin");
        for _ in 0..3 {
            signal(&child, Signal::SIGSTOP);
            sleep(Duration::from_millis(50));
            signal(&child, Signal::SIGCONT);
            sleep(Duration::from_millis(50));
        }
        assert!(child.try_wait().unwrap().is_none(), "{chapter} ended when it was continued");
        signal(&child, Signal::SIGTERM);
        assert_interrupted(child);
    }
}

#[test]
fn a_guest_that_waits_for_input_uses_no_cpu() {
    for (chapter, guest) in
        [("ch06-uart-input", "echo"), ("ch07-hypercall", "echo"), ("ch07-hypercall", "ask")]
    {
        let mut child = start(chapter, guest);
        let stdin = child.stdin.take();
        sleep(Duration::from_secs(1));
        let (before, since) = (cpu_seconds(&child), Instant::now());
        sleep(Duration::from_secs(2));
        let share = (cpu_seconds(&child) - before) / since.elapsed().as_secs_f64();
        // A busy loop would come near 1, emulated or not.
        assert!(share < 0.2, "{chapter} {guest} uses {share:.2} of a CPU");
        signal(&child, Signal::SIGINT);
        assert_interrupted(child);
        drop(stdin);
    }
}

#[test]
fn a_third_signal_ends_even_a_blocked_write() {
    let image = tempfile::NamedTempFile::new().unwrap();
    fs::write(image.path(), CHATTERBOX).unwrap();
    for chapter in ["ch05-uart", "ch06-uart-input", "ch07-hypercall"] {
        let mut child = start(chapter, text(image.path()));
        let stdout = child.stdout.take().unwrap(); // kept open, and not read
        fcntl(&stdout, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        wait_until_blocked(&child);
        for _ in 0..2 {
            signal(&child, Signal::SIGTERM);
            sleep(Duration::from_millis(500));
            assert!(child.try_wait().unwrap().is_none(), "{chapter}: its write does not block");
        }
        signal(&child, Signal::SIGTERM);
        let finished = finish(child, b"");
        assert_eq!(finished.code(), 130, "{finished}");
        drop(stdout);
    }
}

/// Waits until a busy program has become idle.
fn wait_until_blocked(child: &Child) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let before = cpu_seconds(child);
        sleep(Duration::from_millis(500));
        if cpu_seconds(child) - before < 0.05 {
            return;
        }
        assert!(Instant::now() < deadline, "it goes on writing, though nobody reads");
    }
}
