//! What the bits of an entry mean.

use std::path::Path;

use anyhow::Result;

use super::canvas::{Anchor, Canvas, Fill, LINE, Rect};
use super::constants::Constants;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 46.0;

/// Some bits, the highest first.
pub struct Field<'a> {
    /// The number of the highest bit.
    pub high: u32,
    /// The number of the lowest bit.
    pub low: u32,
    /// How wide it is drawn: not to scale.
    pub width: f64,
    /// What they are.
    pub text: &'a str,
    /// What is inside.
    pub fill: Fill,
}

impl<'a> Field<'a> {
    fn new(high: u32, low: u32, width: f64, text: &'a str, fill: Fill) -> Self {
        Self { high, low, width, text, fill }
    }
}

/// Draws fields side by side, with the numbers of their bits above. Returns where they end.
pub fn fields(canvas: &mut Canvas, top: f64, fields: &[Field]) -> f64 {
    let mut x = 1.0;
    let boxes = top + LINE;
    for field in fields {
        let rect = Rect::new(x, boxes, field.width, HEIGHT);
        canvas.rect(rect, field.fill);
        canvas.label(rect, field.text, field.fill == Fill::New);
        let y = top + LINE / 2.0;
        if field.high == field.low {
            canvas.text(rect.middle(), y, Anchor::Middle, &format!("`{}`", field.high));
        } else {
            canvas.text(x + 4.0, y, Anchor::Start, &format!("`{}`", field.high));
            canvas.text(rect.right() - 4.0, y, Anchor::End, &format!("`{}`", field.low));
        }
        x = rect.right();
    }
    boxes + HEIGHT
}

/// Two words of 32 bits, with our code segment as the example.
pub fn segment_descriptor(name: &str, checkout: &Path) -> Result<String> {
    let constants = Constants::of_chapter(checkout, "ch09-protected-mode")?;
    let number = |name| constants.number("gdt", name);
    let (access, flags, limit) = (number("CODE")?, number("PAGES_32_BIT")?, number("ALL_PAGES")?);
    let whole = limit & 0xffff | access << 40 | (limit >> 16) << 48 | flags << 52;
    let description = format!(
        "Upper half: bits 31 to 24 base 31 to 24, 23 G, 22 D/B, 21 L, 20 AVL, 19 to 16 limit 19 to 16, 15 P, 14 and 13 DPL, 12 S, 11 to 8 type, 7 to 0 base 23 to 16. Lower half: bits 31 to 16 base 15 to 0, 15 to 0 limit 15 to 0. Our code segment is {whole:#018x}."
    );
    let mut canvas = Canvas::new(name, "A segment descriptor: eight bytes", &description, WIDTH);
    canvas.strong(1.0, 12.0, Anchor::Start, "Upper half: bytes 4 to 7");
    let y = fields(
        &mut canvas,
        24.0,
        &[
            Field::new(31, 24, 76.0, "base 31:24", Fill::Guest),
            Field::new(23, 23, 30.0, "G", Fill::New),
            Field::new(22, 22, 46.0, "D/B", Fill::New),
            Field::new(21, 21, 30.0, "L", Fill::New),
            Field::new(20, 20, 46.0, "AVL", Fill::None),
            Field::new(19, 16, 62.0, "limit 19:16", Fill::Kvm),
            Field::new(15, 15, 28.0, "P", Fill::Vmm),
            Field::new(14, 13, 44.0, "DPL", Fill::Vmm),
            Field::new(12, 12, 28.0, "S", Fill::Vmm),
            Field::new(11, 8, 52.0, "type", Fill::Vmm),
            Field::new(7, 0, 76.0, "base 23:16", Fill::Guest),
        ],
    );
    canvas.strong(1.0, y + 22.0, Anchor::Start, "Lower half: bytes 0 to 3");
    let y = fields(
        &mut canvas,
        y + 34.0,
        &[
            Field::new(31, 16, 259.0, "base 15:0", Fill::Guest),
            Field::new(15, 0, 259.0, "limit 15:0", Fill::Kvm),
        ],
    );
    let mut y = y + 14.0;
    for text in [
        "G: the limit counts pages of 4 KiB. D/B: 32-bit code. L: 64-bit code.".to_owned(),
        "P: present. DPL: the ring. S: code or data, no task or gate.".to_owned(),
        format!(
            "Our flat code segment, `{whole:#018x}`: base 0, limit `{limit:#x}` pages, P to type `{access:#010b}`, G to AVL `{flags:#06b}`."
        ),
    ] {
        y = canvas.paragraph(1.0, y, WIDTH - 2.0, &text) + 4.0;
    }
    canvas.finish()
}

/// The lowest 12 bits of an entry, the same in all tables.
fn flags() -> Vec<Field<'static>> {
    let mut fields = vec![Field::new(11, 9, 46.0, "free", Fill::None)];
    for (bit, text, fill) in [
        (8, "G", Fill::Kvm),
        (7, "PS", Fill::Kvm),
        (6, "D", Fill::Kvm),
        (5, "A", Fill::Kvm),
        (4, "PCD", Fill::Kvm),
        (3, "PWT", Fill::Kvm),
        (2, "U", Fill::New),
        (1, "W", Fill::New),
        (0, "P", Fill::New),
    ] {
        fields.push(Field::new(bit, bit, 35.0, text, fill));
    }
    fields
}

/// An entry of 32 bits, and one of 64.
pub fn page_table_entry(name: &str, checkout: &Path) -> Result<String> {
    // The names of the bits that we set.
    let short = Constants::of_chapter(checkout, "ch10-paging")?;
    let long = Constants::of_chapter(checkout, "ch13-long-mode")?;
    let set = |constants: &Constants, file| -> Result<u64> {
        Ok(constants.number(file, "PRESENT")? | constants.number(file, "WRITABLE")?)
    };
    let (short, long) = (set(&short, "paging")?, set(&long, "paging64")?);
    let description = format!(
        "32 bits: 31 to 12 the address of a page, 11 to 9 free, 8 G global, 7 PS large page, 6 D dirty, 5 A accessed, 4 PCD and 3 PWT caching, 2 U user, 1 W writable, 0 P present. 64 bits: 63 NX no execution, 62 to 52 free, 51 to 12 the address of a page, and the same flags. Our tables set {short:#x} and {long:#x}: present and writable."
    );
    let title = "An entry of a page table: 32 bits and 64 bits";
    let mut canvas = Canvas::new(name, title, &description, WIDTH);
    canvas.strong(1.0, 12.0, Anchor::Start, "32-bit paging: four bytes");
    let mut entry = vec![Field::new(31, 12, 156.0, "address, bits 31:12", Fill::Guest)];
    entry.extend(flags());
    let y = fields(&mut canvas, 24.0, &entry);
    canvas.strong(1.0, y + 22.0, Anchor::Start, "Long mode: eight bytes");
    let mut entry = vec![
        Field::new(63, 63, 35.0, "NX", Fill::Kvm),
        Field::new(62, 52, 52.0, "free", Fill::None),
        Field::new(51, 12, 69.0, "address", Fill::Guest),
    ];
    entry.extend(flags());
    let y = fields(&mut canvas, y + 34.0, &entry);
    let mut y = y + 14.0;
    let ours =
        format!("P: present. W: writable. U: for ring 3, too. Ours have `{short:#x}`: P and W.");
    for text in [
        ours.as_str(),
        "A: the CPU has used it. D: it has written there. G: for all address spaces.",
        "PCD, PWT: how to cache. PS: here ends the walk, with a large page; in the last table this bit is PAT, caching again. NX: no code.",
    ] {
        y = canvas.paragraph(1.0, y, WIDTH - 2.0, text) + 4.0;
    }
    canvas.finish()
}
