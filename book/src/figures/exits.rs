//! From the guest to the VMM and back.

use std::path::Path;

use anyhow::Result;

use super::canvas::{Anchor, Canvas, Fill, LINE, Rect};
use super::chain::Chain;
use super::constants::Constants;
use super::sequence::Sequence;

const WIDTH: f64 = 520.0;

/// A sequence as a figure of its own.
pub fn figure(name: &str, title: &str, sequence: &Sequence) -> Result<String> {
    let mut canvas = Canvas::new(name, title, &sequence.description(), WIDTH);
    sequence.draw(&mut canvas, 2.0);
    canvas.finish()
}

/// A chain as a figure of its own.
pub fn chain_figure(name: &str, title: &str, chain: &Chain) -> Result<String> {
    let mut canvas = Canvas::new(name, title, &chain.description(), WIDTH);
    chain.draw(&mut canvas, 2.0);
    canvas.finish()
}

/// `KVM_RUN`, the exit, the match, and back.
pub fn run_loop(name: &str, _: &Path) -> Result<String> {
    let mut sequence = Sequence::new(
        &[
            ("Guest’s code", Fill::Guest),
            ("CPU", Fill::Kvm),
            ("KVM, in the kernel", Fill::Kvm),
            ("VMM, a program", Fill::Vmm),
        ],
        0.0,
        WIDTH,
    );
    sequence.message(3, 2, "`ioctl(KVM_RUN)`");
    sequence.message(2, 1, "enter: the guest’s registers");
    sequence.message(1, 0, "the next instruction");
    sequence.note(0, 0, Fill::Guest, "runs, at full speed");
    sequence.message(0, 1, "`OUT`, `IN`, `hlt` …");
    sequence.message(1, 2, "VM exit: the reason, the guest’s state");
    sequence.note(2, 2, Fill::Kvm, "Can KVM do it alone? Then enter again.");
    sequence.message(2, 3, "the call returns: `exit_reason` in the `kvm_run` page");
    sequence.note(3, 3, Fill::New, "one `match`: print, answer, or stop");
    sequence.message(3, 2, "`ioctl(KVM_RUN)` again: KVM first completes the `IN` or `OUT`");
    figure(name, "The run loop, and the way of a VM exit", &sequence)
}

/// A hypercall without an answer, and one with.
pub fn hypercall(name: &str, checkout: &Path) -> Result<String> {
    let abi = Constants::read(checkout, "guests/src")?;
    let number = |name| abi.number("hypercall", name);
    let (port, put, get) = (number("PORT")?, number("HC_PUTNUM")?, number("HC_GETCHAR")?);
    let mut sequence = Sequence::new(
        &[("Guest", Fill::Guest), ("KVM", Fill::Kvm), ("VMM", Fill::Vmm)],
        0.0,
        WIDTH,
    );
    sequence.note(0, 0, Fill::Guest, &format!("`BX` = 42, `AL` = {put} (`HC_PUTNUM`)"));
    sequence.message(0, 1, &format!("`OUT` to port `{port:#x}`: a VM exit"));
    sequence.message(1, 2, &format!("`KVM_EXIT_IO`: {put} to `{port:#x}`"));
    sequence.note(2, 2, Fill::New, "reads `BX`, writes “42”");
    sequence.message(2, 1, "`KVM_RUN`");
    sequence.message(1, 0, "goes on after the `OUT`");
    sequence.note(0, 0, Fill::Guest, &format!("`AL` = {get} (`HC_GETCHAR`)"));
    sequence.message(0, 2, &format!("`OUT` to port `{port:#x}`: the same way"));
    sequence.note(2, 2, Fill::New, "waits for a key, puts it in `EAX`");
    sequence.message(2, 0, "`KVM_SET_REGS`, `KVM_RUN`: the answer is in `EAX`");
    figure(name, "A hypercall: one that prints, and one that has an answer", &sequence)
}

/// One fault too many.
pub fn triple_fault(name: &str, _: &Path) -> Result<String> {
    let mut chain = Chain::new(1.0, 258.0, 248.0);
    chain.link(
        Fill::Guest,
        "an instruction faults",
        "A segment register is loaded, say, and the GDT has no such entry.",
    );
    chain.link(
        Fill::Kvm,
        "the CPU looks into the IDT for a handler",
        "It wants the gate with the fault’s number.",
    );
    chain.link(
        Fill::New,
        "no gate: a second fault, a double fault",
        "An IDT with limit 0 has none.",
    );
    chain.link(
        Fill::Kvm,
        "the CPU looks for the handler of #DF, the double fault",
        "Gate 8 is not there either.",
    );
    chain.link(Fill::New, "no gate: the third fault", "For that there is no handler by design.");
    chain.link(
        Fill::Kvm,
        "shutdown: the CPU stops",
        "A PC’s main board would pull its reset line.",
    );
    chain.link(Fill::Vmm, "`KVM_EXIT_SHUTDOWN`: the VMM reports a crash", "AMD’s KVM has reset the vCPU by now: its registers are those of a CPU that wakes up, `RIP` is `0xfff0`.");
    chain_figure(name, "A triple fault", &chain)
}

/// Four threads, four vCPUs, four slots, lines that are never torn.
pub fn four_vcpus(name: &str, checkout: &Path) -> Result<String> {
    let constants = Constants::of_chapter(checkout, "ch08-multi-vcpu")?;
    let memory = constants.number("main", "MEMORY_BYTES")?;
    let guests = constants.defaults("guests")?;
    let description = "Each guest has a thread of the VMM, a vCPU and a memory slot of its own. The bases of the vCPU's segments are where its slot begins. All print through one lock, whole lines with the guest's name before them.";
    let mut canvas = Canvas::new(name, "Four vCPUs side by side", description, WIDTH);
    let room = (WIDTH - 2.0) / guests.len() as f64;
    let rows = [2.0, 74.0, 166.0];
    let output = Rect::new(1.0, 268.0, WIDTH - 2.0, 30.0);
    for (id, guest) in guests.iter().enumerate() {
        let x = 1.0 + room * id as f64 + 4.0;
        let place = |y, h| Rect::new(x, y, room - 8.0, h);
        let base = id as u64 * memory;
        canvas.node(place(rows[0], 48.0), Fill::Vmm, &format!("thread {id}: `KVM_RUN`"));
        canvas.node(
            place(rows[1], 68.0),
            Fill::Kvm,
            &format!("vCPU {id}: `CS` to `SS` at `{base:#x}`"),
        );
        canvas.node(place(rows[2], 68.0), Fill::Guest, &format!("slot {id}: {guest}"));
        let middle = x + (room - 8.0) / 2.0;
        canvas.arrow(&[(middle, 51.0), (middle, 73.0)]);
        canvas.arrow(&[(middle, 143.0), (middle, 165.0)]);
        canvas.arrow(&[(middle, 235.0), (middle, output.y - 1.0)]);
        canvas.text(middle + 8.0, 251.0, Anchor::Start, "`OUT`");
    }
    canvas.node(output, Fill::New, "one lock: a line of one guest, then a line of another");
    let mut y = output.bottom() + LINE;
    for (id, guest) in guests.iter().enumerate().rev() {
        canvas.text(WIDTH / 2.0, y, Anchor::Middle, &format!("`[{id} {guest}] …`"));
        y += LINE;
    }
    canvas.finish()
}
