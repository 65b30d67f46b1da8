//! Whether we would notice: programs that break the promises of a VMM, one after the other.
#![expect(clippy::unwrap_used, reason = "a test says with a panic what went wrong")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use chaos::case::{Case, Contents, Image, Input, Role};
use chaos::check::Bench;
use chaos::process::Limits;
use chaos::verdict::{Broken, How};
use nix::sys::signal::Signal;

/// More than any of the scripts takes. A script never has a vCPU: for us, it never really starts.
const START: Duration = Duration::from_secs(60);

fn check_with(script: &str, change: impl FnOnce(&mut Case)) -> Result<How, Broken> {
    check_within(START, script, change)
}

/// A chapter that is a script, and runs one guest.
fn check_within(
    start: Duration,
    script: &str,
    change: impl FnOnce(&mut Case),
) -> Result<How, Broken> {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("ch07-fake");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut bench = Bench::new(folder.path().to_owned());
    bench.limits = Limits { start, patience: Duration::from_secs(2), ..bench.limits };
    let mut case = Case {
        about: String::new(),
        chapter: "ch07-fake".to_owned(),
        options: Vec::new(),
        input: Input::Bytes(Vec::new()),
        signal: Signal::SIGTERM,
        expected: Vec::new(),
        images: vec![Image { role: Role::Guest, contents: Contents::Bytes(b"guest".to_vec()) }],
    };
    change(&mut case);
    bench.check(&case).unwrap().1
}

fn check(script: &str) -> Result<How, Broken> {
    check_with(script, |_| {})
}

#[test]
fn documented_ends_are_told_apart() {
    assert_eq!(check("echo halted >&2"), Ok(How::Halted));
    assert_eq!(check("echo exited >&2; exit 63"), Ok(How::Status));
    assert_eq!(check("echo error: crashed >&2; exit 65"), Ok(How::Crashed));
    assert_eq!(check("echo error: no image >&2; exit 66"), Ok(How::Refused));
    let is_output = "grep -q guest \"$1\" && echo exited >&2";
    assert_eq!(check(is_output), Ok(How::Halted), "the guest's file cannot be read");
}

#[test]
fn a_status_is_documented_for_what_can_end_with_it() {
    for status in [64, 69, 70, 74, 101, 130] {
        let script = format!("echo error: x >&2; exit {status}");
        assert_eq!(check(&script), Err(Broken::Undocumented(status)));
    }
    let not_saved = check_with("echo error: not saved >&2; exit 74", |case| {
        case.images.push(Image { role: Role::Disk, contents: Contents::Bytes(vec![1]) });
    });
    assert_eq!(not_saved, Ok(How::NotSaved));
}

#[test]
fn a_panic_is_a_panic_whatever_the_status() {
    let script = "echo \"thread 'main' (7) panicked at src/vm.rs:3:5:\" >&2; exit 65";
    assert_eq!(check(script), Err(Broken::Panicked("src/vm.rs:3".to_owned())));
}

#[test]
fn death_by_a_signal_is_noticed() {
    assert_eq!(check("kill -SEGV $$"), Err(Broken::Signal(11)));
}

#[test]
fn silence_is_noticed() {
    assert_eq!(check("exit 0"), Err(Broken::Silent));
    assert_eq!(check("echo crashed >&2; exit 65"), Err(Broken::Silent));
}

#[test]
fn the_end_of_a_long_trace_is_seen() {
    let script = "seq 100000 >&2; echo error: crashed >&2; exit 65";
    let trace = |case: &mut Case| case.options.push("--verbose".to_owned());
    let slow = |script| check_with(&format!("trap '' TERM; {script}"), trace);
    assert_eq!(slow(script), Ok(How::Crashed));
    assert_eq!(slow("seq 100000 >&2; exit 65"), Err(Broken::Silent));
}

#[test]
fn a_flood_ends_a_guest_and_breaks_a_vmm() {
    let guest = "trap 'echo interrupted >&2; exit 130' TERM; while :; do echo 0123456789; done";
    assert_eq!(check(guest), Ok(How::Loud));
    let deaf = "trap '' TERM; while :; do echo 0123456789; done";
    assert_eq!(check(deaf), Err(Broken::Hung));
    let vmm = "trap 'exit 130' TERM; while :; do echo 0123456789 >&2; done";
    assert_eq!(check(vmm), Err(Broken::Flood));
    assert_eq!(check_with(vmm, |case| case.options.push("--verbose".to_owned())), Ok(How::Loud));
}

#[test]
fn a_vmm_that_never_ends_is_noticed() {
    let script = "echo starting >&2; exec sleep 1000";
    assert_eq!(check_within(Duration::from_secs(1), script, |_| {}), Err(Broken::Hung));
}

#[test]
fn growth_is_noticed() {
    let script = "exec dd if=/dev/zero of=/dev/null bs=200M count=1";
    assert!(matches!(check(script), Err(Broken::Memory(_))), "{:?}", check(script));
}

#[test]
fn what_a_case_expects_has_to_come() {
    let expect = |how: &str, script| {
        check_with(script, |case| case.expected = vec!["late".to_owned(), how.to_owned()])
    };
    assert_eq!(expect("halted", "echo halted >&2"), Ok(How::Halted));
    assert_eq!(expect("crashed", "echo halted >&2"), Err(Broken::Unexpected("halted")));
}

#[test]
fn input_comes_as_the_case_has_it() {
    let count = "exit $(head -c 50 | wc -c)";
    let typed =
        |input: Input| check_with(&format!("echo x >&2; {count}"), |case| case.input = input);
    assert_eq!(typed(Input::Bytes(Vec::new())), Ok(How::Halted));
    assert_eq!(typed(Input::Bytes(vec![1; 9])), Ok(How::Status));
    assert_eq!(typed(Input::Endless(vec![1, 2, 3])), Ok(How::Status));
}
