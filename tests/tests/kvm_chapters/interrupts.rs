//! Interrupts: the timer's come in time, the keyboard's one for each scancode, and nobody is busy
//! waiting for them.

use std::io::{BufRead, BufReader, Read, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tests::{Run, assert_ends, await_vcpus, cpu_seconds, finish, patiently, signal, text};

use crate::images::image;
use crate::interactive::{
    CTRL_D, assert_restored, await_running, on_terminal, settings_before, type_keys, with_settings,
};
use crate::stopping::assert_interrupted;

const CHAPTER: &str = "ch11-interrupts";

/// What `ticker` prints, a letter each 100 ms.
const TICKED: &str = "One IRQ at a time";

/// Between two interrupts of the first and the last letter, less what a late start may eat up.
const MOST_OF_THE_LETTERS: Duration = Duration::from_secs(1);

/// At each keyboard interrupt, prints one scancode as a number. Ends when Ctrl is released.
const ONE_SCANCODE_AN_INTERRUPT: [u8; 0x5d] = [
    0xc7, 0x05, 0x08, 0x09, 0x00, 0x00, 0x3d, 0x10, 0x08,
    0x00, // a gate for 0x21, to 8:0x103d
    0xc7, 0x05, 0x0c, 0x09, 0x00, 0x00, 0x00, 0x8e, 0x00, 0x00, // movl $0x8e00, 0x90c
    0x0f, 0x01, 0x1d, 0x57, 0x10, 0x00, 0x00, //  lidt    0x1057: of 256 gates, where it was
    0xb0, 0x11, 0xe6, 0x20, //                    mov     $PIC_INIT, %al; out %al, $PIC1
    0xb0, 0x20, 0xe6, 0x21, //                    IRQ 0 is 0x20
    0xb0, 0x04, 0xe6, 0x21, //                    the other PIC is at IRQ 2
    0xb0, 0x01, 0xe6, 0x21, //                    PIC_8086
    0xb0, 0xfd, 0xe6, 0x21, //                    all but IRQ 1 masked
    0xba, 0x00, 0x05, 0x00, 0x00, //              mov     $0x500, %edx
    0xb0, 0x03, 0xee, //                          mov     $HC_NEWLINE, %al; out %al, %dx
    0xe4,
    0x64, //                                in      $0x64, %al: nothing yet, so we are shown
    0xfb, 0xf4, 0xeb, 0xfc, //              next: sti; hlt; jmp next
    0xe4, 0x60, //                       handler: in      $0x60, %al
    0x0f, 0xb6, 0xd8, //                          movzbl  %al, %ebx
    0xb0, 0x02, 0xee, //                          mov     $HC_PUTNUM, %al; out %al, %dx
    0xb0, 0x03, 0xee, //                          mov     $HC_NEWLINE, %al; out %al, %dx
    0xb0, 0x20, 0xe6, 0x20, //                    mov     $PIC_EOI, %al; out %al, $PIC1
    0x80, 0xfb, 0x9d, //                          cmp     $0x9d, %bl
    0x74, 0x01, 0xcf, //                          je      end; iret
    0x31, 0xdb, 0x88, 0xd8, 0xee, //         end: HC_EXIT with status 0
    0xff, 0x07, 0x00, 0x08, 0x00, 0x00, //        limit and base of the IDT
];

#[test]
fn letters_come_one_by_one_in_a_pipe() {
    let started = Instant::now();
    let mut child = Run::new(CHAPTER, &["ticker"]).start();
    let mut stdout = child.stdout.take().unwrap();
    let (letters, apart) = patiently(move || {
        let mut letters = [0; TICKED.len()];
        stdout.read_exact(&mut letters[..1]).unwrap();
        let first = Instant::now();
        stdout.read_exact(&mut letters[1..]).unwrap();
        (letters, first.elapsed())
    });
    assert_eq!(str::from_utf8(&letters).unwrap(), TICKED);
    assert!(apart > MOST_OF_THE_LETTERS, "all at once: {apart:?}");
    assert_ends(&finish(child, b""), 0, &["exited with status 0 after 19 exits\n"]);
    // 17 times 100 ms, less what the first tick may come early.
    assert!(started.elapsed() > Duration::from_millis(1500), "{:?}", started.elapsed());
}

#[test]
fn letters_come_one_by_one_on_a_terminal() {
    let mut terminal = on_terminal(CHAPTER);
    terminal.exp_string("\r\nO").unwrap();
    let first = Instant::now();
    terminal.exp_string("ne IRQ at a time\r\n").unwrap();
    assert!(first.elapsed() > MOST_OF_THE_LETTERS, "all at once: {:?}", first.elapsed());
    terminal.exp_string("ticker: exited with status 0 after 19 exits\r\n").unwrap();
}

#[test]
fn each_scancode_is_an_interrupt_of_its_own() {
    let image = image(&ONE_SCANCODE_AN_INTERRUPT);
    let mut child = Run::new(CHAPTER, &["--mode", "interrupts", text(image.path())]).start();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    // An empty line: it is ready for interrupts.
    let stdout = patiently(move || stdout.read_line(&mut String::new()).map(|_| stdout).unwrap());
    let finished = finish(child, b"aA\n");
    assert_ends(&finished, 0, &["exited with status 0"]);
    let scancodes: Vec<u8> = stdout.lines().map(|line| line.unwrap().parse().unwrap()).collect();
    let [a, shift, enter, d, ctrl, up] = [0x1e, 0x2a, 0x1c, 0x20, 0x1d, 0x80];
    let [a_alone, enter_alone] = [a, enter].map(|key| [key, key | up]);
    let with = |held, key| [held, key, key | up, held | up];
    let expected = [&a_alone[..], &with(shift, a), &enter_alone, &with(ctrl, d)].concat();
    assert_eq!(scancodes, expected);
}

/// What `typist` prints for this on standard input.
#[track_caller]
fn typed(input: &[u8]) -> Vec<u8> {
    let finished = Run { input, ..Run::new(CHAPTER, &["typist"]) }.finish();
    assert_ends(&finished, 0, &["typist: exited with status 0"]);
    finished.stdout
}

#[test]
fn all_that_a_keyboard_can_type_arrives() {
    let characters: Vec<u8> = (b' '..=b'~').chain(*b"\n").collect();
    let input = characters.repeat(3); // some 300 bytes, as pasted
    assert_eq!(String::from_utf8(typed(&input)).unwrap(), String::from_utf8(input).unwrap());
}

#[test]
fn backspace_tab_and_the_end_of_the_input_do_what_they_should() {
    // Delete is what terminals send for backspace; at the start of a line there is nothing to erase.
    let printed = typed(b"\x08ab\x08c\x7fd\n\te\r\nf");
    let erased = "\x08 \x08";
    let expected = format!("ab{erased}c{erased}d\n        e\n\nf\n");
    assert_eq!(String::from_utf8(printed).unwrap(), expected);
}

#[test]
fn bytes_that_no_key_has_are_ignored() {
    let input: Vec<u8> = (0..=255).filter(|byte| !b"\x04\x08\t\n\r\x7f".contains(byte)).collect();
    let expected: Vec<u8> = (b' '..=b'~').chain(*b"\n").collect();
    assert_eq!(String::from_utf8(typed(&input)), String::from_utf8(expected));
}

#[test]
fn keys_on_a_terminal_are_shown_one_by_one() {
    let mut terminal = on_terminal(&with_settings(&format!("{CHAPTER} typist")));
    let before = settings_before(&mut terminal);
    await_running(&mut terminal);
    for (key, shown) in [("H", "H"), ("i", "i"), ("?", "?"), ("\x7f", "\x08 \x08"), ("!", "!")] {
        type_keys(&mut terminal, key);
        assert_eq!(terminal.exp_string(shown).unwrap(), "");
    }
    type_keys(&mut terminal, CTRL_D);
    assert_eq!(terminal.exp_string("\r\ntypist: exited with status 0").unwrap(), "");
    assert_restored(&mut terminal, &before, 0);
}

#[test]
fn keys_and_timer_at_the_same_time() {
    let mut child = Run::new(CHAPTER, &["metronome"]).start();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let seen = patiently(move || {
        let mut seen = Vec::new();
        for keys in ["tick", "tack"] {
            stdin.write_all(keys.as_bytes()).unwrap();
            stdout.read_until(b'k', &mut seen).unwrap();
            stdout.read_until(b'.', &mut seen).unwrap();
        }
        drop(stdin);
        stdout.read_to_end(&mut seen).unwrap();
        String::from_utf8(seen).unwrap()
    });
    assert_ends(&finish(child, b""), 0, &["metronome: exited with status 0"]);
    assert_eq!(seen.replace('.', ""), "ticktack\n");
    assert!(seen.matches('.').count() >= 2, "{seen}");
}

#[test]
fn a_guest_that_sleeps_uses_no_cpu_and_the_end_of_the_input_wakes_it() {
    let mut child = Run::new(CHAPTER, &["typist"]).start();
    await_vcpus(child.id(), 1);
    let stdin = child.stdin.take(); // kept open: the input has no end
    sleep(Duration::from_secs(1));
    let (before, since) = (cpu_seconds(child.id()), Instant::now());
    sleep(Duration::from_secs(3));
    let share = (cpu_seconds(child.id()) - before) / since.elapsed().as_secs_f64();
    assert!(share < 0.01, "{share:.3} of a CPU");
    drop(stdin);
    assert_ends(&finish(child, b""), 0, &["typist: exited with status 0"]);
}

#[test]
fn a_signal_ends_a_sleep_that_no_interrupt_does() {
    for code in [[0xfa, 0xf4], [0xfb, 0xf4]] {
        let image = image(&code); // cli or sti; hlt
        for number in [Signal::SIGINT, Signal::SIGTERM] {
            let child = Run::new(CHAPTER, &["--mode", "interrupts", text(image.path())]).start();
            await_vcpus(child.id(), 1);
            signal(&child, number);
            assert_interrupted(child, 1);
        }
    }
}

/// With them, as in the snapshot, there is a number of interrupts before each letter.
#[test]
fn without_its_statistics_kvm_still_shows_the_exits() {
    let fault = Some("ioctl:0xaece:25"); // KVM_GET_STATS_FD, of Linux 5.14
    let finished = Run { fault, ..Run::new(CHAPTER, &["--verbose", "ticker"]) }.finish();
    assert_ends(&finished, 0, &["ticker: exit 1: KVM_EXIT_IO: OUT", "ticker: exit 19: "]);
    assert_eq!(str::from_utf8(&finished.stdout).unwrap().trim_end(), TICKED);
    assert!(!finished.to_string().contains("interrupt"), "{finished}");
}
