//! Chapters on a terminal, as somebody who types sees them.

use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rexpect::session::{PtySession, spawn_command};
use tests::{await_vcpus, program, text};

use crate::images::{NUMBERS, image};

/// Long enough for an emulated machine; a test that succeeds does not wait.
const PATIENCE_MS: u64 = 60_000;

pub const CTRL_A: &str = "\x01";
const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";
const CTRL_Z: &str = "\x1a";

/// Runs a shell script on a terminal of its own, with the chapters in its `PATH`.
pub fn on_terminal(script: &str) -> PtySession {
    let mut path = program("ch06-uart-input").parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).env("PATH", path).env("TERM", "dumb");
    // `anstream` has colours on any terminal where one of these is set.
    for variable in ["CI", "CLICOLOR", "CLICOLOR_FORCE"] {
        shell.env_remove(variable);
    }
    spawn_command(shell, Some(PATIENCE_MS)).expect("a terminal can be had")
}

pub fn type_keys(terminal: &mut PtySession, keys: &str) {
    terminal.send(keys).unwrap();
    terminal.flush().unwrap();
}

/// A script that shows the terminal's settings before and after, the process, and the status.
/// The shell itself shrugs Ctrl-C off.
pub fn with_settings(command: &str) -> String {
    let with_pid = format!(r#"sh -c 'echo pid=$$ >/dev/tty; exec "$@"' sh {command}"#);
    format!("trap : INT; echo before=$(stty -g); {with_pid}; echo status=$?; echo after=$(stty -g)")
}

#[track_caller]
pub fn assert_restored(terminal: &mut PtySession, before: &str, status: i32) {
    terminal.exp_string(&format!("status={status}\r\n")).unwrap();
    terminal.exp_string("after=").unwrap();
    assert_eq!(terminal.read_line().unwrap().trim_end(), before);
    terminal.exp_eof().unwrap();
}

pub fn settings_before(terminal: &mut PtySession) -> String {
    terminal.exp_string("before=").unwrap();
    terminal.read_line().unwrap().trim_end().to_owned()
}

/// Waits for the line that the VMM prints when it takes the terminal.
fn await_guest(terminal: &mut PtySession) {
    terminal.exp_string("Ctrl-A x the virtual machine\r\n").unwrap();
}

/// Waits until a guest runs that was started `with_settings`, and gives the VMM's process.
pub fn await_running(terminal: &mut PtySession) -> Pid {
    terminal.exp_string("pid=").unwrap();
    let pid: u32 = terminal.read_line().unwrap().trim_end().parse().unwrap();
    await_guest(terminal);
    await_vcpus(pid, 1);
    Pid::from_raw(pid.try_into().unwrap())
}

/// Waits for the guest `echo`, and sees that it gets a key at once, and that nothing echoes it.
fn echo_answers(terminal: &mut PtySession) {
    await_guest(terminal);
    type_keys(terminal, "k");
    assert_eq!(terminal.exp_string("K").unwrap(), "");
}

#[test]
fn keys_arrive_at_once_and_ctrl_d_ends_the_input() {
    let mut terminal = on_terminal(&with_settings("ch06-uart-input"));
    let before = settings_before(&mut terminal);
    echo_answers(&mut terminal);
    type_keys(&mut terminal, "\r");
    terminal.exp_string("\r\n").unwrap();
    type_keys(&mut terminal, CTRL_D);
    terminal.exp_string("echo: halted after").unwrap();
    assert_restored(&mut terminal, &before, 0);
}

#[test]
fn ctrl_a_x_ends_the_vm() {
    let too_much = "k".repeat(5000);
    for (command, before_it) in [
        ("ch06-uart-input echo", ""),
        ("ch06-uart-input spin", ""),
        ("ch06-uart-input spin", CTRL_D),
        ("ch06-uart-input spin", &too_much),
        ("ch08-multi-vcpu minimal spin spin spin", &too_much),
        ("ch08-multi-vcpu ask spin spin", CTRL_D),
        ("ch11-interrupts typist", ""),
        ("ch11-interrupts typist ticker metronome", &too_much),
    ] {
        let mut terminal = on_terminal(&with_settings(command));
        let before = settings_before(&mut terminal);
        await_running(&mut terminal);
        type_keys(&mut terminal, before_it);
        type_keys(&mut terminal, &format!("{CTRL_A}x"));
        terminal.exp_string(": interrupted after").unwrap();
        assert_restored(&mut terminal, &before, 130);
    }
}

#[test]
fn ctrl_a_twice_is_one_ctrl_a_for_the_guest() {
    let mut terminal = on_terminal("ch06-uart-input");
    echo_answers(&mut terminal);
    type_keys(&mut terminal, &format!("{CTRL_A}{CTRL_A}x"));
    assert_eq!(terminal.exp_string("X").unwrap(), CTRL_A);
    type_keys(&mut terminal, CTRL_D);
    terminal.exp_string("halted").unwrap();
}

#[test]
fn ctrl_c_ends_the_vm() {
    for command in [
        "ch06-uart-input echo",
        "ch06-uart-input spin",
        "ch07-hypercall ask",
        "ch07-hypercall spin",
        "ch08-multi-vcpu ask spin echo",
        "ch08-multi-vcpu spin spin spin spin",
        "ch11-interrupts typist",
    ] {
        let mut terminal = on_terminal(&with_settings(command));
        let before = settings_before(&mut terminal);
        await_running(&mut terminal);
        type_keys(&mut terminal, CTRL_C);
        terminal.exp_string(": interrupted after").unwrap();
        assert_restored(&mut terminal, &before, 130);
    }
}

#[test]
fn sigterm_gives_the_terminal_back() {
    let mut terminal = on_terminal(&with_settings("ch06-uart-input spin"));
    let before = settings_before(&mut terminal);
    let pid = await_running(&mut terminal);
    kill(pid, Signal::SIGTERM).unwrap();
    terminal.exp_string(": interrupted after").unwrap();
    assert_restored(&mut terminal, &before, 130);
}

#[test]
fn an_error_gives_the_terminal_back() {
    // Its output has no reader any more when the first key is echoed.
    let mut terminal = on_terminal(&with_settings("ch06-uart-input | true"));
    let before = settings_before(&mut terminal);
    await_guest(&mut terminal);
    type_keys(&mut terminal, "k");
    assert_restored(&mut terminal, &before, 0);
}

#[test]
fn ctrl_z_stops_the_vm_and_fg_continues_it() {
    let script = "set -m; ch06-uart-input; echo stopped=$(stty -g); fg; echo status=$?";
    let mut terminal = on_terminal(&format!("echo before=$(stty -g); {script}"));
    let before = settings_before(&mut terminal);
    echo_answers(&mut terminal);
    type_keys(&mut terminal, CTRL_Z);
    terminal.exp_string("stopped=").unwrap();
    assert_eq!(terminal.read_line().unwrap().trim_end(), before);
    terminal.exp_string("ch06").unwrap(); // fg names what it continues
    type_keys(&mut terminal, "again");
    terminal.exp_string("AGAIN").unwrap();
    type_keys(&mut terminal, CTRL_D);
    terminal.exp_string("status=0").unwrap();
}

#[test]
fn ask_is_a_conversation() {
    for chapter in ["ch07-hypercall", "ch08-multi-vcpu"] {
        let mut terminal = on_terminal(&format!("{chapter} ask"));
        terminal.exp_string("What is your name? ").unwrap();
        type_keys(&mut terminal, "Adx\x7fa\r");
        terminal.exp_string("Hello, Ada!\r\n").unwrap();
        terminal.exp_string("ask: exited with status 0").unwrap();
    }
}

#[test]
fn a_report_begins_with_a_new_line_on_a_terminal() {
    for chapter in ["ch06-uart-input", "ch08-multi-vcpu"] {
        let mut terminal = on_terminal(&format!("{chapter} counter"));
        terminal.exp_string("0123456789\r\ncounter: halted after 11 exits").unwrap();
    }
}

#[test]
fn of_several_guests_the_first_gets_the_keys() {
    let mut terminal = on_terminal("ch08-multi-vcpu echo echo minimal");
    terminal.exp_string("[1 echo]: halted after 3 exits").unwrap();
    type_keys(&mut terminal, "k");
    terminal.exp_string("[0 echo] K").unwrap();
    type_keys(&mut terminal, CTRL_D);
    terminal.exp_string("[0 echo]: halted after").unwrap();
}

/// Waits for `text`, and remembers all that came up to its end.
#[track_caller]
fn see(terminal: &mut PtySession, text: &str, seen: &mut String) {
    match terminal.exp_string(text) {
        Ok(before) => *seen += &(before + text),
        // Without all that did come: it may be very long.
        Err(_) => panic!("no {text:?} in {PATIENCE_MS} ms"),
    }
}

#[test]
fn a_question_stays_at_the_bottom_while_other_guests_print() {
    const QUESTION: &str = "[0 ask] What is your name? ";
    let image = image(&NUMBERS);
    let numbers = text(image.path());
    let command = format!("ch08-multi-vcpu ask '{numbers}' hello '{numbers}'");
    let mut terminal = on_terminal(&with_settings(&command));
    let (terminal, mut seen) = (&mut terminal, String::new());
    see(terminal, QUESTION, &mut seen);
    for _ in 0..100 {
        see(terminal, &format!("\r\n{QUESTION}"), &mut seen);
    }
    type_keys(terminal, "Ada");
    see(terminal, &format!("\r\n{QUESTION}Ada"), &mut seen);
    type_keys(terminal, "\r");
    see(terminal, "[0 ask] Hello, Ada!", &mut seen);
    type_keys(terminal, &format!("{CTRL_A}x")); // with Ctrl-C, a terminal drops output
    see(terminal, "status=130\r\n", &mut seen);

    // What the lines look like that have scrolled by: what is erased is gone.
    let lines = seen.lines().filter_map(|line| line.rsplit("\r\x1b[K").next());
    let printed_by = |tag: &str| lines.clone().filter_map(|line| line.strip_prefix(tag)).collect();
    let conversation: Vec<_> = printed_by("[0 ask] ");
    assert_eq!(conversation, ["What is your name? Ada", "Hello, Ada!"]);
    let hello: Vec<_> = printed_by("[2 hello] ");
    assert_eq!(hello, ["Hello, KVM!"]);
    for id in [1, 3] {
        let printed: Vec<_> = printed_by(&format!("[{id} {numbers}] "));
        assert!(printed.len() > 10, "vCPU {id} prints only {printed:?}");
        for (expected, number) in printed.iter().enumerate() {
            assert_eq!(*number, (expected as u16).to_string(), "vCPU {id}");
        }
    }
}

#[test]
fn each_guest_has_its_colour_on_a_terminal_and_nowhere_else() {
    let screen = |script: &str| on_terminal(script).exp_eof().unwrap();
    let coloured = screen("env -u NO_COLOR TERM=xterm ch08-multi-vcpu hello counter");
    let (hello, counter) = ("\x1b[32m[0 hello]\x1b[0m", "\x1b[33m[1 counter]\x1b[0m");
    for text in [
        format!("vCPUs: {hello} {counter}\r\n"),
        format!("{hello} Hello, KVM!\r\n"),
        format!("{counter} 0123456789\r\n"),
    ] {
        assert!(coloured.contains(&text), "no {text:?} in {coloured:?}");
    }
    for script in [
        "NO_COLOR=1 TERM=xterm ch08-multi-vcpu hello counter",
        "env -u NO_COLOR TERM=dumb ch08-multi-vcpu hello counter",
        "env -u NO_COLOR TERM=xterm ch08-multi-vcpu hello counter | cat",
    ] {
        let plain = screen(script);
        assert!(plain.contains("[0 hello] Hello, KVM!\r\n"), "{script}: {plain:?}");
        assert!(plain.contains("[1 counter]: halted after 11 exits\r\n"), "{script}: {plain:?}");
        assert!(!plain.contains(['\x1b']) && !plain.contains("vCPUs:"), "{script}: {plain:?}");
    }
    // A file gets no escapes even if the guests print to a terminal.
    let script = "env -u NO_COLOR TERM=xterm ch08-multi-vcpu hello counter 2>&1 >/dev/tty | cat";
    let legend = "vCPUs: [0 hello] [1 counter]\r\n";
    let half_coloured = screen(script);
    for text in [legend, &format!("{hello} Hello, KVM!\r\n")] {
        assert!(half_coloured.contains(text), "no {text:?} in {half_coloured:?}");
    }
}
