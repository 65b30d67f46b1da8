//! The 1K OS with programs that mean it harm: `tests/hostile/hostile.c`. Whatever they do, the shell
//! answers afterwards, and what they had is free again.

use tests::text;

use crate::disk::{archive, files};
use crate::images::image;
use crate::os_1k::printed;

static HOSTILE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hostile"));

/// What the shell prints, with our program on its disk.
fn with_hostile(script: &str, status: i32) -> String {
    let mut files = files(guests::DISK);
    files.push(("hostile".to_owned(), HOSTILE.to_vec()));
    let disk = image(&archive(&files));
    printed(&["--disk", text(disk.path())], script, status)
}

/// The same, and other programs run afterwards, or this fails.
fn session(commands: &str) -> String {
    let output = with_hostile(&format!("{commands}\ngcd 1 0\nls\nps\n"), 0);
    assert!(!output.contains("kernel panic"), "{output}");
    assert!(output.contains("> gcd 1 0\ngcd(1, 0) = 1\n> ls\n"), "{output}");
    let (_, processes) = output.rsplit_once("> ps\n").unwrap();
    assert!(processes.contains("running"), "{output}");
    output
}

#[test]
fn system_calls_with_nonsense() {
    let seeds = 1..=12;
    let commands: String = seeds.map(|seed| format!("hostile calls {seed} 3000\n")).collect();
    let output = session(&commands);
    // Some of them overwrite their own memory, and are killed for what they do then.
    for line in output.lines().filter(|line| line.starts_with('[')) {
        assert!(line.contains(" hostile] killed at "), "{line}: {output}");
    }
    let (_, processes) = output.rsplit_once("> ps\n").unwrap();
    assert_eq!(processes.lines().count(), 3, "only the shell is left: {output}");
}

#[test]
fn instructions_that_are_not_for_programs() {
    let output = session("hostile odds");
    assert!(output.contains("many: odd, 0 still run\n"), "{output}");
    let killed = output.matches(" hostile] killed at ").count();
    assert!(killed >= 30, "only {killed} were killed: {output}");
}

#[test]
fn random_code() {
    let output = session("hostile codes 1 100");
    assert!(output.contains("many: code, "), "{output}");
    let killed = output.matches(" hostile] killed at ").count();
    assert!(killed >= 60, "only {killed} were killed: {output}");
}

#[test]
fn more_processes_than_there_can_be() {
    // They start each other for ever: there is room for no other program. The shell answers still.
    let output = with_hostile(&("hostile bomb\n".repeat(20) + "echo still here\nps\nexit 5\n"), 5);
    assert!(output.contains("> echo still here\nstill here\n> ps\n"), "{output}");
    assert!(!output.contains("kernel panic"), "{output}");
    // Programs that never end leave room for others, as long as they leave some.
    session(&"hostile loop &\n".repeat(8));
}

/// How often a program is started. `MINI_KVM_SPAWNS` asks for more.
fn spawns() -> u32 {
    std::env::var("MINI_KVM_SPAWNS").map_or(1_000, |count| count.parse().unwrap())
}

#[test]
fn a_thousand_programs_leave_nothing_behind() {
    let count = spawns();
    let output = session(&format!("hostile spawns {count}"));
    assert!(output.contains(&format!("\n{count} spawned\n")), "{output}");
}

#[test]
fn a_disk_that_is_full_and_emptied_again_has_all_its_room() {
    let output = session("hostile fill");
    assert!(output.contains("> hostile fill\nfilled\n"), "{output}");
}
