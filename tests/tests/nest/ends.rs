//! How a nest ends, or is ended: never with a process left behind, and never so that the next command
//! could not have another.

use std::fs;
use std::io::Write;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fixture::{
    Nest, assert_output, await_end, expect, is_alive, script_of_its_own, spawn, text,
};

/// A command that runs until it is told to end.
fn waiting(nest: &Nest) -> Child {
    let mut child = spawn(&mut nest.script("echo ready; read word; echo $word"));
    expect(&mut child, "ready\n");
    child
}

/// The command's end, which came with the machine's.
#[track_caller]
fn assert_lost(child: Child, why: &str) {
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert!(said.starts_with(&format!("error: {why}")), "{said}");
    assert!(said.ends_with("\n  the next command starts another nest\n"), "{said}");
    assert_eq!((text(&output.stdout), output.status.code()), ("", Some(69)));
}

#[test]
fn down_ends_it_and_what_runs_there() {
    let nest = Nest::new();
    let child = waiting(&nest);
    let processes = nest.processes();
    let down = nest.command(&["down"]).output().unwrap();
    assert_output(&down, "nest: ended\n", "", 0);
    // Not a little later, but now.
    await_end(&processes, Duration::ZERO);
    assert_lost(child, "the nest was ended by `cargo xtask nest down`");

    let down = nest.command(&["down"]).output().unwrap();
    assert_output(&down, "nest: there was none\n", "", 0);
    let (status, code) = nest.status();
    assert_eq!(
        (status.as_str(), code),
        ("nest: there is none; the next program that needs it starts it\n", 1)
    );
    assert_eq!(nest.homes(), Vec::<String>::new());
    nest.says("true");
}

#[test]
fn it_ends_when_nobody_used_it_for_so_long() {
    let mut nest = Nest::new();
    nest.idle = "3";
    let mut child = waiting(&nest);
    let processes = nest.processes();
    // A command that runs is a use, however long it does nothing.
    std::thread::sleep(Duration::from_secs(6));
    assert!(processes.iter().all(|process| is_alive(*process)));
    writeln!(child.stdin.take().unwrap(), "word").unwrap();
    assert!(child.wait().unwrap().success());
    let since = Instant::now();
    await_end(&processes, Duration::from_secs(20));
    assert!(since.elapsed() > Duration::from_secs(1), "{:?}", since.elapsed());
    assert_eq!(nest.homes(), Vec::<String>::new());
}

#[test]
fn it_ends_when_the_target_directory_is_removed() {
    let nest = Nest::new();
    let mut child = waiting(&nest);
    let processes = nest.processes();
    // As `cargo clean` does.
    fs::remove_dir_all(nest.target()).unwrap();
    // What runs may end in peace.
    std::thread::sleep(Duration::from_secs(3));
    writeln!(child.stdin.take().unwrap(), "word").unwrap();
    expect(&mut child, "word\n");
    assert!(child.wait().unwrap().success());
    await_end(&processes, Duration::from_secs(10));
}

#[test]
fn a_qemu_that_is_killed_is_noticed_and_replaced() {
    let nest = Nest::new();
    let child = waiting(&nest);
    let [keeper, qemu] = nest.processes();
    kill(qemu, Signal::SIGKILL).unwrap();
    assert_lost(child, "the nest died: QEMU ended (signal: 9 (SIGKILL))");
    // The next one does not even notice.
    nest.says("true");

    // Nor does QEMU outlive its keeper.
    assert!(nest.processes()[0] != keeper);
    let child = waiting(&nest);
    let [keeper, qemu] = nest.processes();
    kill(keeper, Signal::SIGKILL).unwrap();
    assert_lost(child, "the nest died: its keeper was killed");
    nest.says("true");
    await_end(&[keeper, qemu], Duration::ZERO);
}

#[test]
fn a_nest_that_is_stuck_is_noticed_and_replaced() {
    let nest = Nest::new();
    let child = waiting(&nest);
    let [keeper, qemu] = nest.processes();
    let since = Instant::now();
    kill(qemu, Signal::SIGSTOP).unwrap();
    // A command that comes now has not begun when that is noticed: it is begun in the next one.
    let output = nest.script("echo done").output().unwrap();
    let said = text(&output.stderr);
    assert!(said.starts_with("nest: the nest hangs: it did not answer for "), "{said}");
    assert!(said.ends_with("\nnest: starting another\n"), "{said}");
    assert_eq!((text(&output.stdout), output.status.code()), ("done\n", Some(0)));
    assert!(since.elapsed() < Duration::from_secs(60), "{:?}", since.elapsed());
    assert_lost(child, "the nest hangs: it did not answer for ");
    await_end(&[keeper, qemu], Duration::ZERO);
}

#[test]
fn a_keeper_that_is_stuck_is_killed_and_replaced() {
    let nest = Nest::new();
    nest.says("true");
    let stuck = nest.processes();
    let since = Instant::now();
    kill(stuck[0], Signal::SIGSTOP).unwrap();
    let output = nest.script("echo done").output().unwrap();
    assert_output(&output, "done\n", "nest: its keeper does not answer: starting another\n", 0);
    assert!(since.elapsed() < Duration::from_secs(40), "{:?}", since.elapsed());
    await_end(&stuck, Duration::ZERO);

    let stuck = nest.processes();
    kill(stuck[0], Signal::SIGSTOP).unwrap();
    let down = nest.command(&["down"]).output().unwrap();
    assert_output(&down, "nest: ended\n", "", 0);
    await_end(&stuck, Duration::ZERO);
}

#[test]
fn what_was_stopped_together_goes_on_together() {
    // As when the machine was suspended, or the processes were frozen: longer than anybody may be
    // silent, but nobody was awake to mind.
    let nest = Nest::new();
    let mut child = waiting(&nest);
    let [keeper, qemu] = nest.processes();
    let caller = Pid::from_raw(child.id().try_into().unwrap());
    for process in [caller, keeper, qemu] {
        kill(process, Signal::SIGSTOP).unwrap();
    }
    std::thread::sleep(Duration::from_secs(35));
    for process in [caller, keeper, qemu] {
        kill(process, Signal::SIGCONT).unwrap();
    }
    writeln!(child.stdin.take().unwrap(), "word").unwrap();
    expect(&mut child, "word\n");
    assert!(child.wait().unwrap().success());
    assert_eq!(nest.processes(), [keeper, qemu]);
}

#[test]
fn nests_of_single_commands_do_not_outlive_them() {
    let wait = "echo ready; read word; echo $word";
    let mut children = [spawn(&mut script_of_its_own(wait)), spawn(&mut script_of_its_own(wait))];
    let mut processes = Vec::new();
    for child in &mut children {
        // Both are up before either may end.
        expect(child, "ready\n");
        let mut parent = child.id();
        for _ in ["keeper", "QEMU"] {
            let of = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
            parent = of.trim().parse().unwrap();
            processes.push(Pid::from_raw(parent.try_into().unwrap()));
        }
    }
    let [mut one, mut two] = children;
    // One has no chance to tidy up.
    one.kill().unwrap();
    one.wait().unwrap();
    two.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    let output = two.wait_with_output().unwrap();
    assert_output(&output, "hello\n", "", 0);
    await_end(&processes, Duration::from_secs(10));
}
