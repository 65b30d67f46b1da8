//! A virtual CPU.

use anyhow::{Context, Result};
use kvm_bindings::{KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_SINGLESTEP, kvm_guest_debug, kvm_regs};
use kvm_ioctls::{VcpuExit, VcpuFd};
use vm_memory::{Address, GuestAddress};

use crate::registers::Registers;

/// Bit 1 of RFLAGS is always 1. SDM Vol. 1, 3.4.3.
const RFLAGS_RESERVED: u64 = 1 << 1;

pub struct Vcpu {
    fd: VcpuFd,
}

impl Vcpu {
    pub fn new(fd: VcpuFd) -> Self {
        Self { fd }
    }

    /// Makes the next instruction the one at `entry`, in real mode: the mode a CPU wakes up in.
    pub fn enter_real_mode(&mut self, entry: GuestAddress) -> Result<()> {
        let mut special = self.fd.get_sregs().context("KVM_GET_SREGS")?;
        // After a reset CS:IP points just below 4 GiB, where the firmware of a PC is. We have none.
        special.cs.selector = 0;
        special.cs.base = 0;
        self.fd.set_sregs(&special).context("KVM_SET_SREGS")?;

        let general = kvm_regs {
            rip: entry.raw_value(),
            rsp: 0, // the first push wraps around to the top of the segment
            rflags: RFLAGS_RESERVED,
            ..Default::default()
        };
        self.fd.set_regs(&general).context("KVM_SET_REGS")
    }

    /// Makes KVM stop the guest behind each instruction: `VcpuExit::Debug`. KVM API document, 4.87.
    pub fn single_step(&mut self) -> Result<()> {
        let debug = kvm_guest_debug {
            control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
            ..Default::default()
        };
        self.fd.set_guest_debug(&debug).context("KVM_SET_GUEST_DEBUG")
    }

    /// Runs the guest until the first thing that needs us.
    pub fn run(&mut self) -> Result<VcpuExit<'_>> {
        self.fd.run().context("KVM_RUN")
    }

    pub fn registers(&self) -> Result<Registers> {
        Ok(Registers {
            general: self.fd.get_regs().context("KVM_GET_REGS")?,
            special: self.fd.get_sregs().context("KVM_GET_SREGS")?,
        })
    }
}
