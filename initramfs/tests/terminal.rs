//! The shell on a terminal, as somebody who types sees it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

use rexpect::session::{PtySession, spawn_command};

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";

fn shell() -> PtySession {
    let mut shell = Command::new(env!("CARGO_BIN_EXE_mini-init"));
    shell.arg("sh").current_dir("/").env_clear().env("PATH", "/bin:/usr/bin").env("PS1", r"\w# ");
    let mut session = spawn_command(shell, Some(10_000)).unwrap();
    session.exp_string("/# ").unwrap();
    session
}

/// Types keys, and waits for what they lead to.
#[track_caller]
fn type_and_see(session: &mut PtySession, keys: &str, expected: &str) {
    session.send(keys).unwrap();
    session.flush().unwrap();
    session.exp_string(expected).unwrap();
}

#[test]
fn lines_are_edited_and_recalled() {
    let mut session = shell();
    type_and_see(&mut session, "echo anb\x7f\r", "\r\nan\r\n/# ");
    type_and_see(&mut session, &format!("{UP}{LEFT}e\r"), "\r\naen\r\n/# ");
    type_and_see(&mut session, &format!("{UP}{UP}{CTRL_C}"), "^C\r\n/# ");
    type_and_see(&mut session, "echo $?\r", "\r\n130\r\n/# ");
    type_and_see(&mut session, "cd /dev\r", "/dev# ");
    type_and_see(&mut session, "echo 'a\r", "> ");
    type_and_see(&mut session, "b'\r", "\r\na\r\nb\r\n/dev# ");
    type_and_see(&mut session, "| |\r", "sh: syntax error: unexpected |\r\n/dev# ");
    type_and_see(&mut session, CTRL_D, "\r\n");
    session.exp_eof().unwrap();
}

#[test]
fn ctrl_c_ends_the_command_and_the_rest_of_its_line() {
    let mut session = shell();
    let line = "sh -c 'echo begun; sleep 100'; echo not reached\r";
    type_and_see(&mut session, line, "\r\nbegun\r\n");
    type_and_see(&mut session, CTRL_C, "^C\r\n/# ");
    type_and_see(&mut session, "echo $?\r", "\r\n130\r\n/# ");
    type_and_see(&mut session, "exit 3\r", "\r\n");
    session.exp_eof().unwrap();
}

#[test]
fn commands_get_whole_lines_with_echo() {
    let mut session = shell();
    type_and_see(&mut session, "cat; echo end\r", "\r\n");
    // As the kernel's line discipline has it: erased before `cat` sees it.
    type_and_see(&mut session, "helpp\x7fo\r", "\r\nhelpo\r\n");
    type_and_see(&mut session, CTRL_D, "end\r\n/# ");
}

#[test]
fn what_is_typed_ahead_is_read_later_and_its_ctrl_d_too() {
    let mut session = shell();
    type_and_see(&mut session, "echo begun; sleep 0.3\r", "\r\nbegun\r\n");
    type_and_see(
        &mut session,
        &format!("echo ahead\r{CTRL_D}"),
        "/# echo ahead\r\nahead\r\n/# \r\n",
    );
    session.exp_eof().unwrap();
}
