//! The bare loop: the least that a VMM can do for an exit, which is to ask for the next one.

#![expect(unsafe_code, reason = "KVM_RUN, without a library between it and us")]

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use kvm_bindings::{KVM_EXIT_HLT, KVM_EXIT_IO, kvm_regs};
use vm_memory::{Bytes, GuestAddress};

use crate::doctor;
use crate::doctor::tiny_guest::give_memory;

/// `_IO(KVMIO, 0x80)`. include/uapi/linux/kvm.h.
const KVM_RUN: libc::c_ulong = 0xae80;

/// Runs a real-mode image at address 0 until it halts, and lets all it writes go nowhere. It may ask
/// for the `registers` at each exit, as a VMM does that does not know better.
pub fn run(image: &Path, registers: bool) -> Result<ExitCode> {
    let image = fs::read(image).with_context(|| image.display().to_string())?;
    let kvm = doctor::open_kvm().map_err(anyhow::Error::msg)?;
    let vm = kvm.create_vm().context("KVM_CREATE_VM")?;
    let memory = give_memory(&vm)?;
    memory.write_slice(&image, GuestAddress(0))?;

    let mut vcpu = vm.create_vcpu(0).context("KVM_CREATE_VCPU")?;
    let mut sregs = vcpu.get_sregs().context("KVM_GET_SREGS")?;
    (sregs.cs.base, sregs.cs.selector) = (0, 0);
    vcpu.set_sregs(&sregs).context("KVM_SET_SREGS")?;
    // Bit 1 of RFLAGS is always one. SDM Vol. 1, 3.4.3.
    let regs = kvm_regs { rflags: 1 << 1, ..Default::default() };
    vcpu.set_regs(&regs).context("KVM_SET_REGS")?;

    let fd = vcpu.as_raw_fd();
    loop {
        // SAFETY: the descriptor is an open vCPU's; KVM_RUN takes no argument, and writes only to
        // the vCPU's own page and to the guest's memory, which outlives the loop.
        if unsafe { libc::ioctl(fd, KVM_RUN, 0) } < 0 {
            return Err(io::Error::last_os_error()).context("KVM_RUN");
        }
        if registers {
            vcpu.get_regs().context("KVM_GET_REGS")?;
        }
        match vcpu.get_kvm_run().exit_reason {
            KVM_EXIT_IO => (),
            KVM_EXIT_HLT => return Ok(ExitCode::SUCCESS),
            other => bail!("exit reason {other}, which the image should not cause"),
        }
    }
}
