//! One command in a warm nest: what it gets and gives is what it would get and give here.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use crate::fixture::{Nest, assert_output, expect, pid, spawn, text};

#[test]
fn a_command_gets_what_it_would_get_here() {
    let nest = Nest::shared();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("read me"), "from outside\n").unwrap();
    let output = nest
        .run(&[
            "/bin/sh",
            "-c",
            r#"printf '<%s>' "$@"; echo "$WORD"; pwd -P; cat 'read me'; echo inside >written
               test -r /dev/kvm && test -w /dev/kvm && echo kvm; umask; ulimit -c
               echo apart >&2; exit 42"#,
            "sh",
            "",
            "two words",
            "two\nlines",
            "--help",
            "*",
        ])
        .env("WORD", "a=b \"c\"")
        .current_dir(directory.path())
        .output()
        .unwrap();
    let outside = Command::new("sh").args(["-c", "umask; ulimit -c"]).output().unwrap();
    let stdout = format!(
        "<><two words><two\nlines><--help><*>a=b \"c\"\n{}\nfrom outside\nkvm\n{}",
        directory.path().canonicalize().unwrap().display(),
        text(&outside.stdout)
    );
    assert_output(&output, &stdout, "apart\n", 42);
    let written = fs::read_to_string(directory.path().join("written")).unwrap();
    assert_eq!(written, "inside\n");
}

#[test]
fn what_goes_to_one_file_stays_in_order() {
    let nest = Nest::shared();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("both");
    let file = fs::File::create(&path).unwrap();
    let text = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done";
    let mut command = nest.script(text);
    let status = command.stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
    assert!(status.success());
    let expected: String = (1..10).map(|i| format!("out {i}\nerr {i}\n")).collect();
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let nest = Nest::shared();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = nest.script("echo lost").stdout(full).output().unwrap();
    assert_output(&output, "", "error: standard output: No space left on device\n", 74);
}

#[test]
fn an_open_file_is_refused_by_name() {
    let nest = Nest::shared();
    let output = nest.run(&["/bin/cat", "/dev/fd/63"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).starts_with("error: /dev/fd/63: "), "{output:?}");
}

#[test]
fn a_mebibyte_goes_through_unharmed() {
    let nest = Nest::shared();
    let mut state = 1_u32;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(1 << 20)
    .collect();
    let mut child = spawn(&mut nest.script("cat"));
    let mut input = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || input.write_all(&sent));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.stdout == bytes, "{} bytes came back", output.stdout.len());
    assert_output(&Output { stdout: Vec::new(), ..output }, "", "", 0);
}

#[test]
fn an_endless_input_is_not_read_ahead_without_end() {
    let nest = Nest::shared();
    let mut child = spawn(&mut nest.script("head -c 2; exec sleep 1000"));
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        let mut written = 0_usize;
        while let Ok(count) = input.write(&[b'y'; 4096]) {
            written += count;
        }
        written
    });
    let mut output = [0; 2];
    child.stdout.take().unwrap().read_exact(&mut output).unwrap();
    // Time enough to take far more, were it taken.
    std::thread::sleep(Duration::from_secs(2));
    kill(pid(&child), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + Signal::SIGTERM as i32));
    let written = writer.join().unwrap();
    assert!(written < 2 << 20, "{written} bytes were taken");
}

#[test]
fn a_reader_that_goes_away_ends_the_writer() {
    let nest = Nest::shared();
    // `yes` ends by SIGPIPE, and what comes after it must still be heard on the other stream.
    let mut child = spawn(&mut nest.script("yes; echo ended >&2"));
    let mut output = child.stdout.take().unwrap();
    let mut first = [0; 2];
    output.read_exact(&mut first).unwrap();
    drop(output);
    let output = child.wait_with_output().unwrap();
    assert_output(&output, "", "ended\n", 0);
}

#[test]
fn signals_reach_the_command_and_its_death_by_one_is_reported() {
    let nest = Nest::shared();
    let text = "trap 'echo interrupted' INT; trap 'echo asked; kill -9 $$' TERM; echo ready
                while :; do sleep 0.1; done";
    let mut child = spawn(&mut nest.script(text));
    expect(&mut child, "ready\n");
    kill(pid(&child), Signal::SIGINT).unwrap();
    expect(&mut child, "interrupted\n");
    kill(pid(&child), Signal::SIGTERM).unwrap();
    expect(&mut child, "asked\n");
    assert_eq!(child.wait().unwrap().code(), Some(128 + 9));
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let nest = Nest::shared();
    let output = nest.run(&["/no/such/program"]).output().unwrap();
    assert_output(
        &output,
        "",
        "error: /no/such/program in the nest: cannot execute it: No such file or directory\n",
        127,
    );
}
