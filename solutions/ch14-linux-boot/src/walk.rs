//! From linear to physical addresses, as the CPU goes. SDM Vol. 3A, 4.3 and 4.5.

use kvm_bindings::kvm_sregs;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::long_mode::EFER_LMA;
use crate::vcpu::CR0_PG;

/// The tables on the way, each with the lowest bit of the address that counts there.
type Levels = [(&'static str, u32)];
pub const LEVELS_32_BIT: &Levels = &[("PDE", 22), ("PTE", 12)];
pub const LEVELS_LONG: &Levels = &[("PML4E", 39), ("PDPTE", 30), ("PDE", 21), ("PTE", 12)];

/// Bits of an entry. SDM Vol. 3A, tables 4-5, 4-6 and 4-15 to 4-20.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const PRESENT: u64 = 1 << 0;
const FLAGS: [(u64, &str); 3] = [(PRESENT, " present"), (1 << 1, " writable"), (1 << 2, " user")];
/// Not in the last table: this is a page of 2 MiB, or of 1 GiB.
const LARGE: u64 = 1 << 7;

/// The way through the page tables from `cr3`, in words, and the physical address where it ends, if
/// it does.
pub fn walk(
    levels: &Levels,
    cr3: u64,
    linear: u64,
    memory: &GuestMemoryMmap,
) -> (String, Option<GuestAddress>) {
    let is_long = levels.len() > 2;
    if is_long && linear as i64 >> 47 != linear as i64 >> 63 {
        return ("  not canonical: a general protection fault\n".into(), None);
    }
    let (mut entry, mut way) = (cr3, String::new());
    for &(name, shift) in levels {
        let index = linear >> shift & if is_long { 0x1ff } else { 0x3ff };
        let address = GuestAddress(entry & ADDRESS | index << if is_long { 3 } else { 2 });
        let short = || memory.read_obj::<u32>(address).map(u64::from);
        entry = if is_long { memory.read_obj(address) } else { short() }.unwrap_or(0);
        let flags: String =
            FLAGS.map(|(bit, name)| if entry & bit != 0 { name } else { "" }).concat();
        way += &format!("  {name} {index:4} at {:#010x}: {entry:#010x}{flags}\n", address.0);
        if entry & PRESENT == 0 {
            return (way + "  not present: a page fault\n", None);
        }
        if shift == 12 || is_long && entry & LARGE != 0 {
            let offset = (1 << shift) - 1;
            let physical = entry & ADDRESS & !offset | linear & offset;
            way += &format!("  physical address {physical:#x}\n");
            return (way, Some(GuestAddress(physical)));
        }
    }
    (way, None)
}

/// The tables of the mode that the vCPU is in.
pub fn levels(vcpu: &kvm_sregs) -> &'static Levels {
    if vcpu.efer & EFER_LMA == 0 { LEVELS_32_BIT } else { LEVELS_LONG }
}

/// Where `linear` is in physical memory, if anywhere, in the mode that the vCPU is in.
pub fn translate(vcpu: &kvm_sregs, linear: u64, memory: &GuestMemoryMmap) -> Option<GuestAddress> {
    if vcpu.cr0 & CR0_PG == 0 {
        Some(GuestAddress(linear))
    } else {
        walk(levels(vcpu), vcpu.cr3, linear, memory).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paging::{self, HIGHER_HALF};
    use crate::paging64;

    #[test]
    fn walks_end_where_the_tables_were_made_to_lead() {
        const MIB: u64 = 1 << 20;
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 16 << 20)]).unwrap();
        let check = |levels, higher_half| {
            let physical = |linear| walk(levels, MIB, linear, &memory).1.map(|address| address.0);
            for address in (0..16 * MIB).step_by(0x333) {
                assert_eq!(physical(address), Some(address));
                assert_eq!(physical(higher_half + address), Some(address));
            }
            for unmapped in [16 * MIB, higher_half - 1, higher_half + 16 * MIB, 0xffff_ffff] {
                assert_eq!(physical(unmapped), None, "{unmapped:#x}");
            }
        };
        paging::write(&memory).unwrap();
        check(LEVELS_32_BIT, u64::from(HIGHER_HALF));
        paging64::write(&memory).unwrap();
        check(LEVELS_LONG, 0xffff_8000_0000_0000);
    }
}
