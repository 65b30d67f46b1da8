//! The shell on Linux, as somebody who types sees it.

use crate::interactive::{
    CTRL_A, CTRL_D, assert_restored, await_running, on_terminal, settings_before, type_keys,
    with_settings,
};
use crate::linux_boot::{kernel, named_by_runner};
use crate::linux_shell::{CHAPTER, PROMPT};

const CTRL_C: &str = "\x03";
const CTRL_U: &str = "\x15";
const BACKSPACE: &str = "\x7f";
const LEFT: &str = "\x1b[D";
const UP: &str = "\x1b[A";

fn pieces() {
    kernel();
    named_by_runner("MINI_KVM_INITRD");
}

#[test]
fn a_session_on_a_terminal() {
    pieces();
    let mut terminal = on_terminal(&with_settings(CHAPTER));
    let before = settings_before(&mut terminal);
    await_running(&mut terminal);
    terminal.exp_string("[mini-kvm] userspace init started\r").unwrap();
    terminal.exp_string(PROMPT).unwrap();

    // Each key is shown at once.
    for key in ["e", "c", "h", "o"] {
        type_keys(&mut terminal, key);
        terminal.exp_string(key).unwrap();
    }
    // What is edited is what runs, and not what is shown: that is the shell's affair.
    for (typed, output) in [
        (" Hello\r", "\nHello\r"),
        (&format!("echo wrnog{BACKSPACE}{BACKSPACE}{BACKSPACE}ong\r"), "\nwrong\r"),
        (&format!("rubbish{CTRL_U}echo clean\r"), "\nclean\r"),
        (&format!("echo HeLo{LEFT}{LEFT}l\r"), "\nHelLo\r"),
        (&format!("{UP}\r"), "\nHelLo\r"),
        ("echo 6 7 | cat\r", "\n6 7\r"),
    ] {
        type_keys(&mut terminal, typed);
        terminal.exp_string(output).unwrap();
        terminal.exp_string(PROMPT).unwrap();
    }

    // A program has lines, and Ctrl-D for their end.
    type_keys(&mut terminal, "cat\r");
    terminal.exp_string("cat\r").unwrap();
    type_keys(&mut terminal, "one\r");
    for shown in ["one\r", "\none\r"] {
        terminal.exp_string(shown).unwrap();
    }
    type_keys(&mut terminal, CTRL_D);
    terminal.exp_string(PROMPT).unwrap();

    // A shell that dies is not the end.
    type_keys(&mut terminal, "kill -9 $$\r");
    terminal.exp_string("[mini-kvm] the shell died by SIGKILL; here is another one\r").unwrap();
    terminal.exp_string(PROMPT).unwrap();

    type_keys(&mut terminal, CTRL_D);
    terminal.exp_string("linux: powered off after ").unwrap();
    assert_restored(&mut terminal, &before, 0);
}

/// Whether it boots or waits at its prompt.
#[test]
fn a_machine_that_is_ended_by_a_key_gives_the_terminal_back() {
    pieces();
    let mut terminal = on_terminal(&with_settings(CHAPTER));
    let before = settings_before(&mut terminal);
    await_running(&mut terminal);
    type_keys(&mut terminal, &format!("typed too early{CTRL_A}x"));
    terminal.exp_string("linux: interrupted after ").unwrap();
    assert_restored(&mut terminal, &before, 130);

    let mut terminal = on_terminal(&with_settings(CHAPTER));
    let before = settings_before(&mut terminal);
    await_running(&mut terminal);
    terminal.exp_string(PROMPT).unwrap();
    type_keys(&mut terminal, "echo half a li");
    type_keys(&mut terminal, CTRL_C);
    terminal.exp_string("linux: interrupted after ").unwrap();
    assert_restored(&mut terminal, &before, 130);
}
