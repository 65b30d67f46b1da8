//! Linux in chapter 15 with a script that wants its worst: everything in one boot.

use tests::{Run, assert_ends};

use crate::linux_boot::{kernel, named_by_runner};
use crate::linux_shell::CHAPTER;

/// How many commands the shell starts. `MINI_KVM_SPAWNS=10000` takes minutes in the nest.
fn spawns() -> usize {
    std::env::var("MINI_KVM_SPAWNS").map_or(60, |count| count.parse().unwrap())
}

#[test]
fn a_hostile_script_changes_nothing_for_the_next() {
    kernel();
    named_by_runner("MINI_KVM_INITRD");
    let script = [
        // A full file system: rootfs has what memory there is, /dev has half of it.
        "cat /dev/zero > /dev/full; echo full $?".to_owned(),
        "head -400000 /dev/urandom > /dev/large; echo large $?".to_owned(),
        "free | head -1; ls -l /dev/large | cat > /dev/null; echo > /dev/large; echo made room $?"
            .to_owned(),
        // 2,000 processes that are builtins' children, and as many as we have time for that are not.
        "true | true | true | true\n".repeat(25) + "echo pipes $?",
        "ls /nosuch 2> /dev/null\n".repeat(spawns()) + "echo spawned $?",
        // What it prints is not for anybody.
        "nosuch 2> /dev/full; echo unread $?".to_owned(),
        format!("echo {} | head -1 > /tmp/long; echo long $?", "x".repeat(2000)),
        format!("echo deep{}; echo pipe $?", " | cat".repeat(20)),
        "echo 'a | ; & ( $( | cat; nosuch | nosuch; echo ' > /tmp/script; sh /tmp/script; echo bad $?"
            .to_owned(),
        "sh < /dev/null; sh /dev/null; echo empty $?".to_owned(),
        "kill -9 -1 2> /dev/full; echo alive".to_owned(),
        "echo still here; ps | head -3; exit\n".to_owned(),
    ]
    .join("\n");
    let run = Run { input: script.as_bytes(), ..Run::new(CHAPTER, &["--memory", "128M"]) };
    let finished = run.finish();
    assert_ends(&finished, 0, &["linux: powered off after "]);
    let printed = String::from_utf8_lossy(&finished.stdout).replace('\r', "");
    for line in [
        "full 1",
        "made room 0",
        "pipes 0",
        "spawned 1",
        "unread 127",
        "long 0",
        "deep",
        "pipe 0",
        "bad 2",
        "empty 0",
        "still here",
    ] {
        assert!(printed.contains(&format!("\n{line}\n")), "no {line:?}: {finished}");
    }
    for bad in ["panicked", "Kernel panic", "Call Trace", "BUG:"] {
        assert!(!printed.contains(bad), "{bad}: {finished}");
    }
}
