//! A virtual machine: its memory and its vCPUs.
#![expect(unsafe_code, reason = "KVM is told an address in our own memory")]

use anyhow::{Context, Result};
use kvm_bindings::{
    KVM_PIT_SPEAKER_DUMMY, KVM_SYNC_X86_REGS, KVM_SYNC_X86_SREGS, kvm_pit_config,
    kvm_userspace_memory_region,
};
use kvm_ioctls::{Cap, Kvm, VmFd};
use vm_memory::{Address, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};
use vmm_sys_util::eventfd::EventFd;

use crate::vcpu::Vcpu;

/// Three pages that Intel's KVM wants for itself, where a PC has its firmware. KVM API document,
/// 4.36.
const TSS_ADDRESS: usize = 0xfffb_d000;

pub struct Vm {
    fd: VmFd,
    /// The guest's physical memory. It is declared below `fd`, hence dropped after it.
    pub memory: GuestMemoryMmap,
}

impl Vm {
    /// Creates a VM with zeroed memory: a slot for each of `ranges`, which are an address and a
    /// length in bytes.
    pub fn new(kvm: &Kvm, ranges: &[(GuestAddress, usize)]) -> Result<Self> {
        let fd = kvm.create_vm().context("KVM_CREATE_VM")?;
        let memory = GuestMemoryMmap::from_ranges(ranges).context("guest memory")?;
        let vm = Self { fd, memory };
        vm.fill_memory_slots()?;
        Ok(vm)
    }

    /// Creates the interrupt controllers of a PC (two PICs and an I/O APIC, and from now on a local
    /// APIC in each vCPU), and its timer. To be called before there are vCPUs.
    pub fn create_interrupt_controllers(&self) -> Result<()> {
        self.fd.set_tss_address(TSS_ADDRESS).context("KVM_SET_TSS_ADDR")?;
        self.fd.create_irq_chip().context("KVM_CREATE_IRQCHIP")?;
        // Port 0x61, where a PC switches its speaker, is KVM's, too.
        let timer = kvm_pit_config { flags: KVM_PIT_SPEAKER_DUMMY, ..Default::default() };
        self.fd.create_pit2(timer).context("KVM_CREATE_PIT2")
    }

    /// From now on, what is written to `device` is an interrupt on line `irq`.
    pub fn connect(&self, device: &EventFd, irq: u32) -> Result<()> {
        self.fd.register_irqfd(device, irq).context("KVM_IRQFD")
    }

    /// Creates a vCPU, in the state of a CPU after a reset. Ids count from 0.
    pub fn create_vcpu(&self, id: u64) -> Result<Vcpu> {
        let fd = self.fd.create_vcpu(id).context("KVM_CREATE_VCPU")?;
        let wanted = (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS) as i32;
        let offered = self.fd.check_extension_int(Cap::SyncRegs);
        Vcpu::new(fd, offered & wanted == wanted)
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
