//! A split screen.

use std::fs;
use std::time::Duration;

use crate::Check;
use crate::answer::{Answer, text};
use crate::difference::difference;
use crate::guest::Place;
use crate::screen::{Screen, Script};
use crate::verdict::Result;

pub const CHECKS: &[(&str, Check)] = &[("panes", panes), ("lost", lost), ("sizes", sizes)];

/// What the VMM says before it switches to the alternate screen.
const HINT: &str = "Ctrl-D ends the input, Ctrl-A x the virtual machine\n";

/// A line with its tag is not longer.
const LINE_BYTES_MAX: usize = 4096;

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_A_X: &str = "\x01x";

/// What a guest does after it has printed all.
#[derive(Clone, Copy)]
enum Then {
    Halt,
    /// Runs for ever, without an exit.
    Spin,
    /// Runs for ever, and asks for input that never comes.
    Wait,
    /// Prints what is typed, up to Ctrl-D or an exclamation mark.
    Echo,
    Exit(u8),
    Crash,
}

impl Then {
    fn assembly(self) -> String {
        match self {
            Self::Halt => "        hlt\n".to_owned(),
            Self::Spin => "        jmp     .\n".to_owned(),
            Self::Wait => "        mov     $0x3fd, %dx
1:      in      %dx, %al
        jmp     1b\n"
                .to_owned(),
            Self::Echo => "1:      mov     $0x3fd, %dx
        in      %dx, %al
        test    $1, %al
        jz      1b
        mov     $0x3f8, %dx
        in      %dx, %al
        cmp     $4, %al
        je      2f
        cmp     $'!', %al
        je      2f
        out     %al, %dx
        jmp     1b
2:      hlt\n"
                .to_owned(),
            Self::Exit(status) => format!(
                "        mov     ${status}, %bl
        mov     $HC_EXIT, %al
        mov     $HYPERCALL_PORT, %dx
        out     %al, %dx\n"
            ),
            Self::Crash => "        out     %al, $0x42\n".to_owned(),
        }
    }
}

/// A guest, and what should be in its pane.
struct Guest {
    /// Of its image, in the folder where the program runs.
    file: String,
    /// What it prints; `None` if how that looks is up to the answer.
    printed: Option<String>,
}

impl Guest {
    fn new(answer: &Answer, name: &str, printed: &str, then: Then) -> Result<Self> {
        let bytes: Vec<_> = printed.bytes().map(|byte| byte.to_string()).collect();
        let source = format!(
            "        .code16
        cld
        mov     $text, %si
        mov     ${length}, %cx
        mov     $0x3f8, %dx
        rep outsb
{then}text:   .byte   {bytes}
",
            length = bytes.len(),
            then = then.assembly(),
            bytes = bytes.join(", "),
        );
        answer.assemble(name, Place::Real, &source)?;
        Ok(Self { file: format!("{name}.bin"), printed: Some(printed.to_owned()) })
    }

    /// One that prints lines, the last of which is short and has no end.
    fn random(answer: &mut Answer, name: &str, lines: usize, then: Then) -> Result<Self> {
        let printed = random_lines(answer, lines);
        let last = word(answer, 3);
        Self::new(answer, name, &format!("{printed}{last}"), then)
    }
}

/// Some lines of all lengths, and the last few longer than any pane.
fn random_lines(answer: &mut Answer, lines: usize) -> String {
    let line = |index: usize| {
        let length = if index.is_multiple_of(4) { 130 } else { answer.random.usize(1..40) };
        word(answer, length) + "\n"
    };
    (0..lines).map(line).collect()
}

fn word(answer: &mut Answer, length: usize) -> String {
    (0..length).map(|_| answer.random.alphanumeric()).collect()
}

/// Whether the panes of these guests are on the screen, and what is in them is right.
fn show(screen: &vt100::Screen, guests: &[Guest]) -> std::result::Result<(), String> {
    if !screen.alternate_screen() {
        return Err("the alternate screen is not shown".to_owned());
    }
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let (height, width) = match guests.len() {
        1 => (rows, columns),
        2 => (rows, columns / 2),
        _ => (rows / 2, columns / 2),
    };
    for (id, guest) in (0..).zip(guests) {
        let (top, left) = (id / 2 * height, id % 2 * width);
        let place = format!(
            "the pane of vCPU {id} (rows {} to {}, columns {} to {})",
            top + 1,
            top + height,
            left + 1,
            left + width
        );
        for (row, column) in [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)] {
            let cell = screen.cell(top + row, left + column);
            if cell.is_none_or(|cell| cell.contents().trim().is_empty()) {
                return Err(format!("{place} has no border all around it"));
            }
        }
        let upper_edge = screen.rows(left, width).nth(top.into()).unwrap_or_default();
        let name = match guests.len() {
            1 => guest.file.clone(),
            _ => format!("[{id} {}]", guest.file),
        };
        // In a small pane, only the beginning has room.
        let shown = name.len().min(if name.len() + 4 > width.into() { 4 } else { name.len() });
        if !upper_edge.contains(&name[..shown]) {
            return Err(format!("{place} does not have {name:?} in its upper edge"));
        }
        let Some(printed) = &guest.printed else { continue };
        let (room, columns) = (usize::from(height) - 2, usize::from(width) - 2);
        let lines: Vec<_> = printed.lines().map(|line| &line[..line.len().min(columns)]).collect();
        let expected = &lines[lines.len().saturating_sub(room)..];
        let inside = screen.rows(left + 1, width - 2).skip(usize::from(top) + 1).take(room);
        let inside: Vec<_> = inside.map(|row| row.trim_end().to_owned()).collect();
        if !inside.windows(expected.len()).any(|rows| rows == expected) {
            let rows = || inside.iter().zip(expected);
            let (row, (shown, line)) = (1..)
                .zip(rows())
                .find(|(_, (row, line))| row != *line)
                .unwrap_or((0, (&inside[0], &"")));
            return Err(format!("in {place}, row {row} inside shows {shown:?}, not {line:?}"));
        }
    }
    Ok(())
}

/// The arguments that run these guests side by side.
fn arguments(guests: &[Guest]) -> Vec<&str> {
    [&["--split"][..], &guests.iter().map(|guest| &*guest.file).collect::<Vec<_>>()].concat()
}

/// An even number from this range: halves are halves.
fn even(answer: &mut Answer, range: std::ops::Range<u16>) -> u16 {
    answer.random.u16(range) & !1
}

fn panes(answer: &mut Answer) -> Result<()> {
    let ran = answer.run(["--split", "hello"]).finish()?;
    ran.stderr("error: --split: standard output is not a terminal\n")?;
    ran.stdout("")?.status(64)?;

    for count in 1..=4 {
        let size = (even(answer, 16..30), even(answer, 60..110));
        let mut guests = Vec::new();
        for (id, name) in ["a", "b", "c", "d"].into_iter().enumerate().take(count) {
            let then = match id {
                0 => Then::Echo,
                1 if count == 2 => Then::Spin,
                _ => Then::Wait,
            };
            // Fewer lines than there is room for, or more.
            let lines = if count == 3 && id == 1 { 2 } else { 30 };
            guests.push(Guest::random(answer, &format!("{name}{count}"), lines, then)?);
        }
        if count == 4 {
            // Whatever else it is, it is not a command to the terminal.
            let command = "before\x1b[2J\x1b[H\x1b[31mafter\x1b[?1049l\x07\n";
            guests[3] =
                Guest { printed: None, ..Guest::new(answer, "escape", command, Then::Wait)? };
        }
        let script = Script { arguments: &arguments(&guests), redirections: "", size };
        let mut screen = Screen::start(answer, &script)?;
        screen.await_frame(|screen| show(screen, &guests))?;
        let typed = word(answer, 4);
        screen.type_keys(&typed)?;
        let printed = guests[0].printed.as_mut();
        printed.into_iter().for_each(|printed| *printed += &typed);
        screen.await_frame(|screen| show(screen, &guests))?;
        screen.type_keys(CTRL_A_X)?;
        screen.await_status(130)?;
    }
    Ok(())
}

fn lost(answer: &mut Answer) -> Result<()> {
    after_a_key(answer)?;
    after_ctrl_c(answer)?;
    after_ctrl_d(answer)?;
    // Nobody could press a key.
    let guests = [Guest { file: "counter".to_owned(), printed: None }];
    let redirections = "</dev/null";
    let script = Script { arguments: &arguments(&guests), redirections, size: (24, 80) };
    let mut screen = Screen::start(answer, &script)?;
    let written = screen.await_status(0)?;
    let expected =
        "0123456789\ncounter: halted after 11 exits\n       10  COM1 transmit\n        1  hlt\n";
    same(&screen, "on the usual screen", expected, &written)
}

/// All guests end, each in its own way; then a key is pressed.
fn after_a_key(answer: &mut Answer) -> Result<()> {
    let many: String = (0..3000).map(|number| format!("{number}\n")).collect();
    let long = format!("{}{}\n", random_lines(answer, 3), word(answer, 4500));
    let status = answer.random.u8(1..64);
    let guests = [
        Guest::new(answer, "many", &many, Then::Halt)?,
        Guest::new(answer, "long", &long, Then::Exit(status))?,
        Guest::random(answer, "crash", 20, Then::Crash)?,
        Guest::new(answer, "tiny", "\n\nx", Then::Halt)?,
    ];
    // What it writes without panes: the lines of each guest are in order, whoever comes between.
    let paths: Vec<_> = guests.iter().map(|guest| answer.scratch(&guest.file)).collect();
    let ran = answer.run(paths.iter().map(|path| text(path))).finish()?;
    ran.status(65)?;
    let folder = answer.scratch("");
    if by_vcpu(&ran.stdout_text()) != tagged(&guests, text(&folder)) {
        return ran.fail("without --split, something else is printed than before");
    }
    let statistics = by_vcpu(&ran.stderr_text()).replace(text(&folder), "");

    let redirections = "2>stderr";
    let script = Script { arguments: &arguments(&guests), redirections, size: (24, 80) };
    let mut screen = Screen::start(answer, &script)?;
    screen.await_frame(|screen| show(screen, &guests))?;
    screen.stays(Duration::from_millis(700))?;
    screen.type_keys("k")?;
    let written = screen.await_status(65)?;
    same(&screen, "standard output", &tagged(&guests, ""), &written)?;
    let written = fs::read_to_string(answer.scratch("stderr"))?;
    same(&screen, "standard error", &format!("{HINT}{statistics}"), &written)
}

/// Lines with those of vCPU 0 first, then those of vCPU 1, and so on. One without a tag belongs to the
/// line before.
fn by_vcpu(lines: &str) -> String {
    let mut vcpus = [const { String::new() }; 4];
    let mut current = 0;
    for line in lines.split_inclusive('\n') {
        let tag = line.strip_prefix("error: ").unwrap_or(line).strip_prefix('[');
        let id = tag.and_then(|tag| tag.split(' ').next()).and_then(|id| id.parse().ok());
        current = id.filter(|id| *id < vcpus.len()).unwrap_or(current);
        vcpus[current] += line;
    }
    vcpus.concat()
}

fn after_ctrl_c(answer: &mut Answer) -> Result<()> {
    let guests = [
        Guest::random(answer, "spin", 5, Then::Spin)?,
        Guest::random(answer, "halt", 5, Then::Halt)?,
    ];
    let script = Script { arguments: &arguments(&guests), redirections: "", size: (24, 80) };
    let mut screen = Screen::start(answer, &script)?;
    screen.await_frame(|screen| show(screen, &guests))?;
    screen.type_keys(CTRL_C)?;
    let written = screen.await_status(130)?;
    let mut expected = tagged(&guests, "");
    for (id, guest) in guests.iter().enumerate() {
        let count = guest.printed.as_deref().unwrap_or_default().len();
        let end = match id {
            0 => format!("interrupted after {count} exits\n{count:>9}  COM1 transmit\n"),
            _ => format!(
                "halted after {} exits\n{count:>9}  COM1 transmit\n        1  hlt\n",
                count + 1
            ),
        };
        expected += &format!("[{id} {}]: {end}", guest.file);
    }
    same(&screen, "on the usual screen", &expected, &written)
}

/// The end of the input is not the end of the keys.
fn after_ctrl_d(answer: &mut Answer) -> Result<()> {
    let mut guests = [
        Guest::random(answer, "echo", 3, Then::Echo)?,
        Guest::random(answer, "last", 3, Then::Halt)?,
    ];
    let redirections = "2>/dev/null";
    let script = Script { arguments: &arguments(&guests), redirections, size: (24, 80) };
    let mut screen = Screen::start(answer, &script)?;
    screen.await_frame(|screen| show(screen, &guests))?;
    let typed = word(answer, 5);
    screen.type_keys(&typed)?;
    let printed = guests[0].printed.as_mut();
    printed.into_iter().for_each(|printed| *printed += &typed);
    screen.await_frame(|screen| show(screen, &guests))?;
    screen.type_keys(CTRL_D)?;
    screen.stays(Duration::from_millis(700))?;
    screen.type_keys("k")?;
    let written = screen.await_status(0)?;
    same(&screen, "standard output", &tagged(&guests, ""), &written)
}

/// What guests side by side print, vCPU by vCPU, if their images are in this folder. A line that would
/// be too long with its tag is cut.
fn tagged(guests: &[Guest], folder: &str) -> String {
    let mut text = String::new();
    for (id, guest) in guests.iter().enumerate() {
        let tag = format!("[{id} {folder}{}] ", guest.file);
        for line in guest.printed.as_deref().unwrap_or_default().lines() {
            let parts = line.as_bytes().chunks(LINE_BYTES_MAX - tag.len());
            let parts: Vec<_> = parts.map(String::from_utf8_lossy).collect();
            text += &format!("{tag}{}\n", parts.join(&format!("\n{tag}")));
        }
    }
    text
}

fn same(screen: &Screen, what: &str, expected: &str, written: &str) -> Result<()> {
    match difference(what, expected.as_bytes(), written.as_bytes()) {
        None => Ok(()),
        Some(difference) => screen.fail(&difference),
    }
}

fn sizes(answer: &mut Answer) -> Result<()> {
    let mut guests = [
        Guest::random(answer, "a", 40, Then::Echo)?,
        Guest::random(answer, "b", 40, Then::Halt)?,
        Guest::random(answer, "c", 40, Then::Halt)?,
        Guest::random(answer, "d", 40, Then::Halt)?,
    ];
    let redirections = "2>/dev/null";
    let script = Script { arguments: &arguments(&guests), redirections, size: (24, 80) };
    let mut screen = Screen::start(answer, &script)?;
    screen.await_frame(|screen| show(screen, &guests))?;
    let mut fitting = vec![(50, 120), (8, 20)];
    fitting.extend((0..2).map(|_| (even(answer, 8..40), even(answer, 20..110))));
    for size in fitting {
        screen.resize(size)?;
        screen.await_frame(|screen| show(screen, &guests))?;
    }
    // Too small: the guests go on.
    for size in [(1, 1), (2, 3), (3, 100), (7, 5)] {
        screen.resize(size)?;
        screen.stays(Duration::from_millis(250))?;
        let key = word(answer, 1);
        screen.type_keys(&key)?;
        let printed = guests[0].printed.as_mut();
        printed.into_iter().for_each(|printed| *printed += &key);
    }
    screen.resize((20, 60))?;
    screen.await_frame(|screen| show(screen, &guests))?;
    // All have ended, and still the panes fit. A new size is not a key.
    screen.type_keys("!")?;
    for size in [(30, 100), (24, 80)] {
        screen.stays(Duration::from_millis(300))?;
        screen.resize(size)?;
        screen.await_frame(|screen| show(screen, &guests))?;
    }
    screen.type_keys("k")?;
    let written = screen.await_status(0)?;
    same(&screen, "standard output", &tagged(&guests, ""), &written)
}
