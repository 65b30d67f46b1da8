//! Terminals in a warm nest.

use std::process::Command;

use rexpect::session::{PtySession, spawn_command};

use crate::fixture::{Nest, PATIENCE};

/// A shell with job control on a terminal of its own.
fn shell(nest: &Nest) -> PtySession {
    let mut command = Command::new("bash");
    command
        .args(["--norc", "--noprofile", "--noediting", "-i"])
        .env("MINI_KVM", "nest")
        .env("MINI_KVM_NEST_IDLE", nest.idle)
        .env("PS1", PROMPT)
        .env("XTASK", &nest.xtask);
    let patience = PATIENCE.as_millis().try_into().unwrap();
    spawn_command(command, Some(patience)).unwrap()
}

/// Before this is there again, what is typed goes to the command, even a dying one.
const PROMPT: &str = "prompt: ";

fn say(shell: &mut PtySession, line: &str) {
    shell.send_line(line).unwrap();
    shell.flush().unwrap();
}

fn press(shell: &mut PtySession, key: char) {
    shell.send_control(key).unwrap();
    shell.flush().unwrap();
}

fn expect(shell: &mut PtySession, words: &str) {
    shell.exp_string(words).unwrap();
}

#[test]
fn a_terminal_in_the_nest_is_like_the_one_outside() {
    let nest = Nest::shared();
    let mut shell = shell(&nest);
    // What is typed is echoed, so what is waited for must not stand in it.
    say(&mut shell, "stty -echo; stty rows 33 cols 101; before=$(stty -g); echo 'be'gun");
    expect(&mut shell, "begun\r\n");
    let script = r#"stty size; test "$(stty -g)" = "$0" && echo same modes
        trap 'echo size $(stty size)' WINCH
        echo to stderr >&2; while read -r word; do echo got $word; done; echo end of input
        sleep 1000"#;
    say(
        &mut shell,
        &format!("\"$XTASK\" run /bin/sh -c '{}' \"$before\"", script.replace('\'', r"'\''")),
    );
    expect(&mut shell, "33 101\r\nsame modes\r\nto stderr\r\n");
    say(&mut shell, "hello");
    expect(&mut shell, "got hello\r\n");

    press(&mut shell, 'z');
    expect(&mut shell, "Stopped");
    expect(&mut shell, PROMPT);
    say(&mut shell, r#"test "$(stty -g)" = "$before" && echo restored while stopped; fg"#);
    expect(&mut shell, "restored while stopped\r\n");
    say(&mut shell, "again");
    expect(&mut shell, "got again\r\n");

    press(&mut shell, 'd');
    expect(&mut shell, "end of input\r\n");
    press(&mut shell, 'c');
    expect(&mut shell, PROMPT);
    say(&mut shell, r#"echo status $?; test "$(stty -g)" = "$before" && echo restored"#);
    expect(&mut shell, "status 130\r\n");
    expect(&mut shell, "restored\r\n");

    // With its standard output elsewhere, the terminal is still where keys and errors are, and
    // expands newlines for all who write there.
    say(
        &mut shell,
        "\"$XTASK\" run /bin/sh -c 'echo shown >&2; read x; echo $x; tty' | tr a-z A-Z",
    );
    expect(&mut shell, "shown\r\n");
    say(&mut shell, "typed");
    expect(&mut shell, "TYPED\r\n/DEV/PTS/");
    expect(&mut shell, PROMPT);

    // With its standard input elsewhere, Ctrl-C is the terminal's own.
    say(&mut shell, "sleep 1000 | \"$XTASK\" run /bin/sh -c 'echo started; exec sleep 1000'");
    expect(&mut shell, "started\r\n");
    press(&mut shell, 'c');
    expect(&mut shell, PROMPT);
    say(&mut shell, "echo status $?; exit");
    expect(&mut shell, "status 130\r\n");
    shell.exp_eof().unwrap();
}

#[test]
fn two_terminals_at_once_are_two() {
    let nest = Nest::shared();
    let mut shells = [shell(&nest), shell(&nest)];
    for (shell, rows) in shells.iter_mut().zip(["31", "32"]) {
        say(shell, &format!("stty -echo; stty rows {rows} cols 80; echo 'be'gun"));
        expect(shell, "begun\r\n");
        say(shell, "\"$XTASK\" nest shell /bin/sh -c 'stty size; read x; echo \"<$x>\"; read y'");
        expect(shell, &format!("{rows} 80\r\n"));
    }
    for (shell, word) in shells.iter_mut().zip(["one", "two"]) {
        say(shell, word);
        expect(shell, &format!("<{word}>\r\n"));
    }
    let [one, two] = &mut shells;
    press(one, 'c');
    expect(one, PROMPT);
    say(one, "echo status $?; exit");
    expect(one, "status 130\r\n");
    // The other does not mind.
    say(two, "");
    expect(two, PROMPT);
    say(two, "echo status $?; exit");
    expect(two, "status 0\r\n");
}

#[test]
fn a_shell_in_the_nest_is_the_users_own() {
    let nest = Nest::shared();
    let mut shell = shell(&nest);
    say(&mut shell, "stty -echo; export SHELL=/bin/dash; echo 'be'gun");
    expect(&mut shell, "begun\r\n");
    say(&mut shell, "PS1='inside: ' \"$XTASK\" nest shell");
    expect(&mut shell, "inside: ");
    say(&mut shell, "grep -c svm /proc/cpuinfo; exit 5");
    expect(&mut shell, "1\r\n");
    expect(&mut shell, PROMPT);
    say(&mut shell, "echo status $?; exit");
    expect(&mut shell, "status 5\r\n");
}
