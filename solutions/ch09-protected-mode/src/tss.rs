//! The task-state segment: the stack for a CPU that leaves ring 3, and the ports that ring 3 has.

use guests::hypercall;

use crate::gdt::DATA_SELECTOR;

/// What every 32-bit TSS has, and offsets into it. SDM Vol. 3A, "Task-State Segment (TSS)".
const FIXED_BYTES: usize = 0x68;
const ESP0: usize = 0x04;
const SS0: usize = 0x08;
const IO_MAP_BASE: usize = 0x66;

/// Where the bit of the hypercalls' port is in the I/O permission bit map.
const PORT_BYTE: usize = hypercall::PORT as usize / 8;
const PORT_BIT: u8 = 1 << (hypercall::PORT % 8);

/// With the bit map up to that bit and the byte that has to follow: for each access the CPU reads
/// two bytes. A port beyond the limit is forbidden. SDM Vol. 1, "I/O Permission Bit Map".
pub const BYTES: usize = FIXED_BYTES + PORT_BYTE + 2;

/// The TSS. When the CPU leaves ring 3, its stack grows down from `stack`.
pub fn tss(stack: u32) -> [u8; BYTES] {
    let mut tss = [0; BYTES];
    tss[ESP0..][..4].copy_from_slice(&stack.to_le_bytes());
    tss[SS0..][..2].copy_from_slice(&DATA_SELECTOR.to_le_bytes());
    tss[IO_MAP_BASE..][..2].copy_from_slice(&(FIXED_BYTES as u16).to_le_bytes());
    let io_map = &mut tss[FIXED_BYTES..];
    io_map.fill(0xff);
    io_map[PORT_BYTE] &= !PORT_BIT;
    tss
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_is_open() {
        let tss = tss(0x0100_0000);
        assert_eq!(tss[4..10], [0, 0, 0, 1, 0x10, 0]);
        let is_open = |port: &usize| tss[0x68 + port / 8] >> (port % 8) & 1 == 0;
        let ports = 8 * (BYTES - 0x68);
        assert_eq!((0..ports).filter(is_open).collect::<Vec<_>>(), [0x500]);
        assert_eq!((BYTES, tss[BYTES - 1]), (0x10a, 0xff));
    }
}
