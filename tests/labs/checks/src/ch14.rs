//! A log with times, ports with counts, and a kernel without wrapping.

mod vmlinux;

use std::fs;
use std::time::Instant;

use fastrand::Rng;

use crate::Check;
use crate::answer::{Answer, text};
use crate::guest::Place;
use crate::ran::Ran;
use crate::verdict::Result;

pub const CHECKS: &[(&str, Check)] =
    &[("timestamps", timestamps), ("ports", ports), ("pvh", vmlinux::pvh)];

fn timestamps(answer: &mut Answer) -> Result<()> {
    let start = Instant::now();
    let ran = answer.run(["--timestamps", "hello"]).finish()?;
    let (times, lines) = stamped(&ran)?;
    if lines != b"Hello, KVM!\n" {
        return ran.fail(&format!("not one line and its time:\n{}", ran.stdout_text()));
    }
    if times[0] > start.elapsed().as_millis() as u64 {
        return ran.fail(&format!(
            "the time is later than the end, {} ms after the start:\n{}",
            start.elapsed().as_millis(),
            ran.stdout_text()
        ));
    }

    // Empty lines, ends of lines of two bytes, bytes of no text, and no end of the last line.
    let random = &mut answer.random;
    let mut bytes = b"\n\n\r\n".to_vec();
    for _ in 0..random.u8(5..12) {
        bytes.extend((0..random.u8(0..30)).map(|_| random.u8(..)));
        bytes.extend([0, 255, b'[', b'\n']);
    }
    bytes.extend(b"the end");
    let image = answer.assemble("lines", Place::Real, &printing(&bytes))?;
    let plain = answer.run([text(&image)]).finish()?;
    plain.stdout(&bytes)?;
    let ran = answer.run(["--timestamps", text(&image)]).finish()?;
    ran.status(0)?.stderr(plain.stderr_text())?;
    if stamped(&ran)?.1 != bytes {
        return ran.fail(&format!(
            "without the times it should be\n{}\nbut it is\n{}",
            bytes.escape_ascii(),
            ran.stdout_bytes().escape_ascii()
        ));
    }

    // The first line takes its time, which is when the second begins and not when it does.
    let source = "        .code16
        mov     $HYPERCALL_PORT, %dx
        mov     $10000, %cx
        mov     $'x', %bl
        mov     $HC_PUTCHAR, %al
more:   out     %al, %dx
        loop    more
        mov     $HC_NEWLINE, %al
        out     %al, %dx
        mov     $HC_PUTNUM, %al
        out     %al, %dx
        hlt
";
    let image = answer.assemble("slow", Place::Real, source)?;
    let ran = answer.run(["--timestamps", text(&image)]).finish()?;
    let (times, lines) = stamped(&ran)?;
    if lines.len() < 10_000 || times.len() != 2 {
        return ran.fail("not two lines, each with its time");
    }
    if times[0] >= times[1] {
        return ran.fail(&format!(
            "a line of 10,000 exits began at {} ms, and the next one at {} ms: a line's time is when \
             its first byte came",
            times[0], times[1]
        ));
    }

    answer.run(["--timestamps", "minimal"]).finish()?.stdout("")?.status(0)?;
    for guests in [&["hello", "hello"][..], &["counter", "hello64", "minimal"]] {
        let ran = answer.run([&["--timestamps"], guests].concat()).finish()?;
        ran.status(64)?.stdout("")?;
        ran.stderr("error: --timestamps is for a guest that is alone\n")?;
    }
    answer.run(["hello"]).finish()?.stdout("Hello, KVM!\n")?.status(0)?;
    Ok(())
}

/// The times of the lines, in milliseconds, and the lines without them.
fn stamped(ran: &Ran) -> Result<(Vec<u64>, Vec<u8>)> {
    let (mut times, mut lines) = (Vec::new(), Vec::new());
    for line in ran.stdout_bytes().split_inclusive(|byte| *byte == b'\n') {
        let Some((time, rest)) = stamp(line) else {
            return ran.fail(&format!(
                "a line that does not begin with a time as it should: {}",
                line.escape_ascii()
            ));
        };
        times.push(time);
        lines.extend(rest);
    }
    if times.is_empty() {
        return ran.fail("no line on standard output");
    }
    if !times.is_sorted() {
        return ran.fail(&format!("the times go backwards: {times:?} ms"));
    }
    Ok((times, lines))
}

fn stamp(line: &[u8]) -> Option<(u64, &[u8])> {
    let end = line.windows(2).position(|bytes| bytes == b"] ")?;
    let (stamp, rest) = line.split_at(end + 2);
    let inside = str::from_utf8(&stamp[1..end]).ok()?;
    let (seconds, thousandths) = inside.split_once('.')?;
    let (seconds, thousandths) =
        (seconds.trim_start().parse::<u64>().ok()?, thousandths.parse::<u64>().ok()?);
    let expected = format!("[{seconds:5}.{thousandths:03}] ");
    (stamp == expected.as_bytes()).then_some((seconds * 1000 + thousandths, rest))
}

/// A guest that writes this to COM1.
fn printing(bytes: &[u8]) -> String {
    let list = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "        .code16
        mov     $0x3f8, %dx
        mov     $text, %si
        mov     ${}, %cx
next:   lodsb
        out     %al, %dx
        loop    next
        hlt
text:   .byte   {list}
",
        bytes.len()
    )
}

/// Ports that any guest may use, by twos that are used equally often, in the order of the lines.
const PAIRS: [[(u16, &str); 2]; 3] = [
    [(0x60, "in"), (0x64, "in")],
    [(0x3f8, "in"), (0x3f8, "out")],
    [(0x3fd, "in"), (0x500, "out")],
];

fn ports(answer: &mut Answer) -> Result<()> {
    let ran = answer.run(["--ports", "hello"]).finish()?;
    ran.status(0)?.stdout("Hello, KVM!\n")?.stderr(
        "hello: halted after 13 exits\n       12  COM1 transmit\n        1  hlt\n       12  0x03f8 \
         out\n",
    )?;
    for round in 0..2 {
        let counts = different(&mut answer.random);
        let mut uses: Vec<_> = PAIRS
            .iter()
            .zip(counts)
            .flat_map(|(pair, count)| pair.map(|(port, direction)| (port, direction, count)))
            .collect();
        answer.random.shuffle(&mut uses);
        // As long as there is input, nobody waits for it.
        uses.sort_by_key(|(port, ..)| *port != 0x3fd);
        let source: String = uses.iter().enumerate().map(|(index, of)| using(index, *of)).collect();
        let source = format!("        .code16\n{source}        hlt\n");
        let image = answer.assemble(&format!("ports-{round}"), Place::Real, &source)?;
        let plain = answer.run([text(&image)]).input(b"a").finish()?;
        let ran = answer.run(["--ports", text(&image)]).input(b"a").finish()?;
        // By count, and else as they were.
        uses.sort_by_key(|(port, direction, count)| (u16::MAX - count, *port, *direction));
        let lines = uses
            .iter()
            .map(|(port, direction, count)| format!("{count:>9}  {port:#06x} {direction}\n"));
        let expected = plain.stderr_text() + &lines.collect::<String>();
        ran.stderr(expected)?.stdout(plain.stdout_bytes())?.status(0)?;
    }
    // An exit with two bytes is one exit, and a guest without ports has no lines.
    let times = answer.random.u16(3..30);
    let source = format!(
        "        .code16
        mov     $0x3f8, %dx
        mov     $'a' << 8 | 'b', %ax
        mov     ${times}, %cx
more:   out     %ax, %dx
        loop    more
        mov     $HYPERCALL_PORT, %dx
        mov     $7, %bl
        mov     $HC_EXIT, %al
        out     %al, %dx
"
    );
    let image = answer.assemble("words", Place::Real, &source)?;
    let ran = answer.run(["--ports", text(&image)]).finish()?;
    ran.status(7)?.stderr(format!(
        "{}: exited with status 7 after {} exits\n        1  HC_EXIT\n{times:>9}  COM1 \
         transmit\n{times:>9}  0x03f8 out\n        1  0x0500 out\n",
        image.display(),
        times + 1
    ))?;
    let minimal = "minimal: halted after 1 exit\n        1  hlt\n";
    answer.run(["--ports", "minimal"]).finish()?.status(0)?.stderr(minimal)?;
    let ran = answer.run(["hello"]).finish()?;
    ran.stderr("hello: halted after 13 exits\n       12  COM1 transmit\n        1  hlt\n")?;
    Ok(())
}

fn different(random: &mut Rng) -> [u16; 3] {
    let mut counts: Vec<_> = (2..40).collect();
    random.shuffle(&mut counts);
    [counts[0], counts[1], counts[2]]
}

/// Assembly that uses a port this often.
fn using(index: usize, (port, direction, count): (u16, &str, u16)) -> String {
    let instruction = if direction == "in" { "in      %dx, %al" } else { "out     %al, %dx" };
    format!(
        "        mov     ${port:#x}, %dx
        mov     ${count}, %cx
        mov     $'.', %bl
again{index}: mov     $HC_PUTCHAR, %al
        {instruction}
        loop    again{index}
"
    )
}

/// The kernel that the chapter boots is still one.
fn bzimage_is_accepted(answer: &Answer) -> Result<()> {
    let ran = answer.run(["linux"]).fault("open:2").finish()?;
    ran.status(69)?.stderr_has("error: /dev/kvm: ")?;
    Ok(())
}

/// Fails unless this file is refused before there is a VM.
fn is_refused(answer: &Answer, name: &str, file: &[u8], why: Option<&str>) -> Result<()> {
    let path = answer.file(name, file)?;
    let ran = answer.run(["--kernel", text(&path)]).fault("open:2").finish()?;
    ran.status(66)?.stdout("")?;
    let begin = format!("error: {}: ", path.display());
    match why {
        Some(why) => ran.stderr(format!("{begin}this kernel cannot be booted: {why}\n"))?,
        None => ran.stderr_has(&begin)?,
    };
    Ok(fs::remove_file(path)?)
}
