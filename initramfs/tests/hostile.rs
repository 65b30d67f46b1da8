//! The shell and the utilities with everything against them: outputs that are full or closed, lines
//! and pipes without measure, thousands of commands. `cargo xtask test` runs it on the host; the
//! same in the guest is in `kvm_chapters/linux_hostile.rs`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use tempfile::TempDir;

/// A directory with a link for each program.
fn programs() -> TempDir {
    let bin = tempfile::tempdir().unwrap();
    for name in initramfs::COMMANDS {
        symlink(env!("CARGO_BIN_EXE_mini-init"), bin.path().join(name)).unwrap();
    }
    bin
}

fn command(bin: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(bin.join(arguments[0]));
    command.args(&arguments[1..]).env_clear().env("PATH", bin).stdin(Stdio::null());
    command
}

/// Runs a script by its standard input.
fn sh(script: String) -> Output {
    let bin = programs();
    let mut command = command(bin.path(), &["sh"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(script.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap(); // it may end before it has read all
    output
}

#[track_caller]
fn assert_no_panic(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{errors}");
    assert!(output.status.code().is_some_and(|code| code != 101), "{output:?}");
}

/// Each does something that it has to complain of.
const COMPLAINTS: [&[&str]; 12] = [
    &["sh", "-c", "nosuch"],
    &["sh", "-c", "echo |"],
    &["sh", "-c", "echo 'a"],
    &["sh", "-c", "sh -c 'kill -9 $$'; cat < nosuch; exit 300"],
    &["cat", "/nosuch"],
    &["ls", "/nosuch", "-x"],
    &["head", "-n", "x"],
    &["kill", "x"],
    &["mount", "a"],
    &["sleep"],
    &["mini-init", "nosuch"],
    &["init"],
];

#[test]
fn errors_that_nobody_can_read_end_nothing_but_their_command() {
    let bin = programs();
    symlink(env!("CARGO_BIN_EXE_mini-init"), bin.path().join("mini-init")).unwrap();
    symlink(env!("CARGO_BIN_EXE_mini-init"), bin.path().join("init")).unwrap();
    for arguments in COMPLAINTS {
        let usual = command(bin.path(), arguments).output().unwrap();
        assert!(!usual.status.success() && !usual.stderr.is_empty(), "{arguments:?}: {usual:?}");
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let (reader, gone) = std::io::pipe().unwrap();
        drop(reader);
        for stderr in [Stdio::from(full()), Stdio::from(gone)] {
            let output = command(bin.path(), arguments).stderr(stderr).output().unwrap();
            assert_eq!(output.status.code(), usual.status.code(), "{arguments:?}");
        }
    }
}

#[test]
fn standard_streams_may_be_closed() {
    let bin = programs();
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        for name in initramfs::COMMANDS.iter().filter(|name| !["poweroff", "sh"].contains(name)) {
            let program = bin.path().join(name);
            let script = format!("exec '{}' {closed}", program.display());
            let output = Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
            assert_no_panic(&output);
        }
        let sh = bin.path().join("sh");
        let script =
            format!("exec '{}' -c 'echo a; ls /; cat nosuch | cat' {closed}", sh.display());
        let output = Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
        assert_no_panic(&output);
    }
}

/// More than `ls` has open of its own, and than we leave it by accident.
const FILES: usize = 12;

#[test]
fn ten_thousand_commands_leave_nothing_behind() {
    const TIMES: usize = 10_000;
    // Each opens a file and copies two descriptors; one that stayed open would soon be one too many.
    let script = "true > /dev/null 2>&1\n".repeat(TIMES) + "echo $?; ls -l /proc/$$/fd\n";
    let output = sh(script);
    assert_no_panic(&output);
    let printed = String::from_utf8(output.stdout).unwrap();
    let (status, files) = printed.split_once('\n').unwrap();
    assert_eq!(status, "0");
    assert!(files.lines().count() <= FILES, "{files}");
}

#[test]
fn processes_and_pipes_leave_nothing_behind() {
    let script =
        "ls /nosuch 2>&1 | cat | head -1 > /dev/null\n".repeat(300) + "ls -l /proc/$$/fd\nps\n";
    let output = sh(script);
    assert_no_panic(&output);
    let printed = String::from_utf8(output.stdout).unwrap();
    let is_descriptor = |line: &&str| line.contains(" -> ");
    assert!(printed.lines().filter(is_descriptor).count() <= FILES, "{printed}");
    assert!(!printed.contains("<defunct>"), "{printed}");
}

#[test]
fn pipes_may_be_long() {
    let output = sh("echo deep".to_owned() + &" | cat".repeat(200) + "\necho alive\n");
    assert_no_panic(&output);
    assert_eq!(output.stdout, b"deep\nalive\n");
}

#[test]
fn too_few_files_for_a_pipe_is_told() {
    let bin = programs();
    let script = "echo deep".to_owned() + &" | cat".repeat(20) + "; echo alive";
    // With three, a program cannot even load its libraries.
    for files in 4..12 {
        let limited =
            format!("ulimit -n {files}; exec '{}' -c \"$0\"", bin.path().join("sh").display());
        let mut shell = Command::new("/bin/sh");
        let output =
            shell.args(["-c", &limited, &script]).env("PATH", bin.path()).output().unwrap();
        assert_no_panic(&output);
        let printed = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let is_told = errors.contains("Too many open files");
        assert!(is_told || printed == "deep\nalive\n", "{files}: {printed}{errors}");
    }
}

#[test]
fn lines_may_be_long() {
    let word = "x".repeat(100_000);
    let output = sh(format!("echo {word}\nA={word}; echo $A\nls {word}{word}\necho alive\n"));
    assert_no_panic(&output);
    assert_eq!(output.stdout, format!("{word}\n{word}\nalive\n").as_bytes());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors, "sh: ls: Argument list too long\n");
}

#[test]
fn garbage_is_a_syntax_error_and_nothing_worse() {
    let mut state = 1_u32;
    let mut next = |most: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % most
    };
    const PIECES: [&str; 24] = [
        "|", "||", "&&", ";", "&", "<", ">", ">>", ">&", "2>", "'", "\"", "\\", "$", "${", "}",
        "$?", "`", "(", "echo", "=", "*", "\u{fffd}", "\u{7f}",
    ];
    let bin = programs();
    let work = tempfile::tempdir().unwrap();
    for _ in 0..300 {
        let length = 1 + next(12);
        let text: String =
            (0..length).map(|_| [PIECES[next(24)], ["", " "][next(2)]].concat()).collect();
        let mut sh = command(bin.path(), &["sh", "-c", &text]);
        let output = sh.current_dir(work.path()).output().unwrap();
        assert!(output.status.code().is_some_and(|code| code != 101), "{text:?}: {output:?}");
    }
}

#[test]
fn head_needs_no_memory_for_a_line_without_an_end() {
    let bin = programs();
    let mut head = command(bin.path(), &["head", "-1", "/dev/zero"]);
    let mut child = head.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut sink = std::io::sink();
    std::io::copy(&mut std::io::Read::take(&mut stdout, 256 << 20), &mut sink).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    drop(stdout);
    child.wait().unwrap();
    assert!(kib < 16 << 10, "{kib} KiB");
}
