//! From linear to physical addresses, as the CPU goes. 32-bit paging, SDM Vol. 3A, 4.3.

use kvm_bindings::kvm_sregs;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::vcpu::CR0_PG;

/// Bits of an entry. SDM Vol. 3A, tables 4-5 and 4-6.
const ADDRESS: u32 = 0xffff_f000;
const PRESENT: u32 = 1 << 0;
const FLAGS: [(u32, &str); 3] = [(PRESENT, " present"), (1 << 1, " writable"), (1 << 2, " user")];

/// The way through the page tables from `cr3`, in words, and the physical address where it ends, if
/// it does.
pub fn walk(cr3: u64, linear: u64, memory: &GuestMemoryMmap) -> (String, Option<GuestAddress>) {
    let (mut entry, linear) = (cr3 as u32, linear as u32);
    let mut way = String::new();
    for (name, shift) in [("PDE", 22), ("PTE", 12)] {
        let index = linear >> shift & 0x3ff;
        let address = GuestAddress((entry & ADDRESS | index << 2).into());
        entry = memory.read_obj(address).unwrap_or(0);
        let flags: String =
            FLAGS.map(|(bit, name)| if entry & bit != 0 { name } else { "" }).concat();
        way += &format!("  {name} {index:4} at {:#010x}: {entry:#010x}{flags}\n", address.0);
        if entry & PRESENT == 0 {
            return (way + "  not present: a page fault\n", None);
        }
    }
    let physical = entry & ADDRESS | linear & !ADDRESS;
    (way + &format!("  physical address {physical:#x}\n"), Some(GuestAddress(physical.into())))
}

/// Where `linear` is in physical memory, if anywhere, in the mode that the vCPU is in.
pub fn translate(vcpu: &kvm_sregs, linear: u64, memory: &GuestMemoryMmap) -> Option<GuestAddress> {
    if vcpu.cr0 & CR0_PG == 0 {
        Some(GuestAddress(linear))
    } else {
        walk(vcpu.cr3, linear, memory).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paging::{self, HIGHER_HALF, Protection};

    #[test]
    fn walks_end_where_the_tables_were_made_to_lead() {
        const MIB: u64 = 1 << 20;
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 16 << 20)]).unwrap();
        paging::write(&memory, Protection::default()).unwrap();
        let physical = |linear| walk(MIB, linear, &memory).1.map(|address| address.0);
        for address in (0..16 * MIB).step_by(0x333) {
            assert_eq!(physical(address), (address >= 0x1000).then_some(address));
            assert_eq!(physical(u64::from(HIGHER_HALF) + address), Some(address));
        }
        for unmapped in [16 * MIB, 0x7fff_ffff, 0x8000_0000 + 16 * MIB, 0xffff_ffff] {
            assert_eq!(physical(unmapped), None, "{unmapped:#x}");
        }
    }
}
