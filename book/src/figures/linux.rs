//! What Linux is given, and what it does with that.

use std::path::Path;

use anyhow::{Result, ensure};

use super::boot_fields;
use super::canvas::{Anchor, Canvas, Fill, LINE, Rect};
use super::chain::Chain;
use super::constants::Constants;
use super::exits::chain_figure;

const WIDTH: f64 = 520.0;

/// `boot_params`, with the fields that we set.
pub fn zero_page(name: &str, checkout: &Path) -> Result<String> {
    let fields = boot_fields::all(checkout)?;
    let constants = Constants::of_chapter(checkout, "ch14-linux-boot")?;
    let address = constants.number("layout", "ZERO_PAGE_ADDRESS")?;
    let words: Vec<_> = fields
        .iter()
        .map(|field| format!("offset {:#x}, {}: {}", field.offset, field.name, field.value))
        .collect();
    let description = format!(
        "The zero page is at guest physical address {address:#x}; RSI holds that when the kernel starts. {}.",
        words.join("; ").replace('`', "")
    );
    let title = "The zero page: struct boot_params, and what we set in it";
    let mut canvas = Canvas::new(name, title, &description, WIDTH);
    let (left, right) = (66.0, 246.0);
    let heading = format!("`boot_params`, at guest physical `{address:#x}`");
    canvas.strong(left, 12.0, Anchor::Start, &heading);
    let mut y = 26.0;
    let mut end = 0;
    for field in &fields {
        let is_inside = field.offset < end;
        ensure!(!is_inside || field.name.starts_with("hdr."), "{} is in another", field.name);
        if !is_inside && field.offset > end {
            canvas.text(left - 8.0, y + 9.0, Anchor::End, &format!("`{end:#x}`"));
            canvas.dashed(Rect::new(left, y, right - left, 18.0), Fill::None);
            canvas.text(right + 10.0, y + 9.0, Anchor::Start, "zeros");
            y += 18.0;
        }
        let lines = super::metrics::wrap(&field.value, WIDTH - right - 12.0, false).len() as f64;
        let height = (lines * LINE + 8.0).max(30.0);
        let indent = if is_inside { 14.0 } else { 0.0 };
        let rect = Rect::new(left + indent, y, right - left - indent, height);
        let fill = match field.name.as_str() {
            "hdr" => Fill::Guest,
            _ if field.chapter == 15 => Fill::New,
            _ => Fill::Vmm,
        };
        canvas.rect(rect, fill);
        let short = field.name.strip_prefix("hdr.").unwrap_or(&field.name);
        canvas.text(rect.middle(), rect.centre(), Anchor::Middle, &format!("`{short}`"));
        canvas.text(left - 8.0, y + 9.0, Anchor::End, &format!("`{:#x}`", field.offset));
        let top = rect.centre() - lines * LINE / 2.0;
        canvas.paragraph(right + 10.0, top, WIDTH - right - 12.0, &field.value);
        y += height;
        end = end.max(field.offset + field.bytes);
    }
    canvas.text(left - 8.0, y + 9.0, Anchor::End, &format!("`{end:#x}`"));
    canvas.dashed(Rect::new(left, y, right - left, 18.0), Fill::None);
    canvas.text(right + 10.0, y + 9.0, Anchor::Start, "zeros, up to `0x1000`");
    y += 18.0;
    let mut x = left;
    for (fill, text) in
        [(Fill::Guest, "from the file"), (Fill::Vmm, "chapter 14"), (Fill::New, "chapter 15")]
    {
        canvas.rect(Rect::new(x, y + 13.0, 14.0, 14.0), fill);
        canvas.text(x + 20.0, y + 20.0, Anchor::Start, text);
        x += 36.0 + super::metrics::width(text, false);
    }
    canvas.finish()
}

/// From the VMM's start to the shell.
pub fn boot_timeline(name: &str, _: &Path) -> Result<String> {
    let mut chain = Chain::new(1.0, 246.0, 260.0);
    let vmm = Fill::Vmm;
    chain.link(
        vmm,
        "reads the kernel and the initrd",
        "Is it a bzImage for 64 bits? Is there room?",
    );
    chain.link(
        vmm,
        "creates VM, memory, controllers, vCPU",
        "Memory slot, PICs and APICs, PIT, CPUID.",
    );
    chain.link(
        vmm,
        "writes what Linux looks for",
        "Kernel, initrd, zero page, command line, GDT, page tables; ACPI tables from chapter 15 on.",
    );
    chain.link(
        vmm,
        "sets the registers: long mode",
        "`RIP`: the kernel’s 64-bit entry. `RSI`: the zero page.",
    );
    chain.link(Fill::New, "`KVM_RUN`", "From here on the guest runs; the VMM answers exits.");
    chain.link(
        Fill::Guest,
        "the kernel unpacks itself",
        "The file holds it compressed. It needs `init_size` bytes.",
    );
    chain.link(
        Fill::Guest,
        "memory map, clock, interrupts",
        "e820, kvm-clock, the controllers of which ACPI told; the log on the console.",
    );
    chain.link(
        Fill::Guest,
        "drivers look for devices",
        "They find COM1, and nothing where nothing is. ACPI spares them some questions.",
    );
    chain.link(
        Fill::Guest,
        "unpacks the initrd",
        "Without one: no root file system, panic, reset. So ends chapter 14.",
    );
    chain.link(
        Fill::New,
        "starts `/init`, the first process",
        "It mounts `/proc`, `/sys`, `/dev`.",
    );
    chain.link(
        Fill::Guest,
        "a shell",
        "Prints and reads by interrupt. When it ends, the machine is switched off, by ACPI.",
    );
    chain_figure(name, "From the start of the VMM to a shell", &chain)
}

/// Which table leads to which.
pub fn acpi_tables(name: &str, checkout: &Path) -> Result<String> {
    let constants = Constants::of_chapter(checkout, "ch15-linux-shell")?;
    let number = |name| constants.number("acpi", name);
    let (local, io) = (number("LOCAL_APIC_ADDRESS")?, number("IO_APIC_ADDRESS")?);
    let (event, control) = (number("PM1_EVENT")?, number("PM1_CONTROL")?);
    let start = constants.number("layout", "ACPI_ADDRESS")?;
    let madt = format!("a local APIC at `{local:#x}`, of CPU 0; an I/O APIC at `{io:#x}`");
    let fadt = format!("power management at ports `{event:#x}` and `{control:#x}`");
    let dsdt = "`_S5_`: to switch off, write sleep type 0";
    let description = format!(
        "A kernel searches from {start:#x} on for the RSDP. It leads to the XSDT, and that to two tables. The MADT: {madt}. The FADT: {fadt}; it leads to the DSDT. The DSDT: {dsdt}."
    )
    .replace('`', "");
    let title = "The ACPI tables: which leads to which";
    let mut canvas = Canvas::new(name, title, &description, WIDTH);
    let (left, right, room) = (1.0, 269.0, 250.0);
    let rsdp = Rect::new(left, 2.0, room - 60.0, 48.0);
    let xsdt = Rect::new(right, 2.0, room - 60.0, 48.0);
    canvas.node(rsdp, Fill::New, "RSDP: found by its signature");
    canvas.node(xsdt, Fill::Vmm, "XSDT: a list of addresses");
    let table = |canvas: &mut Canvas, rect: Rect, title: &str, text: &str| {
        canvas.rect(rect, Fill::Vmm);
        canvas.strong(rect.x + 10.0, rect.y + 18.0, Anchor::Start, title);
        canvas.paragraph(rect.x + 10.0, rect.y + 30.0, rect.w - 20.0, text);
    };
    let second = Rect::new(left, 92.0, room, 100.0);
    let third = Rect::new(right, 92.0, room, 100.0);
    table(&mut canvas, second, "MADT: interrupt controllers", &madt);
    table(&mut canvas, third, "FADT: fixed hardware", &fadt);
    let fourth = Rect::new(right, 224.0, room, 80.0);
    table(&mut canvas, fourth, "DSDT: what has names", dsdt);
    canvas.arrow(&[(rsdp.right() + 1.0, rsdp.centre()), (xsdt.x - 1.0, xsdt.centre())]);
    let (x, bend) = (xsdt.x + 40.0, 71.0);
    canvas.arrow(&[(x, xsdt.bottom() + 1.0), (x, bend), (150.0, bend), (150.0, second.y - 1.0)]);
    canvas.arrow(&[(x + 60.0, xsdt.bottom() + 1.0), (x + 60.0, third.y - 1.0)]);
    canvas.arrow(&[(x + 60.0, third.bottom() + 1.0), (x + 60.0, fourth.y - 1.0)]);
    canvas.paragraph(left, fourth.y + 4.0, room - 16.0, &format!("The search: from `{start:#x}` to `0xfffff`, in steps of 16 bytes. The bytes of each table add up to 0."));
    canvas.finish()
}

/// Where the initrd goes, and where it must not.
pub fn initrd_placement(name: &str, checkout: &Path) -> Result<String> {
    let constants = Constants::of_chapter(checkout, "ch15-linux-shell")?;
    let page = constants.number("linux", "PAGE_BYTES")?;
    let description = "On the left the initrd is at a fixed 64 MiB: a kernel whose init_size reaches above that overwrites it while it unpacks itself. On the right it ends where memory does, or at initrd_addr_max plus 1 if that is lower; it begins at a page, and the kernel's init_size ends below.";
    let title = "Where the initrd goes, and where it must not";
    let mut canvas = Canvas::new(name, title, description, WIDTH);
    let (left, right) = (111.0, 378.0);
    let room = 140.0;
    let column = |canvas: &mut Canvas, x: f64, title: &str| {
        canvas.strong(x + room / 2.0, 12.0, Anchor::Middle, title);
        canvas.rect(Rect::new(x, 28.0, room, 262.0), Fill::None);
    };
    column(&mut canvas, left, "At a fixed address");
    canvas.node(Rect::new(left, 130.0, room, 120.0), Fill::Guest, "");
    canvas.label(Rect::new(left, 200.0, room, 50.0), "the kernel, unpacked", false);
    canvas.node(Rect::new(left, 142.0, room, 46.0), Fill::New, "initrd: overwritten");
    for (y, text) in [(130.0, "+ `init_size`"), (188.0, "64 MiB"), (250.0, "`pref_address`")] {
        canvas.text(left - 8.0, y, Anchor::End, text);
    }

    column(&mut canvas, right, "At the top");
    canvas.node(Rect::new(right, 130.0, room, 120.0), Fill::Guest, "the kernel, unpacked");
    canvas.node(Rect::new(right, 28.0, room, 46.0), Fill::New, "initrd");
    for (y, text) in [
        (28.0, "memory’s end"),
        (74.0, "a page’s start"),
        (130.0, "+ `init_size`"),
        (250.0, "`pref_address`"),
    ] {
        canvas.text(right - 8.0, y, Anchor::End, text);
    }
    let mut y = 300.0;
    for text in [
        "End: memory’s, or `initrd_addr_max` + 1 if that is lower.".to_owned(),
        format!(
            "Start: the end minus the length, rounded down to a page of {page} bytes. It must not be below `pref_address` + `init_size`: then the VMM refuses."
        ),
    ] {
        y = canvas.paragraph(1.0, y, WIDTH - 2.0, &text) + 4.0;
    }
    canvas.finish()
}
