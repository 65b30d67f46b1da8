//! A nest that stays: what the second command finds, and what several at once have to do with each
//! other.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::fixture::{BOOT, Nest, await_end, expect, pid, spawn, text};

#[test]
fn the_second_command_starts_much_sooner_than_the_first() {
    let nest = Nest::new();
    let time = || {
        let since = Instant::now();
        nest.says("true");
        since.elapsed()
    };
    let cold = time();
    let warm = (0..5).map(|_| time()).min().unwrap();
    assert!(warm * 4 < cold, "cold {cold:?}, warm {warm:?}");
}

#[test]
fn of_commands_that_come_at_once_one_starts_the_nest() {
    let nest = Nest::new();
    let children: Vec<_> = (0..4).map(|_| spawn(&mut nest.script(BOOT))).collect();
    let mut boots: Vec<_> = children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
            text(&output.stdout).to_owned()
        })
        .collect();
    boots.dedup();
    assert_eq!(boots.len(), 1, "{boots:?}");
    assert_eq!(nest.status().0.matches("QEMU").count(), 1);
}

#[test]
fn commands_at_once_have_streams_signals_and_statuses_of_their_own() {
    let nest = Nest::shared();
    let text = "trap 'echo caught; exit 9' TERM; echo ready; read word
                echo \"$word\"; echo \"$0 $word\" >&2; exit $0";
    let mut children: Vec<_> =
        ["1", "2", "3"].map(|name| spawn(&mut nest.run(&["/bin/sh", "-c", text, name]))).into();
    for child in &mut children {
        expect(child, "ready\n");
    }
    assert!(nest.status().0.matches("\n  sh, for ").count() >= 3);
    let mut third = children.pop().unwrap();
    kill(pid(&third), Signal::SIGTERM).unwrap();
    expect(&mut third, "caught\n");
    assert_eq!(third.wait().unwrap().code(), Some(9));
    for (mut child, (name, word)) in children.into_iter().zip([("1", "one"), ("2", "two")]) {
        writeln!(child.stdin.take().unwrap(), "{word}").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (self::text(&output.stdout), self::text(&output.stderr)),
            (format!("{word}\n").as_str(), format!("{name} {word}\n").as_str())
        );
        assert_eq!(output.status.code(), Some(name.parse().unwrap()));
    }
}

/// A file that a process in the nest holds open: whether it is there can be seen from another.
fn is_held(nest: &Nest, mark: &Path) -> bool {
    let script =
        format!("ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c '{}' || true", mark.display());
    nest.says(&script) != "0\n"
}

#[test]
fn what_a_command_leaves_running_goes_with_it() {
    let nest = Nest::shared();
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("mark");
    fs::write(&mark, "").unwrap();
    let hold = |rest: &str| format!("exec 9<'{}'; setsid sleep 1000 & {rest}", mark.display());

    // Its end.
    nest.says(&hold("exec </dev/null >/dev/null 2>&1"));
    assert!(!is_held(&nest, &mark));

    // Its caller's end, which has no chance to tidy up. It does not listen to a hang-up, either.
    let mut child =
        spawn(&mut nest.script(&hold("trap '' HUP; echo ready; sleep 1000; sleep 1000")));
    expect(&mut child, "ready\n");
    assert!(is_held(&nest, &mark));
    child.kill().unwrap();
    child.wait().unwrap();
    let since = Instant::now();
    while is_held(&nest, &mark) {
        assert!(since.elapsed() < Duration::from_secs(30), "it lives on");
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn edits_outside_are_seen_at_once() {
    let nest = Nest::shared();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let show = "cat file link 2>&1; stat -c %s file; ls; read again";
    let mut child =
        spawn(nest.script(&format!("while :; do {show}; done")).current_dir(&directory));
    let mut stdin = child.stdin.take().unwrap();
    let mut check = |shown: &str| {
        expect(&mut child, shown);
        writeln!(stdin).unwrap();
    };
    // One command that goes on, and what was there and what was not.
    fs::write(file("file"), "one\n").unwrap();
    check("one\ncat: link: No such file or directory\n4\nfile\n");
    fs::write(file("file"), "two").unwrap();
    fs::write(file("link"), "\nthere\n").unwrap();
    check("two\nthere\n3\nfile\nlink\n");
    fs::write(file("new"), "another\n").unwrap();
    fs::rename(file("new"), file("file")).unwrap();
    fs::remove_file(file("link")).unwrap();
    check("another\ncat: link: No such file or directory\n8\nfile\n");
    drop(stdin);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A program that prints a word, and waits for a line if it has an argument.
fn compile(path: &Path, word: &str) {
    let source = path.with_extension("c");
    let text = format!(
        "#include <stdio.h>\nint main(int count, char **words) {{ puts(\"{word}\"); \
         fflush(stdout); return count > 1 ? getchar() != '\\n' : 0; }}\n"
    );
    fs::write(&source, text).unwrap();
    // As a linker does, and cargo: a new file in the old one's place.
    let _ = fs::remove_file(path);
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(compiler).arg(&source).arg("-o").arg(path).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_program_that_was_built_anew_is_run_anew_even_while_the_old_one_runs() {
    let nest = Nest::shared();
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    compile(&program, "old");
    let path = program.to_str().unwrap();
    let says = || text(&nest.run(&[path]).output().unwrap().stdout).to_owned();
    let mut old = spawn(&mut nest.run(&[path, "wait"]));
    expect(&mut old, "old\n");
    // A shell that was started before finds the new one, too.
    let mut shell = spawn(&mut nest.script("while read line; do \"$line\"; done"));
    writeln!(shell.stdin.as_mut().unwrap(), "{path}").unwrap();
    expect(&mut shell, "old\n");

    compile(&program, "new");
    assert_eq!(says(), "new\n");
    writeln!(shell.stdin.as_mut().unwrap(), "{path}").unwrap();
    expect(&mut shell, "new\n");
    // In place, too: the same file, and other contents.
    let other = directory.path().join("other");
    compile(&other, "odd");
    fs::write(&program, fs::read(&other).unwrap()).unwrap();
    assert_eq!(says(), "odd\n");

    writeln!(old.stdin.as_mut().unwrap()).unwrap();
    assert!(old.wait().unwrap().success());
    drop(shell.stdin.take());
    assert!(shell.wait().unwrap().success());
}

#[test]
fn programs_that_another_starts_can_be_kept_too() {
    let nest = Nest::shared();
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("a program");
    let path = program.to_str().unwrap();
    let says = |keep: &[&str]| {
        let script = ["/bin/sh", "-c", "\"$0\"; grep -c 'a.040program' /proc/mounts", path];
        text(&nest.run(&[keep, &script].concat()).output().unwrap().stdout).to_owned()
    };
    for word in ["old", "new"] {
        compile(&program, word);
        assert_eq!(says(&["--keep", path]), format!("{word}\n1\n"));
        assert_eq!(says(&[]), format!("{word}\n0\n"));
    }
}

#[test]
fn another_build_has_another_nest_and_the_old_one_ends() {
    let nest = Nest::new();
    let mut child = spawn(&mut nest.script("echo ready; read word; echo $word"));
    expect(&mut child, "ready\n");
    let old = nest.processes();

    // The same bytes, built anew.
    let built = nest.xtask.with_extension("new");
    let copied = Command::new("cp").arg(&nest.xtask).arg(&built).status().unwrap();
    assert!(copied.success());
    fs::rename(&built, &nest.xtask).unwrap();
    nest.boot();

    // The old one still does what it was asked to.
    writeln!(child.stdin.take().unwrap(), "hello").unwrap();
    expect(&mut child, "hello\n");
    assert!(child.wait().unwrap().success());
    await_end(&old, Duration::from_secs(10));
    assert!(nest.processes() != old);
}
