//! Chapters 14 and 15: Linux.

use anyhow::{Context, Result};

use super::super::canvas::Fill;
use super::super::constants::Constants;
use super::super::memory_map::{Edge, Map};
use super::late::{DESCRIPTOR_BYTES, fill, four_levels};
use super::{Machine, guest, kvm, link, new, old, terminal, vmm};

/// How much memory Linux has, if nobody says how much: so many mebibytes.
fn memory_of_linux(constants: &Constants) -> Result<u64> {
    let default = constants.defaults("memory")?.concat();
    let mebibytes = default.strip_suffix('M').and_then(|number| number.parse::<u64>().ok());
    let mebibytes =
        mebibytes.with_context(|| format!("--memory is {default}, not a number of M"))?;
    Ok(mebibytes << 20)
}

/// What chapters 14 and 15 have in common: all below the kernel.
fn linux_map(constants: &Constants, is_new: bool) -> Result<(Map, u64)> {
    let number = |name| constants.number("layout", name);
    let memory = memory_of_linux(constants)?;
    let (zero, words) = (number("ZERO_PAGE_ADDRESS")?, number("COMMAND_LINE_ADDRESS")?);
    let (low, high) = (number("LOW_MEMORY_END")?, number("HIGH_MEMORY_START")?);
    let gdt = number("GDT_ADDRESS")?;
    let entries = constants.length("gdt", "LINUX")?;
    let mut map = Map::default();
    if !is_new {
        let reset = constants.number("linux", "RESET_FLAG")?;
        map.region(reset, 2, "reset flag: a panic?", Fill::New);
    }
    map.region(
        gdt,
        entries * DESCRIPTOR_BYTES,
        format!("GDT: {entries} descriptors"),
        fill(is_new),
    );
    map.region(zero, 4096, "zero page: `boot_params`", fill(is_new));
    map.region(words, number("COMMAND_LINE_BYTES_MAX")?, "command line", fill(is_new));
    let text = "not memory in the e820 map";
    if is_new {
        map.region(low, high - low, text, Fill::New);
    } else {
        let acpi = number("ACPI_ADDRESS")?;
        map.region(low, acpi - low, text, Fill::None);
        map.region(acpi, high - acpi, "ACPI tables, as in a ROM", Fill::New);
    }
    let (levels, end) = four_levels(constants, memory)?;
    let tables = number("PAGE_DIRECTORY_ADDRESS")?;
    map.region(tables, end - tables, levels, Fill::Vmm);
    map.pointer(gdt, "`GDTR`");
    map.pointer(zero, "`RSI`");
    map.pointer(tables, "`CR3`");
    let kernel = if is_new { Fill::New } else { Fill::Guest };
    let (start, kernel_end) = ("pref_address", "+ init_size");
    map.between(Edge::Named(start), Edge::Named(kernel_end), "the kernel: Linux", kernel);
    let entry = constants.number("linux", "ENTRY_64_OFFSET")?;
    map.pointer_to(start, format!("`RIP` {entry:#x} above"));
    Ok((map, memory))
}

/// Chapter 14.
pub fn linux_boot(constants: &Constants) -> Result<Machine> {
    let (mut map, memory) = linux_map(constants, true)?;
    map.between(Edge::Named("+ init_size"), Edge::At(memory), "free for the kernel", Fill::None);
    let port = constants.number("uart", "DATA")?;
    Ok(Machine {
        title: "Linux boots",
        bands: vec![
            terminal([old(["stderr"]), new(["stdout: the kernel’s log"])].concat()),
            vmm([
                new(["bzImage loader", "zero page", "command line"]),
                new([&format!("16550: `{port:#x}` to `{:#x}`", port + 7), "no other devices"]),
                old(["CPUID"]),
            ]
            .concat()),
            kvm(old(["VM", "vCPU 0", "PICs, APICs", "PIT: IRQ 0", "irqfd"])),
            guest([old(["long mode"]), new(["an unmodified Linux"])].concat()),
        ],
        links: vec![
            link("", "the log, up to a panic"),
            link("`KVM_RUN`", "ports and addresses that it tries"),
            link("timer interrupts", "`IN`, `OUT`, MMIO, reset"),
        ],
        map,
    })
}

/// Chapter 15.
pub fn linux_shell(constants: &Constants) -> Result<Machine> {
    let (mut map, memory) = linux_map(constants, false)?;
    let (kernel_end, initrd) = ("+ init_size", "ramdisk_image");
    map.between(Edge::Named(kernel_end), Edge::Named(initrd), "free for the kernel", Fill::None);
    map.between(Edge::Named(initrd), Edge::At(memory), "initrd: as high as can be", Fill::New);
    let irq = constants.number("uart", "IRQ")?;
    let off = constants.number("acpi", "PM1_CONTROL")?;
    Ok(Machine {
        title: "a shell on Linux",
        bands: vec![
            terminal(new(["stdin", "a shell prompt"])),
            vmm([
                new(["initrd", &format!("16550 with IRQ {irq}"), "ACPI tables", "power-off"]),
                old(["kernel", "zero page", "CPUID"]),
            ]
            .concat()),
            kvm([
                old(["VM", "vCPU 0", "PICs, APICs", "PIT: IRQ 0", "irqfd"]),
                new(["the local APIC’s timer"]),
            ]
            .concat()),
            guest([old(["Linux"]), new(["`/init`", "a shell", "our utilities"])].concat()),
        ],
        links: vec![
            link("keys", "what programs print"),
            link(
                &format!("`KVM_RUN`; a key is IRQ {irq}"),
                &format!("`OUT` to port `{off:#x}`: the end"),
            ),
            link("interrupts", "COM1, by interrupt"),
        ],
        map,
    })
}
