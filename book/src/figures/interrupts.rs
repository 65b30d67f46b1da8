//! From a device to the guest's handler.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::canvas::Fill;
use super::constants::Constants;
use super::exits::figure;
use super::sequence::Sequence;

const WIDTH: f64 = 520.0;

/// The number that `#define name` has in a file of C.
///
/// # Errors
///
/// If the file has no such line, or it is not a number.
pub fn c_number(checkout: &Path, file: &str, name: &str) -> Result<u64> {
    let text = c_text(checkout, file, name)?;
    let text = text.trim_end_matches('u');
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.with_context(|| format!("{file}: {name} is {text}, not a number"))
}

/// What `#define name` stands for in a file of C.
///
/// # Errors
///
/// If the file has no such line.
pub fn c_text(checkout: &Path, file: &str, name: &str) -> Result<String> {
    let source = fs::read_to_string(checkout.join(file)).with_context(|| file.to_owned())?;
    let found = source.lines().find_map(|line| {
        let value = line.strip_prefix("#define ")?.strip_prefix(name)?.strip_prefix(' ')?;
        Some(value.split("/*").next().unwrap_or_default().trim().to_owned())
    });
    found.with_context(|| {
        format!("{file} has no #define {name}\n  a figure shows it: adapt book/src/figures")
    })
}

/// A key, by interrupt.
pub fn interrupt_path(name: &str, checkout: &Path) -> Result<String> {
    const HEADER: &str = "guests/include/interrupts.h";
    let constants = Constants::of_chapter(checkout, "ch11-interrupts")?;
    let keyboard = |name| constants.number("keyboard", name);
    let (port, irq) = (keyboard("DATA")?, keyboard("IRQ")?);
    let vector = c_number(checkout, HEADER, "IRQ_VECTOR")? + irq;
    let (pic, eoi) = (c_number(checkout, HEADER, "PIC1")?, c_number(checkout, HEADER, "PIC_EOI")?);

    let mut sequence = Sequence::new(
        &[
            ("VMM", Fill::Vmm),
            ("KVM: PIC and APIC", Fill::Kvm),
            ("vCPU", Fill::Kvm),
            ("Guest’s code", Fill::Guest),
        ],
        0.0,
        WIDTH,
    );
    sequence.note(3, 3, Fill::Guest, "`sti`, `hlt`: sleeps; no exit");
    sequence.note(0, 0, Fill::Vmm, "input thread: a key has come");
    sequence.message(0, 1, "writes to the eventfd");
    sequence.note(1, 1, Fill::Kvm, &format!("irqfd: line {irq} goes up; not masked"));
    sequence.message(1, 2, &format!("wakes it; vector `{vector:#x}`"));
    sequence.note(
        2,
        2,
        Fill::New,
        &format!("pushes flags, `CS`, `EIP`; gate `{vector:#x}` of the IDT"),
    );
    sequence.message(2, 3, "jumps to the handler");
    sequence.message(3, 0, &format!("`IN` from port `{port:#x}`: a VM exit"));
    sequence.message(0, 3, "the scancode in `AL`; `KVM_RUN`");
    sequence.message(
        3,
        1,
        &format!("`OUT` of `{eoi:#x}` to port `{pic:#x}`: EOI, no exit to the VMM"),
    );
    sequence.message(3, 2, "`iret`");
    sequence.note(3, 3, Fill::Guest, "goes on after the `hlt`");
    figure(name, "The way of an interrupt, from a key to the guest’s handler", &sequence)
}

/// How Linux's driver prints: by interrupt.
pub fn serial_interrupt(name: &str, checkout: &Path) -> Result<String> {
    let constants = Constants::of_chapter(checkout, "ch15-linux-shell")?;
    let irq = constants.number("uart", "IRQ")?;
    let raised = format!("eventfd: IRQ {irq}");
    let mut sequence = Sequence::new(
        &[
            ("Linux’s driver", Fill::Guest),
            ("16550, in the VMM", Fill::Vmm),
            ("KVM: the interrupt controllers", Fill::Kvm),
        ],
        0.0,
        WIDTH,
    );
    sequence.note(0, 0, Fill::Guest, "a program prints");
    sequence.message(0, 1, "`IER`: tell me when there is room");
    sequence.note(1, 1, Fill::New, "there is room: always");
    sequence.message(1, 2, &raised);
    sequence.message(2, 0, &format!("the handler of IRQ {irq}"));
    sequence.message(0, 1, "reads `IIR`: why?");
    sequence.message(1, 0, "`THR` empty");
    sequence.message(0, 1, "bytes to `THR`, one exit each");
    sequence.note(1, 1, Fill::Vmm, "prints them");
    sequence.message(1, 2, &raised);
    sequence.between("and so on, until nothing is left:");
    sequence.message(0, 1, "`IER`: no more");
    sequence.between("Without the interrupt the kernel’s own log appears, for it looks by itself whether there is room. What programs print waits for ever.");
    figure(name, "How Linux prints on a serial port, by interrupt", &sequence)
}

/// What a terminal does with keys, as it is and as the VMM sets it.
pub fn terminal_modes(name: &str, _: &Path) -> Result<String> {
    let lanes = [("You", Fill::None), ("Terminal, in the kernel", Fill::Kvm), ("VMM", Fill::Vmm)];
    let mut cooked = Sequence::new(&lanes, 0.0, WIDTH);
    cooked.message(0, 1, "`h`, `o`, Backspace, `i`");
    cooked.message(1, 0, "echo: you see “hi”");
    cooked.note(1, 1, Fill::New, "keeps the line, edits it");
    cooked.message(0, 1, "Enter");
    cooked.message(1, 2, "“hi” and the end of the line");
    let mut raw = Sequence::new(&lanes, 0.0, WIDTH);
    raw.message(0, 1, "`h`");
    raw.message(1, 2, "“h”, at once");
    raw.message(2, 0, "what the guest prints: “H”, say");
    raw.message(0, 1, "Backspace");
    raw.message(1, 2, "one byte, `0x7f`");
    raw.message(0, 1, "Ctrl-C");
    raw.message(1, 2, "`SIGINT`: signals stay");

    let description =
        format!("As it is: {} As the VMM sets it: {}", cooked.description(), raw.description());
    let title = "A terminal as it is, and as the VMM sets it";
    let mut canvas = super::canvas::Canvas::new(name, title, &description, WIDTH);
    let start = super::canvas::Anchor::Start;
    canvas.strong(1.0, 12.0, start, "As it is: `ICANON` and `ECHO`");
    let end = cooked.draw(&mut canvas, 26.0);
    canvas.strong(1.0, end + 26.0, start, "As the VMM sets it: without them");
    raw.draw(&mut canvas, end + 40.0);
    canvas.finish()
}
