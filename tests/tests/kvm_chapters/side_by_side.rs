//! Guests that share a VM, and one standard output: nothing of one gets into another.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread::{sleep, spawn};
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use tests::{Finished, Run, finish, patiently, program, text};

use crate::images::{NUMBERS, endless_line, image, letters_through_segments, numbers};

const CHAPTER: &str = "ch08-multi-vcpu";

/// What the guest `multiplication` prints.
fn multiplication() -> Vec<String> {
    (2..=9).flat_map(|i| (1..=9).map(move |j| format!("{i} x {j} = {}", i * j))).collect()
}

#[track_caller]
fn assert_each_prints(finished: &Finished, guests: &[&str], expected: &[String]) {
    for (id, lines) in finished.lines_by_vcpu(guests).iter().enumerate() {
        assert_eq!(lines, expected, "vCPU {id}");
    }
}

#[test]
fn four_that_print_at_once_tear_and_lose_no_line() {
    const COUNT: u16 = 2000;
    let image = image(&numbers(COUNT));
    let guests = [text(image.path()); 4];
    let finished = Run::new(CHAPTER, &guests).finish();
    assert_eq!(finished.code(), 0, "{finished}");
    let expected: Vec<_> = (0..COUNT).map(|number| number.to_string()).collect();
    assert_each_prints(&finished, &guests, &expected);
}

#[test]
fn output_traces_and_reports_on_one_screen_are_not_torn_and_keep_their_order() {
    let child = Command::new("sh")
        .args(["-c", r#"exec "$@" 2>&1"#, "sh"])
        .arg(program(CHAPTER))
        .args(["--verbose", "hctest", "hctest", "hctest", "hctest"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let finished = finish(child, b"").sorted_by_vcpu();
    assert_eq!(finished.code(), 0, "{finished}");
    let screen = String::from_utf8(finished.stdout).unwrap();
    let lines: Vec<_> = screen.lines().collect();
    let first = &lines[..lines.len() / 4];
    assert_eq!(first.len(), 12 + 3 + 5, "exits, output and report:\n{screen}");
    assert_eq!(first[7], "[0 hctest] Hello!", "after the HC_NEWLINE:\n{screen}");
    for (id, lines) in lines.chunks(first.len()).enumerate() {
        let expected = first.iter().map(|line| line.replace("[0 ", &format!("[{id} ")));
        assert_eq!(lines, expected.collect::<Vec<_>>());
    }
}

#[test]
fn a_slow_reader_loses_nothing() {
    let guests = ["multiplication"; 4];
    let mut child = Run::new(CHAPTER, &guests).start();
    let mut slow = child.stdout.take().unwrap();
    fcntl(&slow, FcntlArg::F_SETPIPE_SZ(4096)).unwrap(); // less than half of what they print
    let reader = spawn(move || {
        let (mut all, mut some) = (Vec::new(), [0; 512]);
        sleep(Duration::from_secs(1));
        loop {
            match slow.read(&mut some).unwrap() {
                0 => return all,
                count => all.extend_from_slice(&some[..count]),
            }
            sleep(Duration::from_millis(20));
        }
    });
    let mut finished = finish(child, b"");
    finished.stdout = reader.join().unwrap();
    assert_eq!(finished.code(), 0, "{finished}");
    assert_each_prints(&finished, &guests, &multiplication());
}

#[test]
fn when_the_reader_goes_away_all_guests_end() {
    let image = image(&NUMBERS);
    let numbers = text(image.path());
    for guests in [vec![numbers; 4], vec!["ask", numbers, "spin", "spin"]] {
        let mut child = Run::new(CHAPTER, &guests).start();
        let stdin = child.stdin.take(); // kept open: the input has no end
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let line = patiently(|| stdout.lines().next()).unwrap().unwrap();
        assert!(line.ends_with("] 0"), "{line:?}");
        let finished = finish(child, b"");
        assert_eq!(finished.code(), 0, "{finished}");
        drop(stdin);
    }
}

#[test]
fn a_reader_that_goes_away_hides_no_crash() {
    let image = image(&NUMBERS);
    let mut child = Run::new(CHAPTER, &[text(image.path()), "bad-port"]).start();
    let stdout = child.stdout.take();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    patiently(|| stderr.lines().find(|line| line.as_ref().unwrap().contains("crashed")))
        .unwrap()
        .unwrap();
    drop(stdout);
    let finished = finish(child, b"");
    assert_eq!(finished.code(), 65, "{finished}");
}

#[test]
fn a_line_that_never_ends_is_cut_and_nothing_of_it_is_lost() {
    const TIMES: u16 = 4000;
    let image = image(&endless_line(TIMES));
    let guests = [text(image.path()); 4];
    let finished = Run::new(CHAPTER, &guests).finish();
    assert_eq!(finished.code(), 0, "{finished}");
    let longest = finished.stdout.split(|byte| *byte == b'\n').map(<[u8]>::len).max();
    assert_eq!(longest, Some(4096));
    let expected = "abcd".repeat(usize::from(TIMES));
    for (id, lines) in finished.lines_by_vcpu(&guests).iter().enumerate() {
        assert!(lines.len() > 3, "vCPU {id}: {} lines", lines.len());
        assert_eq!(lines.concat(), expected, "vCPU {id}");
    }
}

/// With `DS` at 0, say, the fourth guest would print what the first has there: zeros.
#[test]
fn each_segment_begins_where_its_guest_does() {
    let image = image(&letters_through_segments(&[]));
    let path = text(image.path());
    for guests in
        [vec!["minimal", "minimal", "minimal", path], vec!["minimal", path], vec![path; 4]]
    {
        let finished = Run::new(CHAPTER, &guests).finish();
        assert_eq!(finished.code(), 0, "{finished}");
        for (guest, lines) in guests.iter().zip(finished.lines_by_vcpu(&guests)) {
            assert_eq!(lines.concat(), if *guest == path { "CDEFGS" } else { "" });
        }
    }
}

#[test]
fn a_guest_may_copy_one_selector_to_all_segments() {
    let copy: &[u8] = &[
        0x8c, 0xc8, //             mov  %cs, %ax
        0x8e, 0xd8, //             mov  %ax, %ds
        0x8e, 0xc0, //             mov  %ax, %es
        0x8e, 0xe0, //             mov  %ax, %fs
        0x8e, 0xe8, //             mov  %ax, %gs
        0x8e, 0xd0, //             mov  %ax, %ss
        0x0e, //                   push %cs
        0x68, 0x11, 0x00, //       push $next
        0xcb, //                   lret: CS from its own selector
    ];
    let image = image(&letters_through_segments(copy));
    for id in 0..4 {
        let mut guests = ["minimal"; 4];
        guests[id] = text(image.path());
        let finished = Run::new(CHAPTER, &guests).finish();
        assert_eq!(finished.code(), 0, "{finished}");
        assert_eq!(finished.lines_by_vcpu(&guests)[id], ["CDEFGS"]);
    }
}

#[test]
fn a_guest_alone_is_what_it_was_in_chapter_7() {
    for guest in ["ask", "bad-hypercall", "counter", "exit-status"] {
        let [now, before] = [CHAPTER, "ch07-hypercall"].map(|chapter| {
            Run { input: b"Ada\n", ..Run::new(chapter, &[guest]) }.finish().to_string()
        });
        assert_eq!(now, before, "{guest}");
    }
}

#[test]
fn the_question_of_a_guest_alone_is_there_before_the_answer() {
    let mut child = Run::new(CHAPTER, &["ask"]).start();
    let mut stdout = child.stdout.take().unwrap();
    let (question, stdout) = patiently(move || {
        let mut question = [0; 19];
        stdout.read_exact(&mut question).unwrap();
        (question, stdout)
    });
    assert_eq!(&question, b"What is your name? ");
    child.stdout = Some(stdout);
    let finished = finish(child, b"Ada\n");
    assert_eq!((finished.code(), finished.stdout.as_slice()), (0, &b"Ada\nHello, Ada!\n"[..]));
}

#[test]
fn the_worst_status_is_the_status_of_all() {
    for (guests, status) in [
        (["minimal", "hello", "minimal", "counter"], 0),
        (["hello", "exit-status", "minimal", "hctest"], 7),
        (["exit-status", "triple-fault", "exit-status", "minimal"], 65),
        (["minimal", "minimal", "exit-status", "bad-hypercall"], 65),
    ] {
        let finished = Run::new(CHAPTER, &guests).finish();
        assert_eq!(finished.code(), status, "{guests:?}: {finished}");
    }
}
