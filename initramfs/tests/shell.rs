//! The shell and the utilities as processes, found by their names as in the guest.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A directory to work in, and one with a link for each program.
struct Guest {
    work: TempDir,
    bin: TempDir,
}

impl Guest {
    fn new() -> Self {
        let bin = tempfile::tempdir().unwrap();
        for name in initramfs::COMMANDS {
            symlink(env!("CARGO_BIN_EXE_mini-init"), bin.path().join(name)).unwrap();
        }
        Self { work: tempfile::tempdir().unwrap(), bin }
    }

    /// Runs `sh` with these arguments and this input: what it wrote, its errors and its status.
    fn sh(&self, arguments: &[&str], input: &str) -> (String, String, i32) {
        let mut child = Command::new(self.bin.path().join("sh"))
            .args(arguments)
            .current_dir(self.work.path())
            .env_clear()
            .env("PATH", self.bin.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A script that ends early leaves the rest.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code().unwrap())
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.work.path().join(name)).unwrap()
    }

    fn write(&self, name: &str, contents: &str) {
        fs::write(self.work.path().join(name), contents).unwrap();
    }
}

/// What commands write, if they do well.
#[track_caller]
fn output(commands: &str) -> String {
    let (out, errors, status) = Guest::new().sh(&["-c", commands], "");
    assert_eq!((errors.as_str(), status), ("", 0), "{commands}");
    out
}

/// The errors and the status of commands.
#[track_caller]
fn failure(commands: &str) -> (String, i32) {
    let (_, errors, status) = Guest::new().sh(&["-c", commands], "");
    (errors, status)
}

#[test]
fn pipes() {
    assert_eq!(output("echo a b | cat | cat"), "a b\n");
    assert_eq!(output("echo a | cat - | head -1 && echo b"), "a\nb\n");
    assert_eq!(output("false | true"), "");
    assert_eq!(failure("true | false").1, 1);
    assert_eq!(failure("true | exit 3").1, 3);
    // The reader goes away; the writer has to notice.
    assert_eq!(output("cat /dev/zero | head -0"), "");
}

#[test]
fn a_pipeline_does_not_change_the_shell() {
    assert_eq!(output("A=1; A=2 | cat; cd / | cat; exit 5 | cat; echo $A $?"), "1 0\n");
}

#[test]
fn redirections() {
    let guest = Guest::new();
    let commands =
        "echo one > f; echo two >> f; cat < f; cat < f > g; ls none 2> e; ls none > h 2>&1
                    cat g; > empty; echo out; echo err >&2";
    let (out, errors, status) = guest.sh(&["-c", commands], "");
    assert_eq!((out.as_str(), errors.as_str(), status), ("one\ntwo\none\ntwo\nout\n", "err\n", 0));
    assert_eq!(guest.file("f"), "one\ntwo\n");
    assert_eq!(guest.file("g"), "one\ntwo\n");
    assert_eq!(guest.file("e"), "ls: none: No such file or directory\n");
    assert_eq!(guest.file("h"), guest.file("e"));
    assert_eq!(guest.file("empty"), "");
}

#[test]
fn a_redirection_that_fails_stops_its_command_alone() {
    let (out, errors, _) = Guest::new().sh(&["-c", "echo a < none; cat < none; echo b"], "");
    assert_eq!(out, "b\n");
    assert_eq!(errors, "sh: none: No such file or directory\n".repeat(2));
    assert_eq!(failure("echo > /").1, 1);
    assert_eq!(failure("echo >&7").0, "sh: 7: not 0, 1 or 2, which can be copied\n");
}

#[test]
fn variables_and_quotes() {
    assert_eq!(output(r#"A='x  y'; echo $A "$A" '$A' \$A"#), "x y x  y $A $A\n");
    assert_eq!(output("A=1; B=$A$A; echo ${B}2 $unset."), "112 .\n");
    assert_eq!(output("C=echo; $C 'a\nb'"), "a\nb\n");
    assert_eq!(
        output("A=1; sh -c 'echo .$A'; export A; sh -c 'echo .$A'; A=2 sh -c 'echo .$A'"),
        ".\n.1\n.2\n"
    );
    assert_eq!(output("export A=1; unset A; sh -c 'echo .$A'"), ".\n");
    assert_eq!(output("export 'A=it'\\''s'; export | head -1"), "export A='it'\\''s'\n");
}

#[test]
fn arguments_of_scripts() {
    let guest = Guest::new();
    guest.write("script", "echo $0 $1 $# # no more\nexit 4\necho not here\n");
    let (out, errors, status) = guest.sh(&["script", "a b", "c"], "");
    assert_eq!((out.as_str(), errors.as_str(), status), ("script a b 2\n", "", 4));
    let (out, ..) = guest.sh(&["-c", "echo $0 $1", "name", "first"], "");
    assert_eq!(out, "name first\n");
}

#[test]
fn statuses_and_connectors() {
    assert_eq!(output("false; echo $?; true; echo $?"), "1\n0\n");
    assert_eq!(output("true && echo yes || echo no; false && echo yes || echo no"), "yes\nno\n");
    assert_eq!(failure("exit 7").1, 7);
    assert_eq!(failure("false; exit").1, 1);
    assert_eq!(failure("sh -c 'kill -9 $$'"), ("sh: sh: ended by SIGKILL\n".to_owned(), 137));
    assert_eq!(output("exit 300 2>&1 | cat"), "exit: 300: not a number from 0 to 255\n");
}

#[test]
fn what_cannot_be_run() {
    assert_eq!(failure("nosuch"), ("sh: nosuch: not found\n".to_owned(), 127));
    assert_eq!(failure("./nosuch"), ("sh: ./nosuch: No such file or directory\n".to_owned(), 127));
    assert_eq!(failure("/"), ("sh: /: Is a directory\n".to_owned(), 126));
    let guest = Guest::new();
    guest.write("data", "");
    assert_eq!(guest.sh(&["-c", "./data"], "").2, 126);
    let file = guest.bin.path().join("tool");
    fs::write(&file, "").unwrap();
    let (_, errors, status) = guest.sh(&["-c", "tool"], "");
    assert_eq!((errors.as_str(), status), ("sh: tool: Permission denied\n", 126));
    assert_eq!(guest.sh(&["none"], "").2, 127);
    assert_eq!(guest.sh(&["-x"], "").2, 2);
}

#[test]
fn syntax_errors() {
    let (errors, status) = failure("echo a | | b");
    assert_eq!((errors.as_str(), status), ("sh: syntax error: unexpected |\n", 2));
    assert_eq!(failure("echo 'a").0, "sh: syntax error: unexpected end\n");
    assert_eq!(
        failure("sleep 9 &").0,
        "sh: syntax error: this shell has no commands in the background (`&`)\n"
    );
}

#[test]
fn commands_from_standard_input() {
    let guest = Guest::new();
    let input = "echo 'a\nb' &&\necho c \\\nd\ncat\nfor cat\nnot here\n";
    let (out, errors, status) = guest.sh(&[], input);
    // `cat` gets the lines that follow its own: the shell has not read them.
    assert_eq!(out, "a\nb\nc d\nfor cat\nnot here\n");
    assert_eq!((errors.as_str(), status), ("", 0));
    assert_eq!(guest.sh(&[], "exit 3").2, 3, "a last line without an end");
}

#[test]
fn patterns() {
    let guest = Guest::new();
    guest.write("a1", "");
    guest.write("a2", "");
    let (out, ..) = guest.sh(&["-c", "echo a* '*' b* ?1"], "");
    assert_eq!(out, "a1 a2 * b* a1\n");
}

#[test]
fn utilities() {
    assert_eq!(output("uname"), "Linux\n");
    assert_eq!(output("echo -n ab | hexdump | head -1"), format!("00000000  61 62{:45}|ab|\n", ""));
    assert_eq!(output("echo a > f; echo b > g; cat f - g < f; ls"), "a\na\nb\nf\ng\n");
    assert_eq!(output("cd /; pwd"), "/\n");
    assert!(output("ps").contains("sh -c ps"), "{}", output("ps"));
    assert!(output("free").lines().count() == 2);
    assert!(output("uptime").starts_with("up "));
    assert!(output("mount").contains(" on /proc type proc "));
    assert_eq!(output("sleep 0.01; head -2 /proc/meminfo | head -n 1 | cat > f"), "");
    assert!(output("ls -al /dev/null").starts_with("crw-rw-rw-"));
}

#[test]
fn utilities_say_what_they_do_not_understand() {
    for (commands, errors, status) in [
        ("cat none /dev/null", "cat: none: No such file or directory\n", 1),
        ("ls -x", "ls: invalid option '-x'\n", 2),
        ("free 1", "free: unexpected argument \"1\"\n", 2),
        ("head -n x", "head: cannot parse argument \"x\": invalid digit found in string\n", 2),
        ("sleep", "sleep: usage: sleep SECONDS\n", 2),
        ("cd /none", "cd: /none: No such file or directory\n", 1),
        ("export 1=2", "export: 1: not the name of a variable\n", 1),
        ("cat .", "cat: .: Is a directory\n", 1),
        ("mount a b", "mount: usage: mount [-r] -t TYPE SOURCE DIRECTORY\n", 2),
        ("echo a > /dev/full", "echo: standard output: No space left on device\n", 1),
    ] {
        assert_eq!(failure(commands), (errors.to_owned(), status), "{commands}");
    }
}

#[test]
fn this_machine_stays_on() {
    let first = fs::read_link("/proc/1/exe");
    if first.is_ok_and(|first| first == Path::new(env!("CARGO_BIN_EXE_mini-init"))) {
        panic!("these tests are not for the guest");
    }
    assert_eq!(failure("poweroff").1, 1);
}

#[test]
fn programs_are_named_when_called_by_none() {
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_mini-init")).args(arguments).output().unwrap()
    };
    assert_eq!(run(&["echo", "a"]).stdout, b"a\n");
    assert_eq!(run(&[]).status.code(), Some(2));
    assert_eq!(run(&["nosuch"]).status.code(), Some(127));
    let init = run(&["init"]);
    assert_eq!(init.status.code(), Some(2));
    assert_eq!(init.stderr, b"init: this is for the first process of a machine\n");
}
