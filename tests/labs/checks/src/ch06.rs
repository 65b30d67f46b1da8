//! More of the 16550.

use crate::Check;
use crate::answer::{Answer, text};
use crate::difference::difference;
use crate::guest::Place;
use crate::verdict::Result;

pub const CHECKS: &[(&str, Check)] =
    &[("scratch", scratch), ("loopback", loopback), ("break", line_break)];

const DATA: u16 = 0x3f8;
const MODEM_CONTROL: u16 = 0x3fc;
const LINE_STATUS: u16 = 0x3fd;
const SCRATCH: u16 = 0x3ff;

const CTRL_D: u8 = 0x04;

/// What all these guests need. A byte is read from the port in DX, kept, and printed when all is done:
/// in between, the UART may be talking to itself.
const MACROS: &str = "        .code16
        .macro  send port, byte
        mov     $\\port, %dx
        mov     $\\byte, %al
        out     %al, %dx
        .endm
        .macro  keep port
        mov     $\\port, %dx
        in      %dx, %al
        stosb
        .endm
        .macro  await_key
        mov     $0x3fd, %dx
1:      in      %dx, %al
        test    $1, %al
        jz      1b
        .endm
        mov     $0x4000, %di
        jmp     start

print:  mov     $0x3f8, %dx             # the text at SI
2:      lodsb
        test    %al, %al
        jz      3f
        out     %al, %dx
        jmp     2b
3:      ret

hex:    mov     $0x3f8, %dx             # AL and the end of the line
        mov     %al, %bl
        shr     $4, %al
        call    digit
        mov     %bl, %al
        and     $15, %al
        call    digit
        mov     $'\\n', %al
        out     %al, %dx
        ret
digit:  add     $'0', %al
        cmp     $'9', %al
        jbe     4f
        add     $'a' - '9' - 1, %al
4:      out     %al, %dx
        ret
";

/// A guest that sends and reads in an order, and then prints what it has read; and what that should be.
struct Script {
    steps: String,
    reads: Vec<(String, u8)>,
}

impl Script {
    fn new() -> Self {
        Self { steps: String::new(), reads: Vec::new() }
    }

    fn send(&mut self, port: u16, byte: u8) {
        self.steps += &format!("        send    {port:#x}, {byte}\n");
    }

    /// Reads from `port`; the line that tells of it begins with `what`.
    fn read(&mut self, port: u16, expected: u8, what: &str) {
        self.steps += &format!("        keep    {port:#x}\n");
        self.reads.push((what.to_owned(), expected));
    }

    fn await_key(&mut self) {
        self.steps += "        await_key\n";
    }

    /// Runs it with this on standard input. `printed` is what it sends while nothing is looped back.
    fn run(self, answer: &Answer, name: &str, input: &[u8], printed: &[u8]) -> Result<()> {
        let mut source = format!("{MACROS}start:\n{}", self.steps);
        source += "        send    0x3fc, 0\n        send    0x3f8, '\\n'\n";
        let mut texts = String::new();
        let mut expected = [printed, b"\n"].concat();
        for (index, (what, byte)) in self.reads.iter().enumerate() {
            source += &format!(
                "        mov     $text{index}, %si\n        call    print\n        mov     \
                 0x4000 + {index}, %al\n        call    hex\n"
            );
            texts += &format!("text{index}: .asciz \"{what}: \"\n");
            expected.extend(format!("{what}: {byte:02x}\n").into_bytes());
        }
        source += &format!("        hlt\n{texts}");
        let image = answer.assemble(name, Place::Real, &source)?;
        let ran = answer.run([text(&image)]).input(input).finish()?;
        ran.stdout(expected)?.status(0)?;
        Ok(())
    }
}

fn scratch(answer: &mut Answer) -> Result<()> {
    let mut script = Script::new();
    let mut printed = Vec::new();
    script.read(SCRATCH, 0, "scratch register at first");
    for _ in 0..12 {
        // Bytes that would mean something elsewhere are among them.
        let byte = if answer.random.bool() { answer.random.u8(..) } else { 0x10 };
        script.send(SCRATCH, answer.random.u8(..));
        script.send(SCRATCH, byte);
        script.read(SCRATCH, byte, &format!("after {byte:02x}"));
        let letter = answer.random.alphabetic() as u8;
        script.send(DATA, letter);
        printed.push(letter);
        script.read(SCRATCH, byte, &format!("after {byte:02x} and a byte to COM1"));
    }
    script.run(answer, "scratch", b"", &printed)
}

fn loopback(answer: &mut Answer) -> Result<()> {
    registers(answer)?;
    looped(answer)?;
    keyboard(answer)
}

/// The modem control register by itself.
fn registers(answer: &mut Answer) -> Result<()> {
    let mut script = Script::new();
    script.read(MODEM_CONTROL, 0, "modem control at first");
    for byte in [0xff, 0xef, 0x10, answer.random.u8(..), answer.random.u8(..)] {
        script.send(MODEM_CONTROL, byte);
        script.read(MODEM_CONTROL, byte & 0x1f, &format!("modem control after {byte:02x}"));
    }
    // All bits but one: what is sent is printed.
    script.send(MODEM_CONTROL, 0xef);
    let letter = answer.random.alphabetic() as u8;
    script.send(DATA, letter);
    script.run(answer, "modem-control", b"", &[letter])
}

/// Bytes that the guest sends to itself.
fn looped(answer: &mut Answer) -> Result<()> {
    let mut script = Script::new();
    let on = |answer: &mut Answer| 0x10 | answer.random.u8(0..0x10);
    let [a, b, c, d, e, f] = std::array::from_fn(|_| answer.random.u8(..));

    // A key waits, and is none of its business.
    script.await_key();
    let bits = on(answer);
    script.send(MODEM_CONTROL, bits);
    script.read(LINE_STATUS, 0x60, "line status, nothing sent");
    script.read(DATA, 0, "data, nothing sent");
    for byte in [a, 0, b] {
        script.send(DATA, byte);
        script.read(LINE_STATUS, 0x61, &format!("line status, {byte:02x} sent"));
        script.read(LINE_STATUS, 0x61, "line status again");
        script.read(DATA, byte, "data");
        script.read(LINE_STATUS, 0x60, "line status, that is read");
        script.read(DATA, 0, "data, that is read");
    }
    script.send(DATA, c);
    script.send(DATA, d);
    script.read(LINE_STATUS, 0x63, &format!("line status, {c:02x} and {d:02x} sent"));
    script.read(LINE_STATUS, 0x61, "line status again");
    script.read(DATA, d, "data");
    script.read(DATA, 0, "data again");

    // That the byte has been read does not end the overrun.
    for byte in [d, e, f] {
        script.send(DATA, byte);
    }
    script.read(DATA, f, &format!("data, {d:02x}, {e:02x} and {f:02x} sent"));
    script.read(LINE_STATUS, 0x62, "line status, that is read");
    script.read(LINE_STATUS, 0x60, "line status again");

    // Other bits of modem control make no difference, but bit 4 does.
    script.send(DATA, a);
    let bits = on(answer);
    script.send(MODEM_CONTROL, bits);
    script.read(
        LINE_STATUS,
        0x61,
        &format!("line status, {a:02x} sent, {bits:02x} to modem control"),
    );
    script.read(DATA, a, "data");
    script.send(DATA, b);
    script.send(DATA, c);
    script.send(MODEM_CONTROL, bits & 0xf);
    let letter = answer.random.alphabetic() as u8;
    script.send(DATA, letter);
    script.send(MODEM_CONTROL, bits);
    script.read(LINE_STATUS, 0x60, "line status, bit 4 cleared and set");
    script.read(DATA, 0, "data, bit 4 cleared and set");
    script.run(answer, "loopback", b"k", &[letter])
}

/// What is typed meanwhile waits.
fn keyboard(answer: &mut Answer) -> Result<()> {
    let keys: Vec<u8> = (0..8).map(|_| answer.random.alphanumeric() as u8).collect();
    let mut script = Script::new();
    for (index, key) in keys.iter().enumerate() {
        let byte = answer.random.u8(..);
        // Every other key has arrived, and the guest has been told.
        if index % 2 == 0 {
            script.await_key();
        }
        script.send(MODEM_CONTROL, 0x10);
        script.read(LINE_STATUS, 0x60, "looped back: line status");
        script.read(DATA, 0, "looped back: data");
        script.send(DATA, byte);
        script.read(LINE_STATUS, 0x61, &format!("looped back: line status, {byte:02x} sent"));
        if index % 3 == 0 {
            script.read(DATA, byte, "looped back: data");
        }
        script.send(MODEM_CONTROL, 0);
        script.await_key();
        script.read(LINE_STATUS, 0x61, "keyboard: line status");
        script.read(DATA, *key, "keyboard: data");
    }
    script.await_key();
    script.read(DATA, CTRL_D, "keyboard: data at the end of the input");
    script.run(answer, "keyboard", &keys, b"")
}

/// Prints, for each byte that it receives, two readings of the line status and the byte, until it
/// receives a dot. The first key it awaits makes it wait a while, so that the others are there.
const LISTENER: &str = "start:
        mov     $ready, %si
        call    print
        await_key
        mov     $0x3f8, %dx
        in      %dx, %al
        mov     $200, %cx
5:      mov     $'.', %al
        out     %al, %dx
        loop    5b
        mov     $'\\n', %al
        out     %al, %dx
6:      await_key
        mov     %al, %cl
        in      %dx, %al
        mov     %al, %ch
        mov     $0x3f8, %dx
        in      %dx, %al
        mov     %al, %bh
        mov     $first, %si
        call    print
        mov     %cl, %al
        call    hex
        mov     $again, %si
        call    print
        mov     %ch, %al
        call    hex
        mov     $data, %si
        call    print
        mov     %bh, %al
        call    hex
        cmp     $'.', %bh
        jne     6b
        hlt
ready:  .asciz \"ready\\n\"
first:  .asciz \"line status: \"
again:  .asciz \"line status again: \"
data:   .asciz \"data: \"
";

fn line_break(answer: &mut Answer) -> Result<()> {
    // What is typed, and what the guest receives.
    let letters: Vec<_> = (0..6).map(|_| answer.random.lowercase()).collect();
    let mut keys: Vec<(String, Option<u8>)> =
        letters.iter().map(|letter| (letter.to_string(), Some(*letter as u8))).collect();
    keys.extend([("b".to_owned(), Some(b'b')), ("\x01\x01".to_owned(), Some(1))]);
    keys.extend([("\x01z".to_owned(), Some(b'z')), ("\x01B".to_owned(), Some(b'B'))]);
    keys.extend(vec![("\x01b".to_owned(), None); 4]);
    answer.random.shuffle(&mut keys);
    // One follows on another, and one is the last.
    keys.extend(vec![("\x01b".to_owned(), None); 2]);
    keys.push((".".to_owned(), Some(b'.')));

    let image = answer.assemble("listener", Place::Real, &format!("{MACROS}{LISTENER}"))?;
    let mut terminal = answer.terminal([text(&image)], (24, 80))?;
    terminal.await_text("ready\r\n")?;
    let typed: String = keys.iter().map(|(typed, _)| &**typed).collect();
    terminal.type_keys(&format!(">{typed}"))?;
    let shown = terminal.await_status(0)?.replace("\r\n", "\n");
    let (shown, _) = shown.split_once(text(&image)).unwrap_or((&shown, ""));
    let received: Vec<_> = keys.iter().map(|(_, received)| *received).collect();
    if let Some(difference) = difference("terminal", heard(&received).as_bytes(), shown.as_bytes())
    {
        return terminal.fail(&format!("typed: >{}\n{difference}", typed.escape_default()));
    }

    // The other keys of the VMM are what they were.
    let mut terminal = answer.terminal([text(&image)], (24, 80))?;
    terminal.await_text("ready\r\n")?;
    terminal.type_keys(">\x01b\x01x")?;
    terminal.await_status(130)?;

    // In a pipe, all are bytes.
    let received: Vec<_> = typed.bytes().map(Some).collect();
    let ran = answer.run([text(&image)]).input(format!(">{typed}").as_bytes()).finish()?;
    ran.stdout(format!("ready\n{}", heard(&received)))?.status(0)?;
    Ok(())
}

/// What the listener prints after it is ready.
fn heard(received: &[Option<u8>]) -> String {
    let mut text = format!("{}\n", ".".repeat(200));
    for received in received {
        let first = if received.is_none() { 0x71 } else { 0x61 };
        let byte = received.unwrap_or(0);
        text += &format!("line status: {first:02x}\nline status again: 61\ndata: {byte:02x}\n");
    }
    text
}
