//! The modes of the CPU: how an address becomes one, and what has to be set.

use std::path::Path;

use anyhow::Result;

use super::canvas::{Anchor, Canvas, Fill, LINE, Rect};
use super::chain::Chain;
use super::constants::Constants;
use super::metrics;

const WIDTH: f64 = 520.0;
const LEFT: f64 = 196.0;

/// A mode: registers that matter, and the way of an address.
struct Mode<'a> {
    title: &'a str,
    registers: &'a [String],
    way: Chain,
}

impl Mode<'_> {
    fn draw(&self, name: &str) -> Result<String> {
        let registers = self.registers.join(", ");
        let description = format!(
            "Registers: {registers}. From an instruction’s address to memory: {}",
            self.way.description()
        );
        let title = format!("{}: what is set, and the way of an address", self.title);
        let mut canvas = Canvas::new(name, &title, &description.replace('`', ""), WIDTH);
        canvas.strong(1.0, 12.0, Anchor::Start, "What is set");
        let room = LEFT - 32.0;
        let mut y = 28.0 + 7.0;
        let mut lines = Vec::new();
        for register in self.registers {
            for line in metrics::wrap(register, room - 16.0, false) {
                lines.push((y + LINE / 2.0, line));
                y += LINE;
            }
            y += 5.0;
        }
        canvas.rect(Rect::new(1.0, 28.0, room, y - 28.0 + 2.0), Fill::Kvm);
        for (y, line) in lines {
            canvas.text(9.0, y, Anchor::Start, &line);
        }
        canvas.strong(LEFT, 12.0, Anchor::Start, "From an address to memory");
        self.way.draw(&mut canvas, 28.0);
        canvas.finish()
    }
}

/// The way of an address, to be filled.
fn way() -> Chain {
    Chain::new(LEFT, 168.0, 144.0)
}

/// Real mode.
pub fn real(name: &str, _: &Path) -> Result<String> {
    let registers = [
        "`CR0.PE` = 0",
        "`CR0.PG` = 0",
        "16-bit registers, 32-bit ones with a prefix",
        "`CS` to `SS`: a selector, a base",
        "`IDTR`: vectors of 4 bytes, at 0",
    ];
    let mut way = way();
    way.link(Fill::Guest, "selector and offset", "As in `DS:SI`, 16 bits each.");
    way.link(Fill::Kvm, "base of the segment", "A load makes it the selector × 16. KVM sets any.");
    way.link(Fill::Guest, "base + offset", "The limit is `0xffff`: 64 KiB a segment.");
    way.link(Fill::New, "physical address", "No tables, no protection. About 1 MiB in all.");
    Mode { title: "Real mode", registers: &registers.map(str::to_owned), way }.draw(name)
}

/// Protected mode.
pub fn protected(name: &str, checkout: &Path) -> Result<String> {
    let constants = Constants::of_chapter(checkout, "ch10-paging")?;
    let (gdt, idt) =
        (constants.number("layout", "GDT_ADDRESS")?, constants.number("layout", "IDT_ADDRESS")?);
    let selector = |name| constants.number("gdt", name);
    let (code, data) = (selector("CODE_SELECTOR")?, selector("DATA_SELECTOR")?);
    let registers = [
        "`CR0.PE` = 1".to_owned(),
        "`CR0.PG` = 0".to_owned(),
        format!("`GDTR`: `{gdt:#x}`"),
        format!("`IDTR`: `{idt:#x}`, gates of 8 bytes"),
        "`CS.D` = 1: 32-bit code".to_owned(),
        format!("`CS`: `{code:#04x}`, the others `{data:#04x}`"),
    ];
    let mut way = way();
    way.link(Fill::Guest, "selector and offset", "The offset has 32 bits.");
    way.link(
        Fill::Vmm,
        "descriptor in the GDT",
        "At 8 × index. Read when the register is loaded, then remembered.",
    );
    way.link(
        Fill::Kvm,
        "limit, type and ring are checked",
        "A fault if the access is not allowed.",
    );
    way.link(
        Fill::New,
        "base + offset: physical address",
        "Flat: base 0, limit 4 GiB. The address is the offset.",
    );
    Mode { title: "Protected mode, 32 bits", registers: &registers, way }.draw(name)
}

/// Protected mode with paging.
pub fn paging(name: &str, checkout: &Path) -> Result<String> {
    let constants = Constants::of_chapter(checkout, "ch10-paging")?;
    let directory = constants.number("layout", "PAGE_DIRECTORY_ADDRESS")?;
    let higher = constants.number("paging", "HIGHER_HALF")?;
    let registers = [
        "`CR0.PE` = 1".to_owned(),
        "`CR0.PG` = 1".to_owned(),
        "`CR4.PAE` = 0".to_owned(),
        format!("`CR3`: `{directory:#x}`"),
        "`CR2`: where the last page fault was".to_owned(),
        "`GDTR`, `IDTR`: linear addresses".to_owned(),
    ];
    let mut way = way();
    way.link(Fill::Guest, "base + offset: linear address", "As in protected mode.");
    way.link(Fill::Vmm, "page directory", "Bits 31:22, 1024 entries of 4 bytes.");
    way.link(Fill::Vmm, "page table", "Bits 21:12, 1024 entries.");
    way.link(
        Fill::Kvm,
        "present? writable? user?",
        "If not: #PF, with the reason in its error code.",
    );
    way.link(
        Fill::New,
        "physical address",
        &format!("Ours: linear 0 and `{higher:#x}` are both 0."),
    );
    Mode { title: "Protected mode with paging, 32 bits", registers: &registers, way }.draw(name)
}

/// Long mode.
pub fn long(name: &str, checkout: &Path) -> Result<String> {
    let constants = Constants::of_chapter(checkout, "ch13-long-mode")?;
    let pml4 = constants.number("layout", "PAGE_DIRECTORY_ADDRESS")?;
    // These have to be there: the figure says that they are set.
    for bit in ["CR4_PAE", "EFER_LME", "EFER_LMA", "CR4_OSFXSR_OSXMMEXCPT"] {
        constants.number("long_mode", bit)?;
    }
    let registers = [
        "`CR0.PE`, `CR0.PG` = 1".to_owned(),
        "`CR4.PAE` = 1".to_owned(),
        "`EFER.LME` = 1".to_owned(),
        "`EFER.LMA` = 1".to_owned(),
        format!("`CR3`: `{pml4:#x}`"),
        "`CS.L` = 1, `CS.D` = 0: 64-bit code".to_owned(),
        "`IDTR`: gates of 16 bytes".to_owned(),
        "`CR4.OSFXSR`: SSE".to_owned(),
    ];
    let mut way = way();
    way.link(
        Fill::Guest,
        "offset: linear address",
        "Bases count for `FS` and `GS` only. Canonical: bits 63 to 47 are the same.",
    );
    way.link(
        Fill::Vmm,
        "PML4, PDPT, page directory, page table",
        "Nine bits each, 512 entries of 8 bytes.",
    );
    way.link(Fill::Kvm, "present? writable? user? code?", "If not: #PF.");
    way.link(Fill::New, "physical address", "Up to 52 bits.");
    Mode { title: "Long mode, 64 bits", registers: &registers, way }.draw(name)
}
