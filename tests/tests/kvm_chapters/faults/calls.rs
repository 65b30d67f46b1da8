//! Every call that a chapter makes, failing in turn.

use std::collections::BTreeMap;
use std::fs;

use tests::text;

use super::plan::{Ended, runs};
use super::{HALTS_AT_ONCE, RUNS, is_looked_at, is_thorough};

const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const EFAULT: i32 = 14;
const EINVAL: i32 = 22;

/// What a chapter does if a call fails.
enum Outcome {
    /// It ends with status 69, and says so.
    Told(&'static str),
    /// It can do without.
    Nothing,
    /// That depends on what it asked for.
    Either(&'static str),
}

/// By the name that the call has in the shim.
fn outcome(call: &'static str) -> Outcome {
    match call {
        "KVM_GET_API_VERSION" => Outcome::Told("/dev/kvm: its API version is -1, not 12"),
        "KVM_CHECK_EXTENSION" => Outcome::Either("lacks KVM_CAP_"),
        // kvm-ioctls makes these as it makes others.
        "KVM_GET_VCPU_MMAP_SIZE" => Outcome::Told("KVM_CREATE_VM: "),
        "mmap of a vCPU" => Outcome::Told("KVM_CREATE_VCPU: "),
        "mmap of guest memory" => Outcome::Told("guest memory: "),
        "dup" => Outcome::Told("eventfd: "),
        // Huge pages and the count of interrupts are a plus.
        "madvise" | "KVM_GET_STATS_FD" => Outcome::Nothing,
        other => Outcome::Told(other),
    }
}

/// How often each call is made in a run in which all goes well.
fn calls_of(chapter: &str, arguments: &[&str], always: &str) -> (BTreeMap<String, u32>, Ended) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let fault = format!("{always}calls:{}", text(file.path()));
    let ended = runs(chapter, arguments, &[fault]).remove(0);
    ended.assert_sane();
    let mut counts = BTreeMap::new();
    for call in fs::read_to_string(file.path()).unwrap().lines() {
        *counts.entry(call.to_owned()).or_insert(0) += 1;
    }
    assert!(counts.contains_key("KVM_GET_API_VERSION"), "{counts:?}");
    (counts, ended)
}

/// Which of them are to fail, and how: the first, and one later. All ways to fail with all calls only
/// on request, else in turn.
fn faults(always: &str, call: &str, count: u32, turn: usize) -> Vec<String> {
    const ERRORS: [i32; 3] = [ENOMEM, EFAULT, EINVAL];
    let fault = |nth: u32, error: i32| format!("{always}nth:{call}:{nth}:{error}");
    let mut faults: Vec<_> = if is_thorough() {
        ERRORS.map(|error| fault(1, error)).into()
    } else {
        vec![fault(1, ERRORS[turn % ERRORS.len()])]
    };
    if call == "KVM_RUN" {
        faults.push(fault(1, EAGAIN));
    }
    // Chapter 1 asks again for what it has checked, only to print it. And how often a guest with a
    // timer exits is different each time.
    let last = match call {
        "KVM_GET_API_VERSION" => 1,
        "KVM_RUN" if always == HALTS_AT_ONCE => 1,
        "KVM_RUN" => count / 2,
        _ => count,
    };
    let later = if is_thorough() { vec![2, 3, last] } else { vec![last] };
    faults.extend(
        later.into_iter().filter(|nth| (2..=last).contains(nth)).map(|nth| fault(nth, ENOMEM)),
    );
    faults
}

/// The number at the end of a fault.
fn error(fault: &str) -> i32 {
    fault.rsplit_once(':').unwrap().1.parse().unwrap()
}

#[track_caller]
fn assert_told(ended: &Ended, words: &str) {
    ended.assert_ends(69, &["error: ", words]);
    // In words, and with what to do about it.
    let (reason, remedy) = match error(&ended.fault) {
        ENOMEM => ("Cannot allocate memory", "too little memory for that"),
        EAGAIN => ("Resource temporarily unavailable", "too little memory for that"),
        EFAULT => ("Bad address", "cargo xtask doctor"),
        _ => ("Invalid argument", "cargo xtask doctor"),
    };
    if words.starts_with("/dev/kvm") || words.starts_with("lacks") {
        ended.assert_ends(69, &["cargo xtask doctor", "MINI_KVM=nest"]);
    } else if words != "tcgetattr" {
        ended.assert_ends(69, &[reason, remedy]);
    }
}

/// Fails one call after the other; returns how many runs that took.
fn fail_each_call(chapter: &str, arguments: &[&str], always: &str) -> usize {
    let (counts, normal) = calls_of(chapter, arguments, always);
    let mut calls = Vec::new();
    for (turn, (call, count)) in counts.into_iter().enumerate() {
        // What a neighbour looks at as well is looked at a third of the time.
        if is_looked_at(chapter) || turn % 3 == chapter.len() % 3 {
            let call: &'static str = call.leak();
            calls.extend(faults(always, call, count, turn).into_iter().map(|fault| (call, fault)));
        }
    }
    let faults: Vec<_> = calls.iter().map(|(_, fault)| fault.clone()).collect();
    for ((call, _), ended) in calls.iter().zip(runs(chapter, arguments, &faults)) {
        match outcome(call) {
            Outcome::Told(words) => assert_told(&ended, words),
            Outcome::Nothing => ended.assert_ends(normal.code().unwrap(), &[]),
            Outcome::Either(_) if ended.code() == normal.code() => ended.assert_sane(),
            Outcome::Either(words) => assert_told(&ended, words),
        }
        assert_all_guests_have_ended(&ended, arguments);
    }
    calls.len()
}

/// Of several guests each is told of, whichever failed: their threads have all come to an end.
#[track_caller]
fn assert_all_guests_have_ended(ended: &Ended, guests: &[&str]) {
    let said = ended.said();
    let is_end = |line: &&str| {
        line.starts_with("error: ") || (line.starts_with('[') && line.contains("]: "))
    };
    const BEFORE_THE_THREADS: [&str; 5] = [
        "error: /dev/kvm",
        "error: tcgetattr",
        "error: KVM_CREATE_VM",
        "error: guest memory",
        "error: KVM_SET_USER_MEMORY_REGION",
    ];
    let is_early = BEFORE_THE_THREADS.iter().any(|words| said.contains(words));
    let several = guests.len() > 1 && !guests.contains(&"--verbose");
    if several && !is_early {
        assert_eq!(said.lines().filter(is_end).count(), guests.len(), "{ended}");
    }
}

#[test]
fn each_call_of_each_chapter_fails_in_turn() {
    let mut count = 0;
    for (chapter, arguments, always) in RUNS {
        count += fail_each_call(chapter, arguments, always);
    }
    println!("{count} runs");
    assert!(count > 150, "only {count} runs");
}

#[test]
fn interrupted_again_and_again_a_guest_goes_on() {
    for (chapter, arguments, always) in RUNS {
        if chapter < "ch03" || !is_looked_at(chapter) {
            continue;
        }
        let faults = ["", "eintr:7"].map(|fault| format!("{always}{fault}"));
        let mut ended = runs(chapter, arguments, &faults);
        let normal = ended.remove(0);
        for ended in ended {
            // Chapter 3 has no run loop yet.
            if chapter == "ch03-hlt" {
                ended.assert_ends(69, &["error: KVM_RUN: Interrupted system call"]);
                continue;
            }
            ended.assert_ends(normal.code().unwrap(), &[]);
            if chapter != "ch08-multi-vcpu" && arguments.len() == 1 {
                assert_eq!(ended.finished.stdout, normal.finished.stdout, "{ended}");
            }
        }
    }
}
