//! Memory, as the host, the guest and its programs see it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::canvas::{Anchor, Canvas, Fill, LINE, Rect};
use super::constants::Constants;
use super::interrupts::{c_number, c_text};

const WIDTH: f64 = 520.0;

/// The VMM's memory is the guest's.
pub fn ram_as_slot(name: &str, checkout: &Path) -> Result<String> {
    let constants = Constants::of_chapter(checkout, "ch02-guest-memory")?;
    let bytes = constants.number("main", "MEMORY_BYTES")?;
    let byte = constants.variable("main", "guest_address")?;
    let description = format!(
        "On the left the VMM's own address space, in which mmap has made {bytes:#x} bytes at some host virtual address. On the right the guest's physical memory from 0 to {bytes:#x}. A memory slot ties them together: guest_phys_addr, memory_size, userspace_addr. The byte at guest physical {byte:#x} is at the host virtual address plus {byte:#x}."
    );
    let title = "The VMM’s memory is the guest’s: a memory slot";
    let mut canvas = Canvas::new(name, title, &description, WIDTH);
    let (left, right) = (94.0, 336.0);
    let column = 90.0;
    canvas.strong(left + column / 2.0, 12.0, Anchor::Middle, "VMM’s addresses");
    canvas.strong(right + column / 2.0, 12.0, Anchor::Middle, "guest’s physical");
    canvas.dashed(Rect::new(left, 26.0, column, 210.0), Fill::None);
    let host = Rect::new(left, 66.0, column, 120.0);
    let guest = Rect::new(right, 116.0, column, 120.0);
    canvas.node(host, Fill::Vmm, "`mmap`");
    canvas.node(guest, Fill::Guest, "memory");
    canvas.text(left - 8.0, host.bottom(), Anchor::End, "HVA");
    canvas.text(left - 8.0, host.bottom() - 34.0, Anchor::End, &format!("+ `{byte:#x}`"));
    canvas.text(left - 8.0, host.y, Anchor::End, &format!("+ `{bytes:#x}`"));
    canvas.text(guest.right() + 8.0, guest.bottom(), Anchor::Start, "`0x0`");
    canvas.text(guest.right() + 8.0, guest.bottom() - 34.0, Anchor::Start, &format!("`{byte:#x}`"));
    canvas.text(guest.right() + 8.0, guest.y, Anchor::Start, &format!("`{bytes:#x}`"));
    for (from, to) in [(host.y, guest.y), (host.bottom(), guest.bottom())] {
        canvas.dashes(&[(host.right(), from), (right, to)]);
    }
    canvas
        .arrow(&[(host.right() + 1.0, host.bottom() - 34.0), (right - 1.0, guest.bottom() - 34.0)]);
    let slot = Rect::new(left, 262.0, guest.right() - left, 94.0);
    canvas.rect(slot, Fill::New);
    canvas.strong(slot.x + 10.0, slot.y + 16.0, Anchor::Start, "Slot 0");
    for (index, text) in [
        "`guest_phys_addr`: where the guest sees it",
        "`memory_size`: how much of it",
        "`userspace_addr`: where we have it, HVA",
    ]
    .iter()
    .enumerate()
    {
        let y = slot.y + 36.0 + LINE * index as f64;
        canvas.text(slot.x + 10.0, y, Anchor::Start, text);
    }
    canvas.finish()
}

/// From a file to memory.
pub fn elf_segments(name: &str, _: &Path) -> Result<String> {
    let description = "The ELF file has an ELF header, program headers, the bytes of segments, and sections and symbols that loading does not need. Each program header of type PT_LOAD says: from p_offset in the file copy p_filesz bytes to the physical address p_paddr; up to p_memsz bytes there are zeros. The entry is where the guest starts.";
    let title = "From an ELF file to guest memory";
    let mut canvas = Canvas::new(name, title, description, WIDTH);
    let (left, right) = (1.0, 290.0);
    let (file_room, room) = (172.0, 132.0);
    canvas.strong(left + file_room / 2.0, 12.0, Anchor::Middle, "The file");
    canvas.strong(right + room / 2.0, 12.0, Anchor::Middle, "Guest memory");
    let rect = |x, y, w, h| Rect::new(x, y, w, h);
    canvas.node(rect(left, 28.0, file_room, 48.0), Fill::Kvm, "ELF header: `e_entry`");
    canvas.node(rect(left, 76.0, file_room, 48.0), Fill::Kvm, "program headers: `PT_LOAD`");
    let code = rect(left, 124.0, file_room, 48.0);
    let data = rect(left, 172.0, file_room, 34.0);
    canvas.node(code, Fill::Guest, "code, read-only data");
    canvas.node(data, Fill::Guest, "data");
    canvas.node(rect(left, 206.0, file_room, 48.0), Fill::None, "sections, symbols: not loaded");

    let memory = rect(right, 28.0, room, 226.0);
    canvas.rect(memory, Fill::None);
    let code_there = rect(right, 196.0, room, 48.0);
    let data_there = rect(right, 124.0, room, 34.0);
    let zeros = rect(right, 90.0, room, 34.0);
    canvas.node(code_there, Fill::Guest, "code");
    canvas.node(data_there, Fill::Guest, "data");
    canvas.node(zeros, Fill::New, "zeros");
    canvas.arrow(&[(code.right() + 1.0, code.centre()), (right - 1.0, code_there.centre())]);
    canvas.arrow(&[(data.right() + 1.0, data.centre()), (right - 1.0, data_there.centre())]);
    let x = memory.right() + 8.0;
    for (y, text) in [
        (zeros.y, "`+ p_memsz`"),
        (data_there.y, "`+ p_filesz`"),
        (data_there.bottom(), "`p_paddr`"),
        (code_there.y, "`+ p_filesz`"),
        (code_there.bottom(), "`p_paddr`"),
    ] {
        canvas.text(x, y, Anchor::Start, text);
    }
    let y = memory.bottom() + 8.0;
    canvas.paragraph(1.0, y, WIDTH - 2.0, "Addresses go up. `p_offset` is where a segment’s bytes are in the file. `EIP` becomes `e_entry`, which must be in one of the segments.");
    canvas.finish()
}

/// What processes of the 1K OS see.
pub fn processes(name: &str, checkout: &Path) -> Result<String> {
    const HEADER: &str = "os-1k/kernel/kernel.h";
    const X86: &str = "os-1k/kernel/x86.h";
    let base = c_number(checkout, HEADER, "KERNEL_BASE")?;
    let page = c_number(checkout, X86, "PAGE")?;
    let vector = c_number(checkout, X86, "SYSCALL_VECTOR")?;
    for (macro_name, is) in [("USER_STACK_TOP", "(KERNEL_BASE - PAGE)"), ("USER_START", "PAGE")] {
        let text = c_text(checkout, HEADER, macro_name)?;
        ensure!(text == is, "{HEADER}: {macro_name} is {text}, the figure has {is}");
    }
    let program = program_address(checkout)?;
    let stack = base - page;

    let description = format!(
        "Two processes, each with a page directory of its own. Below {base:#x} each has its own program at {program:#x} and its own stack below {stack:#x}, in ring 3; between them nothing is mapped, nor is the first page. From {base:#x} on both have the kernel and all physical memory, in ring 0. A program calls the kernel by int {vector:#x}; the kernel switches between processes by loading CR3."
    );
    let title = "Processes of the 1K OS: what each sees, and what they share";
    let mut canvas = Canvas::new(name, title, &description, WIDTH);
    let columns = [(110.0, "Process 1"), (318.0, "Process 2")];
    let room = 190.0;
    for (x, title) in columns {
        canvas.strong(x + room / 2.0, 12.0, Anchor::Middle, title);
        let rect = |y, h| Rect::new(x, y, room, h);
        canvas.node(rect(118.0, 30.0), Fill::Guest, "its stack");
        canvas.dashed(rect(148.0, 40.0), Fill::None);
        canvas.label(rect(148.0, 40.0), "a page fault", false);
        canvas.node(rect(188.0, 40.0), Fill::Guest, "its program: ring 3");
        canvas.dashed(rect(228.0, 26.0), Fill::None);
        canvas.label(rect(228.0, 26.0), "a page fault", false);
        canvas.arrow(&[(x + 40.0, 187.0), (x + 40.0, 101.0)]);
    }
    let both = Rect::new(columns[0].0, 28.0, columns[1].0 + room - columns[0].0, 72.0);
    canvas.node(
        both,
        Fill::New,
        "the kernel, and all physical memory: ring 0, the same in all page directories",
    );
    canvas.text(both.middle(), 110.0, Anchor::Middle, &format!("`int {vector:#x}`"));
    for (y, address) in [(100.0, base), (118.0, stack), (228.0, program)] {
        canvas.text(columns[0].0 - 8.0, y, Anchor::End, &format!("`{address:#x}`"));
    }
    canvas.text(columns[0].0 - 8.0, 254.0, Anchor::End, "`0x0`");
    canvas.paragraph(1.0, 266.0, WIDTH - 2.0, "The timer interrupts a program; the kernel then loads `CR3` with the page directory of the next one, and its stack.");
    canvas.finish()
}

/// Where the linker puts a program of the 1K OS.
fn program_address(checkout: &Path) -> Result<u64> {
    const SCRIPT: &str = "os-1k/user/user.ld";
    let script = fs::read_to_string(checkout.join(SCRIPT)).context(SCRIPT)?;
    let address = script
        .lines()
        .find_map(|line| line.trim().strip_prefix(". = 0x")?.strip_suffix(" + SIZEOF_HEADERS;"));
    let address =
        address.with_context(|| format!("{SCRIPT} does not say where a program begins"))?;
    u64::from_str_radix(address, 16).context(SCRIPT)
}

/// A KVM where there is none.
pub fn nest(name: &str, _: &Path) -> Result<String> {
    let layers = [
        (Fill::None, "Your machine: no usable `/dev/kvm`"),
        (Fill::Vmm, "QEMU: emulates an AMD CPU with SVM"),
        (Fill::Kvm, "Linux, with `kvm-amd`"),
        (Fill::Vmm, "The chapter: the VMM"),
        (Fill::New, "The chapter’s guest"),
    ];
    let words: Vec<_> = layers.iter().map(|(_, text)| text.replace('`', "")).collect();
    let description = format!(
        "One in the other, from the outermost to the innermost: {}. The terminal, the files, signals and the exit status are passed through.",
        words.join("; ")
    );
    let mut canvas =
        Canvas::new(name, "The nest: an emulated machine with a complete KVM", &description, WIDTH);
    let count = layers.len() as f64;
    for (index, (fill, text)) in layers.iter().enumerate() {
        let inset = index as f64;
        let top = 2.0 + 38.0 * inset;
        let height = 38.0 * (count - inset) + 10.0 * (count - inset - 1.0);
        let rect = Rect::new(1.0 + 14.0 * inset, top, WIDTH - 2.0 - 28.0 * inset, height);
        canvas.background(rect);
        canvas.rect(rect, *fill);
        canvas.styled(WIDTH / 2.0, top + 19.0, Anchor::Middle, text, *fill == Fill::New);
    }
    canvas.paragraph(
        1.0,
        2.0 + 38.0 * count + 10.0 * (count - 1.0) + 6.0,
        WIDTH - 2.0,
        "Passed through: the terminal, the files under their own paths, signals, the exit status.",
    );
    canvas.finish()
}
