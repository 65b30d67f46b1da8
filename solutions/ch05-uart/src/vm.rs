//! A virtual machine: its memory and its vCPUs.
#![expect(unsafe_code, reason = "KVM is told an address in our own memory")]

use anyhow::{Context, Result};
use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{Kvm, VmFd};
use vm_memory::{Address, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};

use crate::vcpu::Vcpu;

pub struct Vm {
    fd: VmFd,
    /// The guest's physical memory. It is declared below `fd`, hence dropped after it.
    pub memory: GuestMemoryMmap,
}

impl Vm {
    /// Creates a VM with `memory_bytes` of zeroed memory from guest physical address 0 up.
    pub fn new(kvm: &Kvm, memory_bytes: usize) -> Result<Self> {
        let fd = kvm.create_vm().context("KVM_CREATE_VM")?;
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), memory_bytes)])
            .context("guest memory")?;
        let vm = Self { fd, memory };
        vm.fill_memory_slots()?;
        Ok(vm)
    }

    /// Creates a vCPU, in the state of a CPU after a reset. Ids count from 0.
    pub fn create_vcpu(&self, id: u64) -> Result<Vcpu> {
        Vcpu::new(self.fd.create_vcpu(id).context("KVM_CREATE_VCPU")?)
    }

    /// Tells KVM which of our pages the guest sees, and at which of its physical addresses.
    fn fill_memory_slots(&self) -> Result<()> {
        for (slot, region) in (0..).zip(self.memory.iter()) {
            let slot = kvm_userspace_memory_region {
                slot,
                flags: 0,
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
