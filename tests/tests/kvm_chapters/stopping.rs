//! Guests that do not stop by themselves, and guests that wait.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use tests::{Run, await_vcpus, cpu_seconds, finish, patiently, signal, text};

use crate::images::image;

/// Prints `x` on COM1 for ever: mov $0x3f8, %dx; mov $'x', %al; 1: out %al, %dx; jmp 1b
const CHATTERBOX: [u8; 8] = [0xba, 0xf8, 0x03, 0xb0, b'x', 0xee, 0xeb, 0xfd];

/// The same, but once: mov $0x3f8, %dx; mov $'x', %al; out %al, %dx; 1: jmp 1b
const PRINTS_AND_SPINS: [u8; 8] = [0xba, 0xf8, 0x03, 0xb0, b'x', 0xee, 0xeb, 0xfe];

/// Starts guests and waits until they run.
fn start(chapter: &str, guests: &[&str]) -> Child {
    let child = Run::new(chapter, guests).start();
    await_vcpus(child.id(), guests.len());
    child
}

fn catches(child: &Child, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() & 1 << (signal as i32 - 1) != 0
}

#[track_caller]
pub fn assert_interrupted(child: Child, guests: usize) {
    let finished = finish(child, b"");
    assert_eq!(finished.code(), 130, "{finished}");
    let reports = String::from_utf8_lossy(&finished.stderr).matches(": interrupted after ").count();
    assert_eq!(reports, guests, "{finished}");
}

#[test]
fn a_signal_ends_guests_that_never_exit() {
    for (chapter, guests) in [
        ("ch04-exits", &["spin"][..]),
        ("ch05-uart", &["spin"]),
        ("ch06-uart-input", &["spin"]),
        ("ch07-hypercall", &["spin"]),
        ("ch08-multi-vcpu", &["spin"; 4]),
    ] {
        for number in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
            let child = start(chapter, guests);
            signal(&child, number);
            assert_interrupted(child, guests.len());
        }
    }
}

/// As `timeout` does: the program, then its process group.
#[test]
fn two_signals_at_once_lose_no_output() {
    let image = image(&PRINTS_AND_SPINS);
    for chapter in ["ch05-uart", "ch06-uart-input", "ch07-hypercall"] {
        let child = start(chapter, &[text(image.path())]);
        sleep(Duration::from_secs(1));
        signal(&child, Signal::SIGTERM);
        signal(&child, Signal::SIGINT);
        let finished = finish(child, b"");
        assert_eq!((finished.code(), finished.stdout.as_slice()), (130, &b"x"[..]), "{finished}");
    }
}

#[test]
fn a_signal_ends_a_guest_that_waits_for_input() {
    for (chapter, guests) in [
        ("ch06-uart-input", &["echo"][..]),
        ("ch07-hypercall", &["echo"]),
        ("ch07-hypercall", &["ask"]),
        ("ch08-multi-vcpu", &["ask", "spin", "spin", "spin"]),
        ("ch08-multi-vcpu", &["echo", "spin"]),
    ] {
        let mut child = start(chapter, guests);
        let stdin = child.stdin.take(); // kept open: the input has no end
        sleep(Duration::from_millis(300));
        signal(&child, Signal::SIGINT);
        assert_interrupted(child, guests.len());
        drop(stdin);
    }
}

#[test]
fn stopped_and_continued_a_guest_goes_on() {
    for (chapter, guests) in [
        ("ch04-exits", &["spin"][..]),
        ("ch07-hypercall", &["spin"]),
        ("ch08-multi-vcpu", &["spin"; 4]),
    ] {
        let mut child = start(chapter, guests);
        for _ in 0..3 {
            signal(&child, Signal::SIGSTOP);
            sleep(Duration::from_millis(50));
            signal(&child, Signal::SIGCONT);
            sleep(Duration::from_millis(50));
        }
        assert!(child.try_wait().unwrap().is_none(), "{chapter} ended when it was continued");
        signal(&child, Signal::SIGTERM);
        assert_interrupted(child, guests.len());
    }
}

/// Whatever the VMM is doing between its signal handler and its last vCPU.
#[test]
fn a_signal_right_after_the_start_reaches_every_guest() {
    for round in 0..20 {
        let child = Run::new("ch08-multi-vcpu", &["spin"; 4]).start();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !catches(&child, Signal::SIGINT) {
            assert!(Instant::now() < deadline, "it does not start");
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_micros(300) * round);
        signal(&child, Signal::SIGINT);
        assert_interrupted(child, 4);
    }
}

#[test]
fn ended_by_the_user_is_the_worst_that_can_happen() {
    let mut child = start("ch08-multi-vcpu", &["triple-fault", "spin", "exit-status", "hello"]);
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let is_report = |line: &String| line.starts_with('[') || line.starts_with("error: [");
    let mut reports = stderr.lines().map(Result::unwrap).filter(is_report);
    let (count, mut reports) = patiently(|| (reports.by_ref().take(3).count(), reports));
    assert_eq!(count, 3);
    signal(&child, Signal::SIGINT);
    let last = patiently(move || reports.next()).unwrap();
    assert!(last.starts_with("[1 spin]: interrupted after "), "{last}");
    assert_eq!(finish(child, b"").code(), 130);
}

#[test]
fn a_guest_that_waits_for_input_uses_no_cpu() {
    let mut waiting = [
        ("ch06-uart-input", &["echo"][..]),
        ("ch07-hypercall", &["echo"]),
        ("ch07-hypercall", &["ask"]),
        ("ch08-multi-vcpu", &["ask", "hello", "counter"]),
        ("ch08-multi-vcpu", &["echo", "minimal"]),
    ]
    .map(|(chapter, guests)| (start(chapter, guests), format!("{chapter} {guests:?}")));
    let inputs = waiting.each_mut().map(|(child, _)| child.stdin.take()); // kept open
    sleep(Duration::from_secs(1));
    let before = waiting.each_ref().map(|(child, _)| (cpu_seconds(child.id()), Instant::now()));
    sleep(Duration::from_secs(2));
    for ((child, command), (before, since)) in waiting.into_iter().zip(before) {
        let share = (cpu_seconds(child.id()) - before) / since.elapsed().as_secs_f64();
        // A busy loop would come near 1, or half of that beside another, emulated or not.
        assert!(share < 0.2, "{command} uses {share:.2} of a CPU");
        signal(&child, Signal::SIGINT);
        assert_interrupted(child, 1);
    }
    drop(inputs);
}

#[test]
fn a_third_signal_ends_even_a_blocked_write() {
    let image = image(&CHATTERBOX);
    let guests = [text(image.path()); 4];
    for (chapter, guests) in [
        ("ch05-uart", &guests[..1]),
        ("ch06-uart-input", &guests[..1]),
        ("ch07-hypercall", &guests[..1]),
        ("ch08-multi-vcpu", &guests),
    ] {
        let mut child = start(chapter, guests);
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
        let before = cpu_seconds(child.id());
        sleep(Duration::from_millis(500));
        if cpu_seconds(child.id()) - before < 0.05 {
            return;
        }
        assert!(Instant::now() < deadline, "it goes on writing, though nobody reads");
    }
}
