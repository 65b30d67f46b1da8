//! From an address that the guest uses to one in memory.

use std::path::Path;

use anyhow::Result;

use super::canvas::{Anchor, Canvas, Fill, LINE, Rect};
use super::chain::Chain;
use super::constants::Constants;
use super::exits::chain_figure;

const WIDTH: f64 = 520.0;

/// Where in its page the byte is that is looked for: anywhere.
const OFFSET: u64 = 0x234;

/// A step of a walk: a table, the index into it, and the entry.
struct Step {
    table: &'static str,
    address: u64,
    index: u64,
    bits: &'static str,
    entry: u64,
}

/// Draws a walk for `linear` through tables with entries of so many bytes.
fn walk(name: &str, title: &str, linear: u64, steps: &[Step], entry_bytes: u64) -> Result<String> {
    let page = steps.last().map_or(0, |step| step.entry & !0xfff);
    let physical = page | linear & 0xfff;
    let mut description = format!("Linear address {linear:#x}. CR3 has the first table. ");
    for step in steps {
        description += &format!(
            "{} at {:#x}, entry {}, from bits {} of the address: {:#x}. ",
            step.table, step.address, step.index, step.bits, step.entry
        );
    }
    description += &format!("Offset {:#x}: physical address {physical:#x}.", linear & 0xfff);

    let mut canvas = Canvas::new(name, title, &description, WIDTH);
    let (left, right) = (1.0, 190.0);
    let what = format!("linear address `{linear:#x}`");
    canvas.node(Rect::new(left, 2.0, WIDTH - 2.0, 30.0), Fill::Guest, &what);
    canvas.text(right + 96.0, 52.0, Anchor::Start, "`CR3`");
    canvas.arrow(&[(right + 84.0, 36.0), (right + 84.0, 68.0)]);
    let mut y = 70.0;
    for step in steps {
        let index = Rect::new(left, y + 8.0, 150.0, 52.0);
        canvas.node(index, Fill::Kvm, &format!("bits {}: index {}", step.bits, step.index));
        canvas.arrow(&[(index.right() + 1.0, index.centre()), (right - 1.0, index.centre())]);
        let table = Rect::new(right, y, WIDTH - 1.0 - right, 68.0);
        canvas.rect(table, Fill::Vmm);
        let line = |index: f64| y + 14.0 + LINE * index;
        canvas.strong(
            table.x + 10.0,
            line(0.0),
            Anchor::Start,
            &format!("{} at `{:#x}`", step.table, step.address),
        );
        let at = step.address + step.index * entry_bytes;
        canvas.text(
            table.x + 10.0,
            line(1.0),
            Anchor::Start,
            &format!("entry {}, at `{at:#x}`:", step.index),
        );
        let digits = 2 + 2 * usize::try_from(entry_bytes)?;
        canvas.text(
            table.x + 10.0,
            line(2.0),
            Anchor::Start,
            &format!("`{:#0digits$x}`", step.entry),
        );
        y = table.bottom();
        canvas.arrow(&[(right + 84.0, y + 1.0), (right + 84.0, y + 27.0)]);
        canvas.text(right + 96.0, y + 14.0, Anchor::Start, "without its lowest 12 bits");
        y += 28.0;
    }
    let offset = Rect::new(left, y, 150.0, 52.0);
    canvas.node(offset, Fill::Kvm, &format!("bits 11:0: offset `{:#x}`", linear & 0xfff));
    canvas.arrow(&[(offset.right() + 1.0, offset.centre()), (right - 1.0, offset.centre())]);
    let end = Rect::new(right, y, WIDTH - 1.0 - right, 52.0);
    canvas.node(end, Fill::New, &format!("page at `{page:#x}`: physical address `{physical:#x}`"));
    canvas.finish()
}

/// 32-bit paging: a byte of the guest's image in the higher half.
pub fn two_levels(name: &str, checkout: &Path) -> Result<String> {
    let constants = Constants::of_chapter(checkout, "ch10-paging")?;
    let of = |name| constants.number("paging", name);
    let directory = constants.number("layout", "PAGE_DIRECTORY_ADDRESS")?;
    let image = constants.number("layout", "FLAT.image")?;
    let (page, reach) = (of("PAGE_BYTES")?, of("TABLE_REACH_BYTES")?);
    let flags = of("PRESENT")? | of("WRITABLE")?;
    let linear = of("HIGHER_HALF")? + image + OFFSET;
    let table = directory + page * (1 + image / reach);
    let steps = [
        Step {
            table: "Page directory",
            address: directory,
            index: linear / reach,
            bits: "31:22",
            entry: table | flags,
        },
        Step {
            table: "Page table",
            address: table,
            index: linear / page % 1024,
            bits: "21:12",
            entry: image | flags,
        },
    ];
    walk(name, "A walk through two levels of page tables", linear, &steps, of("ENTRY_BYTES")?)
}

/// Long mode: the same.
pub fn four_levels(name: &str, checkout: &Path) -> Result<String> {
    let constants = Constants::of_chapter(checkout, "ch13-long-mode")?;
    let of = |name| constants.number("paging64", name);
    let pml4 = constants.number("layout", "PAGE_DIRECTORY_ADDRESS")?;
    let image = constants.number("layout", "FLAT.image")?;
    let (page, entries) = (of("PAGE_BYTES")?, of("ENTRIES")?);
    let flags = of("PRESENT")? | of("WRITABLE")?;
    let half = of("HIGHER_HALF_INDEX")?;
    let reach = entries * page;
    // The bits above those that the tables translate are all like the highest of these.
    let linear = (half << 39 | image | OFFSET) | if half >= entries / 2 { 0xffff << 48 } else { 0 };
    let at = |pages: u64| pml4 + pages * page;
    let table = at(3 + image / reach);
    let index = |shift: u32| linear >> shift & (entries - 1);
    let step = |table, address, shift, bits, next: u64| Step {
        table,
        address,
        index: index(shift),
        bits,
        entry: next | flags,
    };
    let steps = [
        step("PML4", pml4, 39, "47:39", at(1)),
        step("PDPT", at(1), 30, "38:30", at(2)),
        step("Page directory", at(2), 21, "29:21", table),
        step("Page table", table, 12, "20:12", image),
    ];
    walk(name, "A walk through four levels of page tables", linear, &steps, of("ENTRY_BYTES")?)
}

/// The guest's tables, then KVM's.
pub fn two_translations(name: &str, _: &Path) -> Result<String> {
    let mut chain = Chain::new(1.0, 246.0, 260.0);
    chain.link(
        Fill::Guest,
        "linear address",
        "What the guest’s instruction says, plus the segment’s base.",
    );
    chain.link(
        Fill::Guest,
        "the guest’s page tables, from `CR3`",
        "The guest’s own: two levels with 32-bit paging, four in long mode, none without `CR0.PG`.",
    );
    chain.link(Fill::New, "guest physical address", "What the guest takes for memory. The tables above are at such addresses, too: each step of the first walk needs the second.");
    chain.link(Fill::Kvm, "nested page tables (AMD), EPT (Intel)", "KVM’s, four levels or five. KVM fills them when an address is first used, from the memory slots. No slot there: `KVM_EXIT_MMIO`.");
    chain.link(Fill::New, "host physical address", "Real memory: a page of the VMM’s.");
    chain_figure(name, "Two translations: the guest’s page tables, then KVM’s", &chain)
}
