//! Linux in chapter 15 with a script that wants its worst: everything in one boot.

use std::time::Duration;

use tests::{Run, assert_ends, finish_within};

use crate::linux_boot::{kernel, named_by_runner};
use crate::linux_shell::CHAPTER;

/// How many commands the shell starts. `MINI_KVM_SPAWNS` asks for more.
fn spawns() -> usize {
    std::env::var("MINI_KVM_SPAWNS").map_or(20, |count| count.parse().unwrap())
}

#[test]
fn a_hostile_script_changes_nothing_for_the_next() {
    kernel();
    named_by_runner("MINI_KVM_INITRD");
    let script = [
        // A full file system: /dev has half of the memory.
        "cat /dev/zero > /dev/large; echo large $?; echo > /dev/large; echo room $?".to_owned(),
        "echo > /dev/full; echo full $?".to_owned(),
        "true | true | true | true\n".repeat(5) + "echo pipes $?",
        "ls /nosuch 2> /dev/null\n".repeat(spawns()) + "echo spawned $?",
        // What it prints is not for anybody.
        "nosuch 2> /dev/full; echo unread $?".to_owned(),
        format!("echo {} | head -1 > /tmp/long; echo long $?", "x".repeat(1000)),
        format!("echo deep{}; echo pipe $?", " | cat".repeat(20)),
        "echo 'a | ; & ( $( | cat; nosuch | nosuch; echo ' > /tmp/script; sh /tmp/script; echo bad $?"
            .to_owned(),
        "sh < /dev/null; sh /dev/null; echo empty $?".to_owned(),
        "ps | head -3; echo still here".to_owned(),
        // The shell, too. What was typed ahead for it goes with its session: at the end of the input,
        // the next one ends.
        "kill -9 -1\n".to_owned(),
    ]
    .join("\n");
    let run = Run { input: script.as_bytes(), ..Run::new(CHAPTER, &["--memory", "128M"]) };
    let time = Duration::from_secs(120 + spawns() as u64);
    let Ok(finished) = finish_within(run.start(), run.input, time, usize::MAX) else {
        panic!("still running after {time:?}")
    };
    assert_ends(&finished, 0, &["linux: powered off after "]);
    let printed = String::from_utf8_lossy(&finished.stdout).replace('\r', "");
    for line in [
        "large 1",
        "room 0",
        "full 1",
        "pipes 0",
        "spawned 1",
        "unread 127",
        "long 0",
        "deep",
        "pipe 0",
        "bad 2",
        "empty 0",
        "still here",
        "[mini-kvm] the shell died by SIGKILL; here is another one",
    ] {
        assert!(printed.contains(&format!("\n{line}\n")), "no {line:?}: {finished}");
    }
    for bad in ["panicked", "Kernel panic", "Call Trace", "BUG:"] {
        assert!(!printed.contains(bad), "{bad}: {finished}");
    }
}
