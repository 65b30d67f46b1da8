//! A debug device, and a budget.

use std::fs;
use std::process::Command;

use crate::Check;
use crate::answer::{Answer, text};
use crate::guest::Place;
use crate::terminal::Terminal;
use crate::verdict::{Result, Stop};

pub const CHECKS: &[(&str, Check)] = &[("device", device), ("count", count), ("budget", budget)];

/// With this in ES, the device is at ES:0x10.
const HIGHEST_SEGMENT: &str = "        .code16\n        mov $0xffff, %ax\n        mov %ax, %es\n";

/// Nothing else on a terminal is made of these.
const SYMBOLS: [char; 9] = ['#', '@', '%', '&', '~', '{', '}', '|', '^'];

/// Where it is, below and beyond.
const DEVICE: u32 = 0x10_0000;
const OFFSET: u32 = 0x10;

fn device(answer: &mut Answer) -> Result<()> {
    let ran = answer.run(["mmio"]).finish()?;
    ran.stdout("A")?.stderr("mmio: halted after 2 exits\n")?.status(0)?;

    // Bytes of all kinds, in writes of all widths, with something else behind them.
    let mut bytes: Vec<u8> =
        (0..answer.random.usize(30..80)).map(|_| answer.random.u8(..)).collect();
    bytes[10..13].copy_from_slice(b"\n\x00\xff");
    let writes = writes(answer, &bytes);
    let halts = format!("{HIGHEST_SEGMENT}{writes}        hlt\n");
    let image = answer.assemble("device-halts", Place::Real, &halts)?;
    let ran = answer.run([text(&image)]).finish()?;
    let exits = bytes.len() + 1;
    ran.stdout(&bytes)?;
    ran.stderr(format!("{}: halted after {exits} exits\n", image.display()))?.status(0)?;

    // What comes then is a crash as before, and loses nothing.
    let port = answer.random.u16(0x1000..);
    let crashes =
        format!("{HIGHEST_SEGMENT}{writes}        mov ${port}, %dx\n        out %al, %dx\n");
    let image = answer.assemble("device-crashes", Place::Real, &crashes)?;
    let ran = answer.run([text(&image)]).finish()?;
    ran.stdout(&bytes)?.status(65)?.stderr_begins(&format!(
        "error: {}: crashed after {exits} exits: KVM_EXIT_IO: OUT [ff] to port {port:#x}\n",
        image.display()
    ))?;
    let offset = answer.random.u32(0x18..0xfff0);
    for (name, offset, address, bytes) in [
        ("device-beyond", OFFSET + 1, DEVICE + 1, "07, 20"),
        ("device-far", offset, DEVICE + offset - OFFSET, "07, 20"),
        // It ends in the device, and is in two pages: KVM makes two of it.
        ("device-below", OFFSET - 1, DEVICE - 1, "07"),
    ] {
        let source = format!(
            "{HIGHEST_SEGMENT}        movb $'x', %es:{OFFSET}\n        movw $0x2007, %es:{offset}\n        \
             hlt\n"
        );
        let image = answer.assemble(name, Place::Real, &source)?;
        let ran = answer.run([text(&image)]).finish()?;
        ran.stdout("x")?.status(65)?.stderr_begins(&format!(
            "error: {}: crashed after 2 exits: KVM_EXIT_MMIO: write of [{bytes}] to {address:#x}\n",
            image.display()
        ))?;
    }
    interrupted(answer)
}

/// A guest that prints and then makes no exits, until a signal comes.
fn interrupted(answer: &mut Answer) -> Result<()> {
    let random = &mut answer.random;
    let printed: String = (0..20).filter_map(|_| random.choice(SYMBOLS)).collect();
    let writes = writes(answer, printed.as_bytes());
    let source = format!("{HIGHEST_SEGMENT}{writes}        jmp .\n");
    let image = answer.assemble("device-spins", Place::Real, &source)?;
    let mut terminal = answer.terminal(["--verbose", text(&image)], (24, 80))?;
    let mut shown = terminal.await_text("exit 20: ")?;
    interrupt(&terminal, text(&image))?;
    shown += &terminal.await_text("interrupted after 20 exits")?;
    shown += &terminal.await_status(130)?;
    let symbols: String = shown.chars().filter(|symbol| SYMBOLS.contains(symbol)).collect();
    if symbols != printed {
        return terminal.fail(&format!(
            "the guest printed {printed:?}, then a signal came; on the terminal was {symbols:?}"
        ));
    }
    Ok(())
}

/// Sends SIGINT to the program that runs this image, and not to the shell that runs the program.
fn interrupt(terminal: &Terminal, image: &str) -> Result<()> {
    let arguments = format!("\0--verbose\0{image}\0");
    for entry in fs::read_dir("/proc")? {
        let process = entry?.path();
        // What is not a process, or no longer, has none.
        let command = fs::read_to_string(process.join("cmdline")).unwrap_or_default();
        let pid = process.file_name().unwrap_or_default().to_string_lossy();
        if command.ends_with(&arguments) && command.matches('\0').count() == 3 {
            return match Command::new("sh")
                .args(["-c", "kill -INT \"$0\"", &pid])
                .status()?
                .success()
            {
                true => Ok(()),
                false => Err(Stop::Broken(format!("kill -INT {pid} failed"))),
            };
        }
    }
    terminal.fail("it has ended, and the guest had not")
}

/// Instructions that write each byte, with more behind it or not.
fn writes(answer: &mut Answer, bytes: &[u8]) -> String {
    let mut source = String::new();
    for byte in bytes {
        let behind = answer.random.u32(..) << 8;
        let (width, value) = match answer.random.u8(..3) {
            0 => ('b', u32::from(*byte)),
            1 => ('w', behind & 0xff00 | u32::from(*byte)),
            _ => ('l', behind | u32::from(*byte)),
        };
        source += &format!("        mov{width} ${value:#x}, %es:{OFFSET}\n");
    }
    source
}

fn count(answer: &mut Answer) -> Result<()> {
    // More than a byte can count.
    let some = answer.random.u32(0x101..0x300);
    for printed in [0, 1, some] {
        let source = format!(
            "{HIGHEST_SEGMENT}        mov ${printed}, %cx
        jcxz read
again:  movl $0x61626364, %es:{OFFSET}
        loop again
read:   mov $0x11111111, %ebx
        mov %ebx, %ecx
        mov %ebx, %edx
        mov %es:{OFFSET}, %bl
        mov %es:{OFFSET}, %cx
        mov %es:{OFFSET}, %edx
        mov $0x55, %ax
        out %al, $0x99
"
        );
        let image = answer.assemble(&format!("count-{printed}"), Place::Real, &source)?;
        let ran = answer.run([text(&image)]).finish()?;
        ran.stderr_begins(&format!(
            "error: {}: crashed after {} exits: KVM_EXIT_IO: OUT [55] to port 0x99\n",
            image.display(),
            printed + 4
        ))?;
        let (ebx, ecx) = (0x1111_1100 | printed & 0xff, 0x1111_0000 | printed & 0xffff);
        ran.stderr_has(&format!(
            "  rax {:016x}  rbx {ebx:016x}  rcx {ecx:016x}  rdx {printed:016x}\n",
            0x55
        ))?;
        ran.stdout("d".repeat(printed as usize))?.status(65)?;
    }
    let offset = answer.random.u32(0x18..0xfff0);
    for (name, offset) in [("count-beyond", OFFSET + 1), ("count-far", offset)] {
        let source = format!("{HIGHEST_SEGMENT}        mov %es:{offset}, %bx\n        hlt\n");
        let image = answer.assemble(name, Place::Real, &source)?;
        let ran = answer.run([text(&image)]).finish()?;
        ran.status(65)?.stderr_begins(&format!(
            "error: {}: crashed after 1 exit: KVM_EXIT_MMIO: read of 2 byte(s) from {:#x}\n",
            image.display(),
            DEVICE + offset - OFFSET
        ))?;
    }
    Ok(())
}

fn budget(answer: &mut Answer) -> Result<()> {
    // One that ends by itself first, or with its last exit.
    for (guest, budget) in
        [("mmio", "2"), ("mmio", "3"), ("minimal", "1"), ("minimal", "18446744073709551615")]
    {
        let ran = answer.run(["--max-exits", budget, guest]).finish()?;
        let (printed, exits) = if guest == "mmio" { ("A", "2 exits") } else { ("", "1 exit") };
        ran.stderr(format!("{guest}: halted after {exits}\n"))?.status(0)?.stdout(printed)?;
    }
    let ran = answer.run(["--max-exits", "1", "bad-port"]).finish()?;
    ran.status(65)?.stderr_begins(
        "error: bad-port: crashed after 1 exit: KVM_EXIT_IO: OUT [55] to port 0xbad\n",
    )?;

    // One that never does.
    let letter = answer.random.alphabetic();
    let source =
        format!("{HIGHEST_SEGMENT}again:  movb $'{letter}', %es:{OFFSET}\n        jmp again\n");
    let image = answer.assemble("budget-endless", Place::Real, &source)?;
    for exits in [1, answer.random.usize(2..20), answer.random.usize(200..400)] {
        over_budget(answer, text(&image), exits, &letter.to_string().repeat(exits))?;
    }

    // One that does, but not with this budget.
    let text_printed: String = (0..10).map(|_| answer.random.alphabetic()).collect();
    let writes = writes(answer, text_printed.as_bytes());
    let source = format!("{HIGHEST_SEGMENT}{writes}        out %al, $0x99\n");
    let image = answer.assemble("budget-crashes", Place::Real, &source)?;
    over_budget(answer, text(&image), 10, &text_printed)?;
    for arguments in [&["--max-exits", "11", text(&image)][..], &[text(&image)]] {
        let ran = answer.run(arguments).finish()?;
        ran.stdout(&text_printed)?.status(65)?.stderr_begins(&format!(
            "error: {}: crashed after 11 exits: KVM_EXIT_IO: OUT [ff] to port 0x99\n",
            image.display()
        ))?;
    }

    for bad in ["0", "18446744073709551616", "0x10", "1.5", "ten"] {
        answer.run(["--max-exits", bad, "mmio"]).finish()?.status(64)?.stdout("")?;
    }
    Ok(())
}

/// The VMM ends this guest after so many exits.
fn over_budget(answer: &Answer, guest: &str, exits: usize, printed: &str) -> Result<()> {
    let ran = answer.run(["--max-exits", &exits.to_string(), guest]).finish()?;
    let plural = if exits == 1 { "" } else { "s" };
    ran.stdout(printed)?.status(65)?.stderr_begins(&format!(
        "error: {guest}: crashed after {exits} exit{plural}: over its budget\n"
    ))?;
    let report = ran.stderr_text();
    if !report.lines().nth(1).is_some_and(|line| line.starts_with("  rip ")) {
        return ran.fail("the usual report, with the registers, does not follow on standard error");
    }
    Ok(())
}
