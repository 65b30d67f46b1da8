//! Page tables that a guest has made: random ones, with loops, and with addresses at the edges.

use arbitrary::Unstructured;
use fuzz::Target;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::root::{is_long, walk};

const MEMORY_BYTES: u64 = 16 << 20;
/// So few pages that random tables lead to each other, and the last one there is.
const PAGES: [u64; 6] =
    [0, 0x1000, 0x2000, 0x10_0000, MEMORY_BYTES - 0x2000, MEMORY_BYTES - 0x1000];

pub const TARGET: Target = Target {
    name: if crate::root::HAS_LONG_MODE { "walk" } else { "walk-32-bit" },
    seeds: || {
        let mut rng = fastrand::Rng::with_seed(10);
        (0..16).map(|_| (0..400).map(|_| rng.u8(..)).collect()).collect()
    },
    fields: &[],
    run: |bytes| _ = run(&mut Unstructured::new(bytes)),
    cases: 6_000,
    allocated_max: 1 << 20,
};

/// An address as page tables have them: mostly of a page that is there.
fn entry(bytes: &mut Unstructured) -> arbitrary::Result<u64> {
    let address = match bytes.int_in_range(0..=7)? {
        0 => bytes.arbitrary()?,
        1 => MEMORY_BYTES + u64::from(bytes.arbitrary::<u16>()?),
        _ => *bytes.choose(&PAGES)?,
    };
    let flags = if bytes.ratio(7, 8)? { 0b111 } else { bytes.arbitrary::<u16>()? & 0xfff };
    Ok(address | u64::from(flags))
}

fn run(bytes: &mut Unstructured) -> arbitrary::Result<()> {
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY_BYTES as usize)]).unwrap();
    let (is_long, cr3) = (is_long(bytes.arbitrary()?), entry(bytes)?);
    let linear: u64 = match bytes.int_in_range(0..=2)? {
        0 => bytes.arbitrary::<u32>()?.into(),
        1 => bytes.arbitrary::<u64>()?,
        _ => ((bytes.arbitrary::<u64>()? << 16) as i64 >> 16) as u64, // canonical
    };
    // Entries where the walk looks, in each of the pages, so that it goes on.
    for _ in 0..bytes.int_in_range(0..=24)? {
        let shift = *bytes.choose(&[39, 30, 21, 22, 12])?;
        let index = linear >> shift & 0x1ff;
        let at = bytes.choose(&PAGES)? + index * if is_long { 8 } else { 4 };
        let _ = memory.write_obj(entry(bytes)?, GuestAddress(at));
    }

    let (way, end) = walk(is_long, cr3, linear, &memory);
    let end = end.map(|address| address.0);
    assert!(way.lines().count() <= if is_long { 5 } else { 3 }, "{way}");
    assert_eq!(end, expected(is_long, cr3, linear, &memory), "{cr3:#x} {linear:#x}\n{way}");
    assert_eq!(end.is_some(), way.contains("physical address"), "{way}");
    Ok(())
}

/// The same by the book, for 64 bits: SDM Vol. 3A, tables 4-15 to 4-20. There is no page of 512 GiB;
/// bits that have to be 0 are the CPU's business.
fn expected(is_long: bool, cr3: u64, linear: u64, memory: &GuestMemoryMmap) -> Option<u64> {
    const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
    let read = |address| memory.read_obj::<u64>(GuestAddress(address)).ok();
    let read_short = |address| memory.read_obj::<u32>(GuestAddress(address)).ok().map(u64::from);
    if !is_long {
        let (cr3, linear) = (cr3 & 0xffff_ffff, linear & 0xffff_ffff);
        let pde = read_short(cr3 & ADDRESS | linear >> 22 << 2)?;
        let pte = (pde & 1 != 0).then_some(pde & ADDRESS | (linear >> 12 & 0x3ff) << 2)?;
        let pte = read_short(pte)?;
        return (pte & 1 != 0).then_some(pte & ADDRESS | linear & 0xfff);
    }
    let high = linear >> 47;
    (high == 0 || high == 0x1_ffff).then_some(())?;
    let mut entry = cr3;
    for level in (0..4).rev() {
        let shift = 12 + 9 * level;
        entry = read(entry & ADDRESS | (linear >> shift & 0x1ff) << 3)?;
        (entry & 1 != 0).then_some(())?;
        let is_large = entry & 1 << 7 != 0 && matches!(level, 1 | 2);
        if is_large || level == 0 {
            let offset = (1 << shift) - 1;
            return Some(entry & ADDRESS & !offset | linear & offset);
        }
    }
    None
}
