//! The 1K OS in chapter 12: each command and each program, through a pipe and on a terminal; what
//! runs side by side, what must not get through, and what must not run out.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::process::ChildStdout;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tests::{Run, assert_ends, await_vcpus, cpu_seconds, finish, patiently, text};

use crate::disk::{archive, files};
use crate::images::image;
use crate::interactive::{
    CTRL_D, assert_restored, await_running, on_terminal, settings_before, type_keys, with_settings,
};
use crate::kernel::free_pages;

pub const CHAPTER: &str = "ch12-os-1k";

const BACKSPACE: &str = "\x7f";
const CTRL_U: &str = "\x15";

/// What wipes out a character on a terminal.
const ERASED: &str = "\x08 \x08";

/// What the longest line has.
const LINE_MAX: usize = 255;

/// Runs the OS with this input, and gives what it printed.
#[track_caller]
pub fn printed(arguments: &[&str], input: &str, status: i32) -> String {
    let run = Run { input: input.as_bytes(), ..Run::new(CHAPTER, arguments) };
    let finished = run.finish();
    assert_ends(&finished, status, &[&format!(": exited with status {status} after ")]);
    String::from_utf8(finished.stdout).unwrap()
}

/// Asserts what the shell answers to each line, up to the end of the input.
#[track_caller]
pub fn assert_answers(arguments: &[&str], session: &[(&str, &str)]) {
    let (mut input, mut expected) = (String::new(), String::new());
    for (line, answer) in session {
        writeln!(input, "{line}").unwrap();
        write!(expected, "> {line}\n{answer}").unwrap();
    }
    assert_eq!(printed(arguments, &input, 0), expected + "> \n");
}

#[test]
fn every_command_answers() {
    let mut files = String::new();
    for entry in tar::Archive::new(guests::DISK).entries().unwrap() {
        let entry = entry.unwrap();
        writeln!(files, "{:7}  {}", entry.size(), entry.path().unwrap().display()).unwrap();
    }
    let files_and_notes = format!("{files}     14  notes\n");
    let readme = include_str!("../../../os-1k/files/readme.txt");
    let long_name = "n".repeat(99);
    let write_long_name = format!("write {long_name} x");
    let write_too_long_name = format!("write {long_name}n x");
    let too_long_name = format!("write: {long_name}n: no name for a file\n");
    let cat_long_name = format!("cat {long_name}");
    assert_answers(
        &[],
        &[
            ("", ""),
            ("   ", ""),
            ("ls", &files),
            ("cat readme.txt", readme),
            ("cat", "usage: cat NAME...\n"),
            ("cat nothing readme.txt", &format!("cat: nothing: no such file\n{readme}")),
            ("write", "usage: write NAME [TEXT]\n"),
            ("write notes Other", ""),
            ("write notes  Hello,  OS!", ""),
            ("cat  notes", " Hello,  OS!\n"),
            ("write notes Hello,  OS!!", ""),
            ("cat notes notes", "Hello,  OS!!\nHello,  OS!!\n"),
            ("write notes Hello,  OS!", ""),
            (&write_long_name, ""),
            (&cat_long_name, "x\n"),
            (&format!("rm {long_name}"), ""),
            (&write_too_long_name, &too_long_name),
            ("write notes 13 characters", ""),
            ("write notes 3 characters!", ""),
            ("rm", "usage: rm NAME...\n"),
            ("write notes thirteen char", ""),
            ("rm none", "rm: none: no such file\n"),
            ("write notes Hello, world!", ""),
            ("ls", &files_and_notes),
            ("rm notes none", "rm: none: no such file\n"),
            ("ls", &files),
            ("cat notes", "cat: notes: no such file\n"),
            ("echo", "\n"),
            ("  echo   a  b ", "a  b\n"),
            ("run", "usage: run NAME [ARGUMENT]... [&]\n"),
            ("run &", "run: no program named\n"),
            ("run echo  one   two", "one two\n"),
            ("nothing", "nothing: no such command or program\n"),
            ("readme.txt", "run: readme.txt: not a program\n"),
            ("exit 64", "exit: 64: not a number from 0 to 62\n"),
            ("exit -1", "exit: -1: not a number from 0 to 62\n"),
            ("exit 4294967296", "exit: 4294967296: not a number from 0 to 62\n"),
            ("exit 1 2", "exit: 1 2: not a number from 0 to 62\n"),
            ("exit soon", "exit: soon: not a number from 0 to 62\n"),
        ],
    );
}

#[test]
fn every_program_computes() {
    let (mut factorials, mut product) = (String::new(), 1);
    for n in 1..=12 {
        product *= n;
        writeln!(factorials, "{n}! = {product}").unwrap();
    }
    let (mut fibonacci, mut this, mut next) = (String::new(), 0_u64, 1);
    for n in 0..48 {
        writeln!(fibonacci, "fib({n}) = {this}").unwrap();
        (this, next) = (next, this + next);
    }
    let mut tables = String::new();
    for table in 2..=9 {
        for factor in 1..=9 {
            writeln!(tables, "{table} x {factor} = {}", table * factor).unwrap();
        }
    }
    let usage_of_fibonacci =
        "usage: fibonacci [COUNT], with a COUNT of at most 48\nfibonacci: status 1\n";
    assert_answers(
        &[],
        &[
            ("multiplication", &tables),
            ("counter 0", "0\n"),
            ("counter 2", "0\n1\n2\n"),
            ("counter on", "usage: counter [LAST]\ncounter: status 1\n"),
            ("fibonacci 0", ""),
            ("fibonacci 48", &fibonacci),
            ("fibonacci 49", usage_of_fibonacci),
            ("fibonacci 3 4", usage_of_fibonacci),
            ("primes 1", ""),
            ("primes 29", "     2     3     5     7    11    13    17    19    23    29\n"),
            ("primes 30", "     2     3     5     7    11    13    17    19    23    29\n"),
            ("primes 7", "     2     3     5     7\n"),
            (
                "primes 100001",
                "usage: primes [LAST], with a LAST of at most 100000\nprimes: status 1\n",
            ),
            ("factorial", &factorials),
            ("factorial 0", "0! = 1\n"),
            ("factorial 13", "factorial: 13! needs more than 32 bits\nfactorial: status 1\n"),
            ("factorial -1", "usage: factorial [N]\nfactorial: status 1\n"),
            (
                "gcd",
                "1071 = 2 x 462 + 147\n462 = 3 x 147 + 21\n147 = 7 x 21 + 0\ngcd(1071, 462) = 21\n",
            ),
            ("gcd 12 -18", "12 = 0 x 18 + 12\n18 = 1 x 12 + 6\n12 = 2 x 6 + 0\ngcd(12, -18) = 6\n"),
            ("gcd -2147483648 0", "gcd(-2147483648, 0) = 2147483648\n"),
            ("gcd 2147483648 1", "usage: gcd [NUMBER NUMBER]\ngcd: status 1\n"),
            ("gcd 1", "usage: gcd [NUMBER NUMBER]\ngcd: status 1\n"),
            ("spin ! 1", "!\nspin !: done\n"),
            ("spin a b c", "usage: spin [LETTER [ROUNDS]]\nspin: status 1\n"),
        ],
    );
}

#[test]
fn the_calculator_knows_its_rules() {
    let deepest = format!("calculator {}1{}", "(".repeat(32), ")".repeat(32));
    let too_deep = format!("calculator {}1", "(".repeat(33));
    assert_answers(
        &[],
        &[
            ("calculator 10 + 5", "15\n"),
            ("calculator 10+5*2-20/4%3", "18\n"),
            ("calculator (10 + 5) * 2", "30\n"),
            ("calculator 10 - 4 - 3", "3\n"),
            ("calculator 7 / -2", "-3\n"),
            ("calculator 7 % -2", "1\n"),
            ("calculator --7", "7\n"),
            ("calculator -(2 + 3)", "-5\n"),
            ("calculator -2147483648", "-2147483648\n"),
            ("calculator -2147483648 % -1", "0\n"),
            (&deepest, "1\n"),
            (&too_deep, "calculator: \"(1\": too many parentheses\ncalculator: status 1\n"),
            ("calculator 1 / 0", "calculator: \"/ 0\": division by zero\ncalculator: status 1\n"),
            (
                "calculator 1 % (2 - 2)",
                "calculator: \"% (2 - 2)\": division by zero\ncalculator: status 1\n",
            ),
            (
                "calculator 2147483647 + 1",
                "calculator: \"+ 1\": more than 32 bits\ncalculator: status 1\n",
            ),
            (
                "calculator -2147483648 / -1",
                "calculator: \"/ -1\": more than 32 bits\ncalculator: status 1\n",
            ),
            (
                "calculator 2147483648",
                "calculator: \"2147483648\": more than 32 bits\ncalculator: status 1\n",
            ),
            (
                "calculator 1 +",
                "calculator: at the end: a number is missing\ncalculator: status 1\n",
            ),
            ("calculator (1", "calculator: at the end: a \")\" is missing\ncalculator: status 1\n"),
            ("calculator 1 2", "calculator: \"2\": not expected\ncalculator: status 1\n"),
            ("calculator x", "calculator: \"x\": a number is missing\ncalculator: status 1\n"),
        ],
    );
}

#[test]
fn programs_read_lines_up_to_ctrl_d() {
    let input = "run echo\none\n\n\x04calculator\n1 + 1\n1 +\n\n2 * 3\n\x04\
                 write notes\nfirst\n\nlast\n\x04cat notes\nwrite notes\n\x04cat notes\nls\n";
    let output = printed(&[], input, 0);
    let begin = "> run echo\none\none\n\n\n> calculator\n? 1 + 1\n2\n\
                 ? 1 +\ncalculator: at the end: a number is missing\n? \n? 2 * 3\n6\n? \n\
                 > write notes\nfirst\n\nlast\n> cat notes\nfirst\n\nlast\n\
                 > write notes\n> cat notes\n> ls\n";
    assert!(output.starts_with(begin), "{output}");
    assert!(output.ends_with("      0  notes\n> \n"), "{output}");
}

/// Whenever the timer may have stopped the shell that started it.
#[test]
fn a_program_has_the_keyboard_from_its_first_moment() {
    const TIMES: usize = 50;
    let output = printed(&[], &"run echo\nhello\n\x04".repeat(TIMES), 0);
    assert_eq!(output, "> run echo\nhello\nhello\n".repeat(TIMES) + "> \n");
}

#[test]
fn the_end_of_the_input_ends_the_program_and_then_the_shell() {
    assert_eq!(printed(&[], "", 0), "> \n");
    assert_eq!(printed(&[], "run echo\nlast\n", 0), "> run echo\nlast\nlast\n> \n");
    assert_eq!(printed(&[], "calculator\n", 0), "> calculator\n? \n> \n");
    assert_eq!(printed(&[], "write notes\nlast\n", 0), "> write notes\nlast\n> \n");
}

#[test]
fn the_last_line_needs_no_newline() {
    assert!(printed(&[], "echo hello", 0).contains("hello\nhello\n"));
    assert!(printed(&[], "run echo\nhello", 0).contains("hello\nhello\n"));
}

#[test]
fn a_line_can_be_edited() {
    let (longest, rest) = ("a".repeat(LINE_MAX - "echo ".len()), "bc\x08d\x08\x08\x08ef");
    let input = format!(
        "\x08\x7fecx\x08ho\x7f\x7f\x7f\x7f\x7fecho hi\nrubbish\x15\x15echo \t\x01\x1b[D\x1b[1;5C\u{e4}ho\n\
         echo {longest}{rest}\n"
    );
    let [once, four, seven] = [1, 4, 7].map(|times| ERASED.repeat(times));
    let output = format!(
        "> ecx{once}ho{four}echo hi\nhi\n> rubbish{seven}echo ho\nho\n\
         > echo {longest}\x07\x07{once}d{once}{once}{once}ef\n{}ef\n> \n",
        &longest[3..]
    );
    assert_eq!(printed(&[], &input, 0), output);
}

#[test]
fn many_lines_in_a_pipe_lose_nothing() {
    const LINES: usize = 2000; // more than any buffer between us and the program holds
    let (mut input, mut output) = ("run echo\n".to_owned(), "> run echo\n".to_owned());
    for line in 0..LINES {
        writeln!(input, "{line}").unwrap();
        writeln!(output, "{line}\n{line}").unwrap();
    }
    assert!(printed(&[], &input, 0) == output + "> \n", "something is lost of the {LINES} lines");
}

#[test]
fn a_file_that_is_typed_can_be_full() {
    let line = "x".repeat(LINE_MAX);
    let kept = format!("{line}\n").repeat(4096 / (LINE_MAX + 1));
    // What is typed after that, up to Ctrl-D, is no command.
    let output = printed(&[], &format!("write notes\n{kept}echo lost\n\x04echo on\nls\n"), 0);
    let begin = "write: notes: full\necho lost\n> echo on\non\n> ls\n";
    let begin = format!("> write notes\n{kept}{begin}");
    assert!(output.starts_with(&begin), "{output}");
    assert!(output.ends_with("   4096  notes\n> \n"), "{output}");
}

#[test]
fn the_status_of_the_shell_is_that_of_the_vmm() {
    for (line, status) in [("exit", 0), ("exit 0", 0), ("exit 1", 1), ("exit 62", 62)] {
        assert_eq!(printed(&[], &format!("{line}\necho never\n"), status), format!("> {line}\n"));
    }
}

#[test]
fn a_session_on_a_terminal() {
    let mut terminal = on_terminal(&with_settings(CHAPTER));
    let before = settings_before(&mut terminal);
    await_running(&mut terminal);
    assert_eq!(terminal.exp_string("> ").unwrap(), "");
    // Each key is shown at once, and once.
    for (key, shown) in [
        ("e", "e"),
        ("x", "x"),
        (BACKSPACE, ERASED),
        ("C", "C"),
        (CTRL_U, &ERASED.repeat(2)),
        (CTRL_U, ""),
        ("echo", "echo"),
        ("\r", "\r\n\r\n> "), // the shell's own
    ] {
        type_keys(&mut terminal, key);
        assert_eq!(terminal.exp_string(shown).unwrap(), "", "{key:?}");
    }

    let longest = "a".repeat(LINE_MAX - "echo ".len());
    type_keys(&mut terminal, &format!("echo {longest}bcd"));
    let shown = terminal.exp_string("\x07\x07\x07").unwrap();
    assert_eq!(shown, format!("echo {longest}"));
    type_keys(&mut terminal, "\r");
    assert_eq!(terminal.exp_string("\r\n> ").unwrap(), format!("\r\n{longest}"));

    for (typed, shown) in [
        ("run echo\r", "run echo\r\n"),
        ("one\r", "one\r\none\r\n"),
        (CTRL_D, "> "),
        ("calculator\r", "calculator\r\n? "),
        ("6 * 7\r", "6 * 7\r\n42\r\n? "),
        (CTRL_D, "\r\n> "),
        ("write notes\r", "write notes\r\n"),
        ("Hello\r", "Hello\r\n"),
        (CTRL_D, "> "),
        ("cat notes\r", "cat notes\r\nHello\r\n> "),
        ("crash undefined\r", "crash undefined\r\n"),
    ] {
        type_keys(&mut terminal, typed);
        assert_eq!(terminal.exp_string(shown).unwrap(), "", "{typed:?}");
    }
    terminal.exp_string(": #UD, no such instruction\r\n> ").unwrap();
    type_keys(&mut terminal, CTRL_D);
    assert_eq!(terminal.exp_string("\r\nos-1k: exited with status 0 after ").unwrap(), "");
    assert_restored(&mut terminal, &before, 0);
}

#[test]
fn a_shell_that_waits_uses_no_cpu() {
    let mut child = Run::new(CHAPTER, &[]).start();
    await_vcpus(child.id(), 1);
    let stdin = child.stdin.take(); // kept open: the input has no end
    sleep(Duration::from_secs(1));
    let (before, since) = (cpu_seconds(child.id()), Instant::now());
    sleep(Duration::from_secs(3));
    let share = (cpu_seconds(child.id()) - before) / since.elapsed().as_secs_f64();
    assert!(share < 0.01, "{share:.3} of a CPU");
    drop(stdin);
    assert_ends(&finish(child, b""), 0, &["os-1k: exited with status 0"]);
}

/// Reads until it is `enough`.
pub fn read_until(
    mut stdout: ChildStdout,
    enough: impl Fn(&str) -> bool + Send + 'static,
) -> (ChildStdout, String) {
    patiently(move || {
        let (mut seen, mut byte) = (String::new(), [0]);
        while !enough(&seen) {
            stdout.read_exact(&mut byte).unwrap();
            seen.push(byte[0].into());
        }
        (stdout, seen)
    })
}

/// They would spin for hours: if one had the CPU to itself, nobody else would ever be heard.
#[test]
fn busy_programs_and_the_shell_get_on_together() {
    let mut child = Run::new(CHAPTER, &[]).start();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"spin # 1000000 &\nspin @ 1000000 &\n").unwrap();
    let both = |seen: &str| ['#', '@'].iter().all(|letter| seen.matches(*letter).count() > 5);
    let (mut stdout, mut seen) = read_until(child.stdout.take().unwrap(), both);
    stdin.write_all(b"echo answer\nps\nexit 7\n").unwrap();
    let rest = patiently(move || {
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).map(|_| rest).unwrap()
    });
    assert_ends(&finish(child, b""), 7, &[]);

    // All that they print is letters, in the middle of what others print.
    seen = (seen + &rest).replace(['#', '@'], "");
    let (session, processes) = seen.split_once("cpu ms  name\n").unwrap();
    let expected = "> spin  1000000 &\n[2] spin\n> spin  1000000 &\n[3] spin\n\
                    > echo answer\nanswer\n> ps\n  id  parent  state       ";
    assert_eq!(session, expected);
    let (processes, end) = processes.split_once("> ").unwrap();
    assert_eq!(end, "exit 7\n");
    let mut names = Vec::new();
    for line in processes.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [id, parent, state, milliseconds, name] = words[..] else { panic!("{line}") };
        assert!(milliseconds.parse::<u32>().unwrap() > 0, "{line}");
        names.push([id, parent, state, name]);
    }
    let expected =
        [["1", "0", "running", "shell"], ["2", "1", "ready", "spin"], ["3", "1", "ready", "spin"]];
    assert_eq!(names, expected);
}

/// The characters, whatever their order: programs may be interrupted between any two.
fn sorted(text: &str) -> String {
    let mut characters: Vec<_> = text.chars().collect();
    characters.sort_unstable();
    characters.into_iter().collect()
}

#[test]
fn programs_in_the_background_sleep_side_by_side_and_are_reported() {
    let output = printed(&[], "counter &\ncounter &\ncounter 15\n", 0);
    let numbers = |last| (0..=last).map(|number| format!("{number}\n")).collect::<String>();
    let session = "> counter &\n[2] counter\n> counter &\n[3] counter\n> counter 15\n";
    let end = "[2] counter: done\n[3] counter: done\n> \n";
    let expected = [session, &numbers(9), &numbers(9), &numbers(15), end].concat();
    assert_eq!(sorted(&output), sorted(&expected), "{output}");
    assert!(output.ends_with(end), "{output}");
    // Each has begun before any is done.
    let third_begins = output.match_indices('0').nth(2).unwrap().0;
    assert!(third_begins < output.find('9').unwrap(), "{output}");
}

#[test]
fn how_a_program_in_the_background_failed_is_reported() {
    let output = printed(&[], "crash hlt &\ncounter 1\ncrash somehow &\ncounter 30\n", 0);
    for report in ["[2] crash: killed\n", "[4] crash: status 1\n"] {
        assert!(output.contains(report), "{output}");
    }
}

#[test]
fn there_is_room_for_eight_programs_in_the_background() {
    let command = "spin # 1000000 &\n";
    let output = printed(&[], &(command.repeat(9) + "exit 1\n"), 1).replace('#', "");
    let command = command.replace('#', "");
    let mut expected = String::new();
    for id in 2..10 {
        writeln!(expected, "> {command}[{id}] spin").unwrap();
    }
    let full = "run: spin: 8 programs run in the background already\n";
    assert_eq!(output, expected + "> " + &command + full + "> exit 1\n");
}

/// With names for what is in the program's code, and in the page below its stack.
fn without_addresses(output: &str) -> String {
    let word = |word: &str| {
        let address = word.trim_end_matches(['\n', ',', ':']);
        let name = match u32::from_str_radix(address, 16) {
            Ok(0x0100_0000..0x0100_1000) => "CODE",
            Ok(0x7fff_a000..0x7fff_b000) => "GUARD",
            _ => address,
        };
        word.replace(address, name)
    };
    output
        .split_inclusive('\n')
        .map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn a_program_that_crashes_dies_alone() {
    let (mut input, mut expected) = (String::new(), String::new());
    for (id, (way, report)) in (2..).zip([
        ("kernel", "CODE: read from 80100000, the kernel's memory"),
        ("write", "CODE: write to CODE, read-only"),
        ("null", "00000000: jump to 00000000, a null pointer"),
        ("stack", "CODE: write to GUARD, the stack has overflowed"),
        ("hlt", "CODE: #GP, not for programs"),
        ("out", "CODE: #GP, not for programs"),
        ("int", "CODE: #GP, not for programs"),
        ("divide", "CODE: #DE, a division without a result"),
        ("fpu", "CODE: #NM, there is no FPU for programs"),
        ("undefined", "CODE: #UD, no such instruction"),
    ]) {
        write!(input, "crash {way}\necho alive\n").unwrap();
        writeln!(expected, "> crash {way}\n[{id} crash] killed at {report}").unwrap();
        writeln!(expected, "> echo alive\nalive").unwrap();
    }
    assert_eq!(without_addresses(&printed(&[], &input, 0)), expected + "> \n");
}

/// The pages that are free beside the shell and the program below.
const FREE_PAGES: u32 = 320;

/// A program that sleeps for weeks on all memory but `FREE_PAGES`.
fn ballast() -> Vec<u8> {
    const OTHERS: u32 = 30; // what it and the shell have besides: tables, stacks, code
    let bytes = (free_pages() - OTHERS - FREE_PAGES) * 4096;
    #[rustfmt::skip]
    let words: [u32; 21] = [
        0x464c_457f, 0x0001_0101, 0, 0, //            ELF, 32-bit, little-endian
        0x0003_0002, 1, 0x0100_0054, 0x34, //         80386 executable; entry; headers are at
        0, 0, 0x0020_0034, 0x0028_0001, 0, //         bytes of the headers; one of them
        1, 0, 0x0100_0000, 0, 0x62, bytes, 7, 4096, // load: from, to, bytes there, here
    ];
    let mut program: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    program.extend([0xb8, 9, 0, 0, 0]); //            1: mov $SYS_SLEEP, %eax
    program.extend([0xbb, 0xff, 0xff, 0xff, 0x7f]); //   mov $0x7fffffff, %ebx
    program.extend([0xcd, 0x80, 0xeb, 0xf2]); //         int $0x80; jmp 1b
    program
}

/// What these commands print where there is room for some thirty programs.
#[track_caller]
fn printed_with_little_memory(commands: &str) -> String {
    let mut files = files(guests::DISK);
    files.push(("ballast".into(), ballast()));
    let disk = image(&archive(&files));
    let output =
        printed(&["--disk", text(disk.path())], &format!("ballast &\nballast\n{commands}"), 0);
    // There is no room for another of these.
    let start = "> ballast &\n[2] ballast\n> ballast\nrun: ballast: no room left\n";
    output.strip_prefix(start).unwrap_or_else(|| panic!("{output}")).to_owned()
}

/// More than would use up what is free if each lost only one page.
const PROGRAMS: usize = FREE_PAGES as usize + 30;

#[test]
fn what_a_program_had_is_freed_when_it_ends() {
    let output = printed_with_little_memory(&"fibonacci 0\n".repeat(PROGRAMS));
    assert_eq!(output, "> fibonacci 0\n".repeat(PROGRAMS) + "> \n");
}

#[test]
fn what_a_program_had_is_freed_when_it_crashes() {
    let output = printed_with_little_memory(&"crash hlt\n".repeat(PROGRAMS));
    let reports = output.matches("#GP, not for programs\n> ").count();
    assert_eq!((reports, output.lines().count()), (PROGRAMS, 2 * PROGRAMS + 1), "{output}");
}

/// Each time it has all the processes there can be, or all the memory.
#[test]
fn what_an_abusive_program_had_is_freed() {
    const PROCESSES: usize = 25; // at least
    let times = PROGRAMS.div_ceil(PROCESSES);
    let input = "abuse\n".repeat(times) + "gcd 1 0\nls\n";
    let output = printed_with_little_memory(&input);
    assert_eq!(output.matches("\nabuse: 0 allowed\n> ").count(), times, "{output}");
    assert!(output.contains("> gcd 1 0\ngcd(1, 0) = 1\n> ls\n"), "{output}");
    assert!(!output.contains("abuse.tmp"), "{output}");
}
