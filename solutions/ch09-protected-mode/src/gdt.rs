//! The global descriptor table: what the selectors in segment registers stand for.

use kvm_bindings::kvm_segment;

use crate::layout::TSS_ADDRESS;
use crate::tss;

/// The selectors of `FLAT`: byte offsets into it.
pub const CODE_SELECTOR: u16 = 1 << 3;
pub const DATA_SELECTOR: u16 = 2 << 3;

/// Present, ring 0, code, readable, accessed. SDM Vol. 3A, 3.4.5.1.
const CODE: u8 = 0b1001_1011;
/// Present, ring 0, data, writable, accessed.
const DATA: u8 = 0b1001_0011;
/// With either of them: for ring 3.
const RING_3: u8 = 3 << 5;
/// Present, ring 0, a 32-bit TSS that no task runs in yet. SDM Vol. 3A, "TSS Descriptor".
const TSS: u8 = 0b1000_1001;
/// The limit counts pages, the code is 32-bit. SDM Vol. 3A, 3.4.5.
const PAGES_32_BIT: u8 = 0b1100;
/// The highest of 20 bits.
const ALL_PAGES: u32 = 0xf_ffff;

/// Segments that hide nothing: code and data from 0 to 4 GiB, for ring 0 and for ring 3. Then the TSS,
/// which hides ports. The first entry is never used.
pub const FLAT: [u64; 6] = [
    0,
    descriptor(0, ALL_PAGES, CODE, PAGES_32_BIT),
    descriptor(0, ALL_PAGES, DATA, PAGES_32_BIT),
    descriptor(0, ALL_PAGES, CODE | RING_3, PAGES_32_BIT),
    descriptor(0, ALL_PAGES, DATA | RING_3, PAGES_32_BIT),
    descriptor(TSS_ADDRESS.0 as u32, tss::BYTES as u32 - 1, TSS, 0),
];

/// A segment descriptor: the 80286 left it in pieces. SDM Vol. 3A, figure 3-8.
const fn descriptor(base: u32, limit: u32, access: u8, flags: u8) -> u64 {
    let (base, limit) = (base as u64, limit as u64);
    limit & 0xffff
        | (base & 0xff_ffff) << 16
        | (access as u64) << 40
        | (limit >> 16 & 0xf) << 48
        | (flags as u64) << 52
        | (base >> 24) << 56
}

/// What a CPU remembers of the descriptor when it loads `selector`. KVM wants to be told, for in the
/// table it looks only when the guest loads a segment register.
pub fn segment(table: &[u64], selector: u16) -> kvm_segment {
    let descriptor = table[usize::from(selector >> 3)];
    let bits = |from: u32, count: u32| (descriptor >> from & ((1 << count) - 1)) as u32;
    let limit = bits(48, 4) << 16 | bits(0, 16);
    let is_in_pages = bits(55, 1) == 1;
    kvm_segment {
        base: u64::from(bits(56, 8) << 24 | bits(16, 24)),
        limit: if is_in_pages { limit << 12 | 0xfff } else { limit },
        selector,
        type_: bits(40, 4) as u8,
        s: bits(44, 1) as u8,
        dpl: bits(45, 2) as u8,
        present: bits(47, 1) as u8,
        avl: bits(52, 1) as u8,
        l: bits(53, 1) as u8,
        db: bits(54, 1) as u8,
        g: bits(55, 1) as u8,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flat_table_is_the_one_of_every_textbook() {
        assert_eq!(FLAT[..3], [0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff]);
        assert_eq!(FLAT[3..5], [0x00cf_fb00_0000_ffff, 0x00cf_f300_0000_ffff]);
        assert_eq!(FLAT[5], 0x0000_8900_0600_0109);
        assert_eq!(segment(&FLAT, CODE_SELECTOR).limit, 0xffff_ffff);
    }

    #[test]
    fn a_segment_says_what_its_descriptor_says() {
        let table = [0, descriptor(0x1234_5678, 0x9_abcd, DATA | 0b11 << 5, 0b0001)];
        let segment = segment(&table, 1 << 3);
        assert_eq!((segment.base, segment.limit, segment.selector), (0x1234_5678, 0x9_abcd, 8));
        assert_eq!((segment.present, segment.dpl, segment.s, segment.type_), (1, 3, 1, 0b0011));
        assert_eq!((segment.g, segment.db, segment.l, segment.avl), (0, 0, 0, 1));
    }
}
