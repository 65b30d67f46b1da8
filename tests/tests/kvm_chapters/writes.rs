//! A guest that prints byte by byte does not cost its VMM a call of `write` for each, into a pipe.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;
use std::thread::spawn;
use std::time::Instant;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use tests::{Run, finish};

/// What comes of standard output, `write` by `write`; and how many milliseconds it took to run.
fn writes(chapter: &str, guests: &[&str]) -> (Vec<Vec<u8>>, usize) {
    // Each `write` is a packet, and each `read` gets one. pipe(2).
    let (reader, writer) = pipe2(OFlag::O_DIRECT | OFlag::O_CLOEXEC).unwrap();
    let mut reader = File::from(reader);
    let packets = spawn(move || {
        let mut packets = Vec::new();
        let mut packet = [0; 4096];
        while let count @ 1.. = reader.read(&mut packet).unwrap() {
            packets.push(packet[..count].to_vec());
        }
        packets
    });
    let run = Run::new(chapter, guests);
    let start = Instant::now();
    let child =
        run.command().stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let finished = finish(child, b"");
    assert_eq!(finished.code(), 0, "{finished}");
    (packets.join().unwrap(), start.elapsed().as_millis() as usize)
}

#[test]
fn bytes_of_a_guest_that_is_alone_are_written_together() {
    for (chapter, guest, bytes) in [
        ("ch05-uart", "hello", 12),
        ("ch06-uart-input", "hello", 12),
        ("ch07-hypercall", "multiplication", 778),
        ("ch09-protected-mode", "multiplication", 778),
    ] {
        let (writes, _) = writes(chapter, &[guest]);
        assert_eq!(writes.concat().len(), bytes, "{chapter} {guest}");
        assert_eq!(writes.len(), 1, "{chapter} {guest}: {writes:?}");
    }
}

/// From chapter 11 on, what was printed is shown every 50 ms: some guests never end.
#[test]
fn bytes_of_a_guest_that_prints_now_and_then_are_written_now_and_then() {
    for chapter in ["ch11-interrupts", "ch15-linux-shell"] {
        let (writes, milliseconds) = writes(chapter, &["multiplication"]);
        assert_eq!(writes.concat().len(), 778, "{chapter}");
        assert!(writes.len() <= 1 + milliseconds / 50, "{chapter}: {milliseconds} ms: {writes:?}");
    }
}

#[test]
fn lines_of_guests_side_by_side_are_written_as_lines() {
    for chapter in ["ch08-multi-vcpu", "ch15-linux-shell"] {
        let (writes, _) = writes(chapter, &["multiplication", "hello", "multiplication"]);
        assert_eq!(writes.len(), 72 + 1 + 72, "{chapter}: {writes:?}");
        for line in writes {
            assert!(line.starts_with(b"[") && line.ends_with(b"\n"), "{chapter}: {line:?}");
        }
    }
}
