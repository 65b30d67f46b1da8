//! A second console, and wider OUTs.

use crate::Check;
use crate::answer::{Answer, text};
use crate::guest::Place;
use crate::verdict::Result;

pub const CHECKS: &[(&str, Check)] = &[("console", console), ("probe", probe), ("wider", wider)];

const COM1: u16 = 0x3f8;
const DEBUG_CONSOLE: u16 = 0xe9;

/// One `OUT`, and what becomes of it.
struct Out {
    port: u16,
    /// 1, 2 or 4 of them.
    bytes: Vec<u8>,
}

impl Out {
    fn random(answer: &mut Answer, port: u16, width: usize) -> Self {
        Self { port, bytes: (0..width).map(|_| answer.random.u8(..)).collect() }
    }

    fn assembly(&self) -> String {
        let mut value = [0; 4];
        value[..self.bytes.len()].copy_from_slice(&self.bytes);
        let register = match self.bytes.len() {
            1 => "al",
            2 => "ax",
            _ => "eax",
        };
        let (value, port) = (u32::from_le_bytes(value), self.port);
        format!(
            "        mov     ${value:#x}, %eax\n        mov     ${port:#x}, %dx\n        out     %{register}, %dx\n"
        )
    }
}

fn console(answer: &mut Answer) -> Result<()> {
    let outs: Vec<_> = (0..60)
        .map(|_| {
            let port = if answer.random.bool() { COM1 } else { DEBUG_CONSOLE };
            Out::random(answer, port, 1)
        })
        .collect();
    let printed: Vec<u8> = outs.iter().flat_map(|out| out.bytes.clone()).collect();
    let sent: String = outs.iter().map(Out::assembly).collect();

    let image =
        answer.assemble("both", Place::Real, &format!("        .code16\n{sent}        hlt\n"))?;
    let ran = answer.run([text(&image)]).finish()?;
    let sorted = |mut bytes: Vec<u8>| {
        bytes.sort_unstable();
        bytes
    };
    let came = ran.stdout_bytes().to_vec();
    if came != printed && sorted(came) == sorted(printed.clone()) {
        return ran.fail(
            "all bytes came out, but not in the order in which they were sent: some to COM1 (0x3f8), \
             some to port 0xe9",
        );
    }
    ran.stdout(&printed)?.status(0)?;
    ran.stderr(format!("{}: halted after 61 exits\n", image.display()))?;

    // What was printed before a crash counts, too.
    let source =
        format!("        .code16\n{sent}        mov     $'!', %al\n        out     %al, $0x42\n");
    let image = answer.assemble("crash", Place::Real, &source)?;
    let ran = answer.run([text(&image)]).finish()?;
    ran.stdout(&printed)?.status(65)?;
    ran.stderr_begins(&format!(
        "error: {}: crashed after 61 exits: KVM_EXIT_IO: OUT [21] to port 0x42\n",
        image.display()
    ))?;

    // Each byte is shown at once: this guest never ends.
    let word: String = (0..12).map(|_| answer.random.lowercase()).collect();
    let sent: String = word
        .bytes()
        .map(|byte| Out { port: DEBUG_CONSOLE, bytes: vec![byte] }.assembly())
        .collect();
    let image = answer.assemble(
        "spin",
        Place::Real,
        &format!("        .code16\n{sent}        jmp     .\n"),
    )?;
    let mut terminal = answer.terminal([text(&image)], (24, 80))?;
    terminal.await_text(&word)?;
    terminal.type_keys("\x03")?;
    terminal.await_status(130)?;
    Ok(())
}

fn probe(answer: &mut Answer) -> Result<()> {
    // All of EAX but AL stays as it was.
    let before = answer.random.u32(..) & !0xff;
    let image = answer.assemble(
        "probe",
        Place::Real,
        &format!(
            "        .code16
        mov     ${before:#x}, %eax
        mov     ${DEBUG_CONSOLE:#x}, %dx
        in      %dx, %al
        mov     %eax, %ebx
        in      ${DEBUG_CONSOLE:#x}, %al
        mov     ${COM1:#x}, %dx
        out     %al, %dx
        .rept   4
        mov     %bl, %al
        out     %al, %dx
        shr     $8, %ebx
        .endr
        hlt
"
        ),
    )?;
    let ran = answer.run([text(&image)]).finish()?;
    let read = (before | u32::from(DEBUG_CONSOLE)).to_le_bytes();
    ran.stdout([&[DEBUG_CONSOLE as u8], &read[..]].concat())?.status(0)?;
    ran.stderr(format!("{}: halted after 8 exits\n", image.display()))?;

    let elsewhere = answer.random.u16(0xea..0x100);
    let others = [
        ("word", "ax", 2, DEBUG_CONSOLE),
        ("long", "eax", 4, DEBUG_CONSOLE),
        ("before", "ax", 2, DEBUG_CONSOLE - 1),
        ("elsewhere", "al", 1, elsewhere),
    ];
    for (name, register, width, port) in others {
        let source = format!(
            "        .code16
        mov     ${COM1:#x}, %dx
        mov     $'x', %al
        out     %al, %dx
        in      ${port:#x}, %{register}
        hlt
"
        );
        let image = answer.assemble(name, Place::Real, &source)?;
        let ran = answer.run([text(&image)]).finish()?;
        ran.stderr_begins(&format!(
            "error: {}: crashed after 2 exits: KVM_EXIT_IO: IN of {width} byte(s) from port {port:#x}\n",
            image.display()
        ))?;
        ran.stdout("x")?.status(65)?;
    }
    Ok(())
}

fn wider(answer: &mut Answer) -> Result<()> {
    accepted(answer)?;
    strings(answer)?;
    // One byte too far, at either end, and where there is no port behind the last.
    let refused = [
        (DEBUG_CONSOLE, 2),
        (DEBUG_CONSOLE, 4),
        (DEBUG_CONSOLE - 1, 2),
        (COM1 - 1, 2),
        (COM1 - 3, 4),
        (COM1 + 1, 4),
        (COM1 + 3, 2),
        (COM1 + 4, 1),
        (0xffff, 2),
    ];
    for (port, width) in refused {
        let so_far = Out { port: COM1, bytes: b"<".to_vec() }.assembly();
        let out = Out::random(answer, port, width);
        let source = format!("        .code16\n{so_far}{}        hlt\n", out.assembly());
        let image = answer.assemble(&format!("refused-{port:x}-{width}"), Place::Real, &source)?;
        let ran = answer.run([text(&image)]).finish()?;
        ran.stderr_begins(&format!(
            "error: {}: crashed after 2 exits: KVM_EXIT_IO: OUT {:02x?} to port {port:#x}\n",
            image.display(),
            out.bytes
        ))?;
        ran.stdout("<")?.status(65)?;
    }
    Ok(())
}

/// `OUT`s of all widths, each byte of which reaches a register of COM1.
fn accepted(answer: &mut Answer) -> Result<()> {
    let mut kinds = [(0, 1), (0, 2), (0, 4), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1)].repeat(4);
    answer.random.shuffle(&mut kinds);
    let outs: Vec<_> =
        kinds.iter().map(|(offset, width)| Out::random(answer, COM1 + offset, *width)).collect();
    let printed: Vec<u8> =
        outs.iter().filter(|out| out.port == COM1).map(|out| out.bytes[0]).collect();
    let sent: String = outs.iter().map(Out::assembly).collect();
    let image = answer.assemble(
        "accepted",
        Place::Real,
        &format!("        .code16\n{sent}        hlt\n"),
    )?;
    let ran = answer.run([text(&image)]).finish()?;
    ran.stdout(printed)?.status(0)?;
    ran.stderr(format!("{}: halted after {} exits\n", image.display(), outs.len() + 1))?;
    Ok(())
}

/// Strings of bytes, words and longs: of each round, COM1 prints the lowest byte.
fn strings(answer: &mut Answer) -> Result<()> {
    let string: Vec<u8> =
        (0..4 * answer.random.usize(5..30)).map(|_| answer.random.u8(..)).collect();
    let list: Vec<_> = string.iter().map(u8::to_string).collect();
    let mut source = format!("        .code16\n        cld\n        mov     ${COM1:#x}, %dx\n");
    let mut printed = Vec::new();
    let mut exits = 1;
    let mut kinds = [("outsb", 1), ("outsw", 2), ("outsl", 4)];
    answer.random.shuffle(&mut kinds);
    for (instruction, width) in kinds {
        let rounds = string.len() / width;
        source += &format!(
            "        mov     $string, %si\n        mov     ${rounds}, %cx\n        rep {instruction}\n"
        );
        printed.extend(string.iter().step_by(width));
        exits += rounds;
    }
    source += &format!("        hlt\nstring: .byte   {}\n", list.join(", "));
    let image = answer.assemble("strings", Place::Real, &source)?;
    let ran = answer.run([text(&image)]).finish()?;
    ran.stdout(printed)?.status(0)?;
    ran.stderr(format!("{}: halted after {exits} exits\n", image.display()))?;
    Ok(())
}
