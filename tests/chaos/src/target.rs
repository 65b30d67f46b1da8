//! What instructions are aimed at: ports, addresses and registers where something is, or ends.

use fastrand::Rng;

use crate::value;

/// Ports that a PC or the VMMs have: COM1, hypercalls, keyboard, power, reset, PIC, PIT, CMOS, PCI,
/// the one that our exception handlers use.
pub const PORTS: [u16; 24] = [
    0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x500, 0x60, 0x64, 0x600, 0x604, 0x605,
    0x20, 0x21, 0xa0, 0xa1, 0x40, 0x43, 0x61, 0x71, 0xcf8, 0xf4,
];

/// Addresses where something begins, ends or is not: tables, page tables, video memory, the ends of
/// memory, APICs, the pages of KVM's own.
const ADDRESSES: [u32; 20] = [
    0,
    0x472,
    0x500,
    0x600,
    0x800,
    0x1000,
    0x7000,
    0x3_fffc,
    0x4_0000,
    0x9_fc00,
    0xb_8000,
    0xe_0000,
    0x10_0000,
    0xf0_0000,
    0xff_fffe,
    0x100_0000,
    0xfec0_0000,
    0xfee0_0300,
    0xfffb_d000,
    0xffff_fffd,
];

/// Model-specific registers that KVM knows, by the beginning of their range and its length: TSC, APIC
/// base, SYSENTER, MTRRs, PAT, x2APIC, Hyper-V's, KVM's own, EFER and its neighbours, AMD's SVM and
/// SMM.
pub const MSRS: [(u32, u32); 20] = [
    (0x10, 1),
    (0x1b, 1),
    (0x3a, 2),
    (0x11, 2),
    (0x174, 3),
    (0x179, 3),
    (0x1a0, 1),
    (0x1d9, 1),
    (0x200, 16),
    (0x250, 32),
    (0x277, 1),
    (0x2ff, 1),
    (0x400, 16),
    (0x800, 64),
    (0x4000_0000, 4),
    (0x4b56_4d00, 8),
    (0xc000_0080, 5),
    (0xc000_0100, 4),
    (0xc001_0010, 16),
    (0xc001_0110, 8),
];

/// An address where something may be.
pub fn address(rng: &mut Rng) -> u32 {
    match rng.u8(..4) {
        0 => value::interesting(rng) as u32,
        _ => pick(rng, &ADDRESSES).wrapping_add(rng.u32(..16)),
    }
}

/// One of them.
pub fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}
