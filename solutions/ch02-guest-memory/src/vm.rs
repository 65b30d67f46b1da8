//! A virtual machine: so far, nothing but memory.
#![expect(unsafe_code, reason = "KVM is told an address in our own memory")]

use anyhow::{Context, Result};
use kvm_bindings::{KVM_MEM_READONLY, kvm_userspace_memory_region};
use kvm_ioctls::{Kvm, VmFd};
use vm_memory::{
    Address, Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion,
    GuestRegionMmap,
};

use crate::rom;

pub struct Vm {
    fd: VmFd,
    /// The guest's physical memory. It is declared below `fd`, hence dropped after it.
    pub memory: GuestMemoryMmap,
}

impl Vm {
    /// Creates a VM with `memory_bytes` of zeroed memory from guest physical address 0 up, and with
    /// a ROM if there is something to be in it.
    pub fn new(kvm: &Kvm, memory_bytes: usize, rom: Option<&[u8]>) -> Result<Self> {
        let fd = kvm.create_vm().context("KVM_CREATE_VM")?;
        let mut ranges = vec![(GuestAddress(0), memory_bytes)];
        ranges.extend(rom.map(|contents| (rom::ADDRESS, contents.len())));
        let memory = GuestMemoryMmap::from_ranges(&ranges).context("guest memory")?;
        if let Some(contents) = rom {
            memory.write_slice(contents, rom::ADDRESS).context("filling the ROM")?;
        }
        let vm = Self { fd, memory };
        vm.fill_memory_slots()?;
        Ok(vm)
    }

    /// Tells KVM which of our pages the guest sees, and at which of its physical addresses.
    fn fill_memory_slots(&self) -> Result<()> {
        for (slot, region) in (0..).zip(self.memory.iter()) {
            let slot = kvm_userspace_memory_region {
                slot,
                flags: if is_read_only(region) { KVM_MEM_READONLY } else { 0 },
                guest_phys_addr: region.start_addr().raw_value(),
                memory_size: region.len(),
                userspace_addr: region.as_ptr() as u64,
            };
            // SAFETY: `region` is mapped for as long as `self.fd` is open, and we never hold a
            // Rust reference into it that the guest could write behind.
            unsafe { self.fd.set_user_memory_region(slot) }
                .context("KVM_SET_USER_MEMORY_REGION")?;
        }
        Ok(())
    }
}

/// Whether the guest cannot write this region. We can: it is our memory.
pub fn is_read_only(region: &GuestRegionMmap) -> bool {
    region.start_addr() == rom::ADDRESS
}
