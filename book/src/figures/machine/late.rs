//! Chapters 9 to 13: from protected mode to long mode.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::super::canvas::Fill;
use super::super::constants::Constants;
use super::super::memory_map::{Edge, Map};
use super::early::hypercall_port;
use super::{Machine, guest, kvm, link, new, old, size, terminal, vmm};

/// Of an entry of a GDT, of an IDT in protected mode.
pub const DESCRIPTOR_BYTES: u64 = 8;
/// Of an entry of an IDT in long mode.
const LONG_GATE_BYTES: u64 = 16;
/// What KVM wants for its TSS: three pages. KVM API document, 4.36.
const TSS_BYTES: u64 = 3 * 4096;

/// What is inside a table that the VMM has written.
pub fn fill(is_new: bool) -> Fill {
    if is_new { Fill::New } else { Fill::Vmm }
}

/// Our tables in the first page, as far as the chapter has them.
fn tables(constants: &Constants, map: &mut Map, gdt: &str, is_new: [bool; 2]) -> Result<()> {
    let entries = constants.length("gdt", gdt)?;
    let gdt = constants.number("layout", "GDT_ADDRESS")?;
    let text = format!("GDT: {entries} descriptors");
    map.region(gdt, entries * DESCRIPTOR_BYTES, text, fill(is_new[0]));
    map.pointer(gdt, "`GDTR`");
    let handlers = constants.number("layout", "HANDLERS_ADDRESS")?;
    let count = constants.length("exception", "NAMES")?;
    let bytes = count * constants.number("exception", "HANDLER_BYTES")?;
    map.region(handlers, bytes, "handlers for exceptions", fill(is_new[1]));
    Ok(())
}

fn idt(constants: &Constants, map: &mut Map, gate_bytes: u64, is_new: bool) -> Result<()> {
    let idt = constants.number("layout", "IDT_ADDRESS")?;
    let count = constants.length("exception", "NAMES")?;
    map.region(idt, count * gate_bytes, format!("IDT: {count} gates"), fill(is_new));
    map.pointer(idt, "`IDTR`");
    Ok(())
}

/// Chapter 9.
pub fn protected_mode(constants: &Constants) -> Result<Machine> {
    let number = |name| constants.number("layout", name);
    let (image, memory) = (number("FLAT.image")?, number("FLAT.memory_bytes")?);
    let (gdt, image_max) = (number("GDT_ADDRESS")?, number("FLAT.image_bytes_max")?);
    let entries = constants.length("gdt", "FLAT")?;
    let mut map = Map::default();
    let text = format!("GDT: {entries} descriptors");
    map.region(gdt, entries * DESCRIPTOR_BYTES, text, Fill::New);
    map.region(image, image_max, "the image", Fill::Guest);
    let end = image + image_max;
    map.region(end, memory - end, "free; the stack is on top", Fill::None);
    map.pointer(gdt, "`GDTR`");
    map.pointer(image, "`EIP`");
    map.pointer(memory, "`ESP`");
    let real = number("REAL.memory_bytes")?;
    Ok(Machine {
        title: "protected mode, with a table of segments",
        bands: vec![
            terminal(old(["stdin", "stdout", "stderr"])),
            vmm([
                old(["threads", "COM1", "hypercalls"]),
                new(["GDT", "mode of each guest", "findings on a crash"]),
            ]
            .concat()),
            kvm(new(["a VM for each guest: one slot, one vCPU"])),
            guest(
                [
                    new(["protected mode, 32 bits", "flat segments"]),
                    old([&format!("or real mode, {}", size(real))]),
                ]
                .concat(),
            ),
        ],
        links: vec![
            link("keys", "lines"),
            link("`KVM_SET_SREGS`, `KVM_RUN`", "exits"),
            link("enter with `CR0.PE`", "`OUT`, `IN`, `hlt`"),
        ],
        map,
    })
}

/// Chapter 10.
pub fn paging(constants: &Constants) -> Result<Machine> {
    let number = |name| constants.number("layout", name);
    let (image, memory) = (number("FLAT.image")?, number("FLAT.memory_bytes")?);
    let directory = number("PAGE_DIRECTORY_ADDRESS")?;
    let higher = constants.number("paging", "HIGHER_HALF")?;
    let page = constants.number("paging", "PAGE_BYTES")?;
    let tables_count = memory / constants.number("paging", "TABLE_REACH_BYTES")?;

    let mut map = Map::default();
    tables(constants, &mut map, "FLAT", [false, true])?;
    idt(constants, &mut map, DESCRIPTOR_BYTES, true)?;
    map.region(image, number("FLAT.image_bytes_max")?, "the image", Fill::Guest);
    map.region(directory, page, "page directory", Fill::New);
    map.region(
        directory + page,
        tables_count * page,
        format!("{tables_count} page tables"),
        Fill::New,
    );
    let end = directory + (1 + tables_count) * page;
    map.region(end, memory - end, "free; the stack is on top", Fill::None);
    map.pointer(image, format!("`EIP {:#x}`", higher + image));
    map.pointer(directory, "`CR3`");
    map.pointer(memory, format!("`ESP {:#x}`", higher + memory));
    Ok(Machine {
        title: "paging, and who hears of a page fault",
        bands: vec![
            terminal([old(["stdout", "stderr"]), new(["`--translate`"])].concat()),
            vmm([
                old(["GDT", "COM1", "hypercalls"]),
                new(["page tables", "IDT and handlers", "walks the tables"]),
            ]
            .concat()),
            kvm(old(["VM", "slot 0", "vCPU 0"])),
            guest(
                [
                    old(["protected mode"]),
                    new([
                        "paging: 4 KiB pages",
                        &format!("memory at linear `0` and at `{higher:#x}`"),
                    ]),
                ]
                .concat(),
            ),
        ],
        links: vec![
            link("keys", "lines, crash reports"),
            link("`KVM_SET_SREGS`, `KVM_RUN`", "exits"),
            link("enter with `CR0.PG`", "a handler’s `OUT`"),
        ],
        map,
    })
}

/// Chapter 11.
pub fn interrupts(constants: &Constants) -> Result<Machine> {
    let number = |name| constants.number("layout", name);
    let keyboard = |name| constants.number("keyboard", name);
    let (data, status, irq) = (keyboard("DATA")?, keyboard("STATUS")?, keyboard("IRQ")?);
    let (image, memory) = (number("FLAT.image")?, number("FLAT.memory_bytes")?);
    let mut map = Map::default();
    tables(constants, &mut map, "FLAT", [false, false])?;
    idt(constants, &mut map, DESCRIPTOR_BYTES, false)?;
    let image_max = number("FLAT.image_bytes_max")?;
    map.region(image, image_max, "the image, with an IDT of its own", Fill::Guest);
    let end = image + image_max;
    map.region(end, memory - end, "free; the stack is on top", Fill::None);
    let tss = constants.number("vm", "TSS_ADDRESS")?;
    map.apart(tss, TSS_BYTES, "three pages for KVM", Fill::New);
    map.pointer(image, "`EIP`");
    map.pointer(memory, "`ESP`");
    Ok(Machine {
        title: "interrupts, from a timer and a keyboard",
        bands: vec![
            terminal(old(["stdin", "stdout", "stderr"])),
            vmm([
                old(["hypercalls", "input thread"]),
                new([&format!("keyboard: `{data:#x}`, `{status:#x}`"), "eventfd"]),
            ]
            .concat()),
            kvm([
                old(["VM", "vCPU 0"]),
                new(["two PICs, I/O APIC, local APIC", "PIT: IRQ 0", "irqfd"]),
            ]
            .concat()),
            guest(
                [old(["protected mode"]), new(["handlers of its own", "sleeps in `hlt`"])].concat(),
            ),
        ],
        links: vec![
            link("keys", "what the guest prints"),
            link(&format!("`KVM_RUN`; a key is IRQ {irq}"), "exits, but none for `hlt`"),
            link("interrupts", "`OUT`, `IN`"),
        ],
        map,
    })
}

/// Chapter 12.
pub fn os_1k(constants: &Constants) -> Result<Machine> {
    let number = |name| constants.number("layout", name);
    let memory = number("MULTIBOOT.memory_bytes")?;
    let information = number("MULTIBOOT_ADDRESS")?;
    let (disk, disk_bytes) = (number("DISK_ADDRESS")?, number("DISK_BYTES")?);
    ensure!(disk + disk_bytes == memory, "the disk is not at the end of memory any more");
    let kernel = kernel_of_os_1k(constants)?;
    let idt_address = number("IDT_ADDRESS")?;

    let mut map = Map::default();
    tables(constants, &mut map, "FLAT", [false, false])?;
    map.region(information, idt_address - information, "Multiboot information", Fill::New);
    idt(constants, &mut map, DESCRIPTOR_BYTES, false)?;
    let end = "kernel_end";
    map.between(Edge::At(kernel), Edge::Named(end), "the kernel of the 1K OS", Fill::New);
    map.between(Edge::Named(end), Edge::At(disk), "free for the kernel", Fill::None);
    map.region(disk, disk_bytes, "disk: a tar archive", Fill::New);
    map.pointer(information, "`EBX`");
    map.pointer(kernel, "`EIP`, near here");
    Ok(Machine {
        title: "an operating system",
        bands: vec![
            terminal([old(["stdin", "stdout"]), new(["`--disk FILE`"])].concat()),
            vmm([
                new(["ELF loader", "Multiboot", "disk"]),
                old(["keyboard", "hypercalls", "GDT", "IDT"]),
            ]
            .concat()),
            kvm(old(["VM", "vCPU 0", "PICs, APICs", "PIT: IRQ 0", "irqfd"])),
            guest(new(["kernel: ring 0, its own tables", "programs: ring 3, `int 0x80`"])),
        ],
        links: vec![
            link("keys", "the shell"),
            link("`KVM_RUN`, IRQ 1", "exits"),
            link("interrupts", "hypercalls, scancodes"),
        ],
        map,
    })
}

/// Where the linker puts the 1K OS, as physical memory goes.
fn kernel_of_os_1k(constants: &Constants) -> Result<u64> {
    const SCRIPT: &str = "os-1k/kernel/kernel.ld";
    let script = fs::read_to_string(constants.checkout.join(SCRIPT)).context(SCRIPT)?;
    let digits = script
        .lines()
        .find_map(|line| line.trim().strip_prefix(". = KERNEL_BASE + 0x")?.strip_suffix(';'));
    let digits =
        digits.with_context(|| format!("{SCRIPT} does not say where the kernel begins"))?;
    u64::from_str_radix(digits, 16).context(SCRIPT)
}

/// Chapter 13.
pub fn long_mode(constants: &Constants) -> Result<Machine> {
    let number = |name| constants.number("layout", name);
    let (image, memory) = (number("FLAT.image")?, number("FLAT.memory_bytes")?);
    let mut map = Map::default();
    tables(constants, &mut map, "LONG", [true, false])?;
    idt(constants, &mut map, LONG_GATE_BYTES, true)?;
    map.region(image, number("FLAT.image_bytes_max")?, "the image", Fill::Guest);
    let (levels, end) = four_levels(constants, memory)?;
    let start = number("PAGE_DIRECTORY_ADDRESS")?;
    map.region(start, end - start, levels, Fill::New);
    map.region(end, memory - end, "free; the stack is on top", Fill::None);
    map.pointer(image, "`RIP`");
    map.pointer(start, "`CR3`");
    map.pointer(memory, "`RSP`");
    Ok(Machine {
        title: "long mode",
        bands: vec![
            terminal([old(["stdout", "stderr"]), new(["`--break`"])].concat()),
            vmm([
                new(["CPUID", "4 levels of page tables", "64-bit segments"]),
                old(["hypercalls", "devices"]),
            ]
            .concat()),
            kvm(old(["VM", "slot 0", "vCPU 0"])),
            guest(new(["long mode, 64 bits", "`CR4.PAE`", "`EFER.LME`, `EFER.LMA`"])),
        ],
        links: vec![
            link("keys", "what the guest prints"),
            link("`KVM_SET_CPUID2`, `KVM_RUN`", "exits"),
            link("enter", &format!("`OUT {:#x}`, `hlt`", hypercall_port(constants)?)),
        ],
        map,
    })
}

/// What the page tables for long mode are, and where they end.
pub fn four_levels(constants: &Constants, memory: u64) -> Result<(String, u64)> {
    let number = |name| constants.number("paging64", name);
    let (page, entries) = (number("PAGE_BYTES")?, number("ENTRIES")?);
    // One page directory reaches so far, and there is but one.
    let tables = memory.min(entries * entries * page).div_ceil(entries * page);
    let start = constants.number("layout", "PAGE_DIRECTORY_ADDRESS")?;
    let text = format!("PML4, PDPT, page directory, {tables} page tables");
    Ok((text, start + (3 + tables) * page))
}
