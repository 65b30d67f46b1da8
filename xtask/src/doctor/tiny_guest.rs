//! Runs one tiny guest: a fresh VM, 64 KiB of memory, one vCPU, a time limit.

#![expect(unsafe_code, reason = "KVM is handed the address of the guest's memory")]

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kvm_bindings::{kvm_pit_config, kvm_regs, kvm_sregs, kvm_userspace_memory_region};
use kvm_ioctls::{Kvm, VcpuExit, VmFd};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};
use vmm_sys_util::signal::{Killable, SIGRTMIN, register_signal_handler};

/// The memory of a tiny guest.
pub type Memory = GuestMemoryMmap<()>;

const MEMORY_BYTES: usize = 0x1_0000;

/// Where the code lies, and where it starts.
pub const CODE: u64 = 0x1000;

/// The port on which a guest says that it is done when `hlt` cannot: with an in-kernel interrupt
/// controller `hlt` sleeps inside of KVM.
pub const DONE_PORT: u16 = 0xf4;

/// Bit 1 of RFLAGS is always one. SDM Vol. 1, 3.4.3.
const RFLAGS_RESERVED: u64 = 1 << 1;

/// Ample: a tiny guest takes some milliseconds, even where every instruction is emulated twice.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// How often a guest whose time is up is asked to stop, and how many times.
const KNOCK_EVERY: Duration = Duration::from_millis(50);
const KNOCKS: u32 = 20;

/// A program of a few bytes that proves, by a value in its memory, that one mode of the CPU works.
pub struct TinyGuest {
    /// What it is called in the verdict.
    pub name: &'static str,
    /// What works when it ran, in a few words.
    pub proves: &'static str,
    /// Machine code, for address [`CODE`].
    pub code: &'static [u8],
    /// Whether the VM gets the in-kernel interrupt controllers and timer.
    pub irqchip: bool,
    /// Puts tables and data into the guest's memory.
    pub fill_memory: fn(&Memory) -> Result<()>,
    /// Puts the CPU, fresh from reset with `CS` at 0, into its mode.
    pub enter_mode: fn(&mut kvm_sregs),
    /// The address and the value that must be there at the end.
    pub proof: (u64, u64),
}

impl TinyGuest {
    /// Runs the guest to its end, in at most about [`TIME_LIMIT`].
    ///
    /// # Errors
    ///
    /// What KVM did instead: the exit's name, or the system call that failed.
    pub fn run(&'static self) -> Result<()> {
        let deadline = Instant::now() + TIME_LIMIT;
        let (sender, receiver) = mpsc::channel();
        // A signal that does nothing, but makes KVM_RUN return EINTR: so the thread sees that its
        // time is up, and does not burn a CPU for as long as this process lives.
        register_signal_handler(SIGRTMIN(), do_nothing).context("sigaction")?;
        let worker = thread::spawn(move || {
            // The receiver is gone only if this thread had been given up.
            let _ = sender.send(self.run_until(deadline));
        });

        let mut wait = TIME_LIMIT;
        for _ in 0..=KNOCKS {
            match receiver.recv_timeout(wait) {
                Ok(outcome) => return outcome,
                Err(RecvTimeoutError::Disconnected) => bail!("the vCPU's thread panicked"),
                Err(RecvTimeoutError::Timeout) => {
                    // A thread that has just ended needs no signal.
                    let _ = worker.kill(SIGRTMIN());
                    wait = KNOCK_EVERY;
                }
            }
        }
        bail!("KVM_RUN did not return within {TIME_LIMIT:?}, nor at a signal")
    }

    fn run_until(&self, deadline: Instant) -> Result<()> {
        let kvm = Kvm::new().context("/dev/kvm")?;
        let vm = kvm.create_vm().context("KVM_CREATE_VM")?;
        let memory = give_memory(&vm)?;
        if self.irqchip {
            create_irqchip(&vm)?;
        }
        memory.write_slice(self.code, GuestAddress(CODE))?;
        (self.fill_memory)(&memory)?;

        let mut vcpu = vm.create_vcpu(0).context("KVM_CREATE_VCPU")?;
        let mut sregs = vcpu.get_sregs().context("KVM_GET_SREGS")?;
        (sregs.cs.base, sregs.cs.selector) = (0, 0);
        (self.enter_mode)(&mut sregs);
        vcpu.set_sregs(&sregs).context("KVM_SET_SREGS")?;
        let regs = kvm_regs { rip: CODE, rsp: CODE, rflags: RFLAGS_RESERVED, ..Default::default() };
        vcpu.set_regs(&regs).context("KVM_SET_REGS")?;

        loop {
            match vcpu.run() {
                Ok(VcpuExit::Hlt) if !self.irqchip => break,
                Ok(VcpuExit::IoOut(DONE_PORT, _)) if self.irqchip => break,
                Ok(exit) => bail!("{}", name_of(&exit)),
                Err(error) if error.errno() == libc::EINTR => {
                    ensure!(Instant::now() < deadline, "no end within {TIME_LIMIT:?}");
                }
                Err(error) => return Err(error).context("KVM_RUN"),
            }
        }

        let (address, expected) = self.proof;
        let found: u64 = memory.read_obj(GuestAddress(address))?;
        ensure!(
            found == expected,
            "ran to its end, but left {found:#x} where {expected:#x} belongs"
        );
        Ok(())
    }
}

extern "C" fn do_nothing(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}

/// Gives a VM 64 KiB of memory at address 0. Who keeps the VM's vCPUs running must keep the memory.
pub fn give_memory(vm: &VmFd) -> Result<Memory> {
    let memory = Memory::from_ranges(&[(GuestAddress(0), MEMORY_BYTES)])
        .context("allocating guest memory")?;
    let region = kvm_userspace_memory_region {
        slot: 0,
        flags: 0,
        guest_phys_addr: 0,
        memory_size: MEMORY_BYTES as u64,
        userspace_addr: memory.get_host_address(GuestAddress(0))? as u64,
    };
    // SAFETY: the address is that of a mapping of MEMORY_BYTES bytes, the only region of this VM.
    // Nothing else of this process lies in it. Once it is unmapped a vCPU can no longer reach it:
    // KVM is told of every change to the process's mappings, and KVM_RUN fails with EFAULT.
    unsafe { vm.set_user_memory_region(region) }.context("KVM_SET_USER_MEMORY_REGION")?;
    Ok(memory)
}

/// PIC, IOAPIC, a LAPIC per vCPU, and the timer that pulls IRQ 0. KVM wants the first before any
/// vCPU. KVM API 4.24, 4.71.
fn create_irqchip(vm: &VmFd) -> Result<()> {
    vm.create_irq_chip().context("KVM_CREATE_IRQCHIP")?;
    vm.create_pit2(kvm_pit_config::default()).context("KVM_CREATE_PIT2")
}

/// An exit as the KVM API document names it, with what it says about its cause.
fn name_of(exit: &VcpuExit) -> String {
    match exit {
        VcpuExit::IoIn(port, _) => format!("KVM_EXIT_IO, in from port {port:#x}"),
        VcpuExit::IoOut(port, _) => format!("KVM_EXIT_IO, out to port {port:#x}"),
        VcpuExit::MmioRead(address, _) => format!("KVM_EXIT_MMIO, read of {address:#x}"),
        VcpuExit::MmioWrite(address, _) => format!("KVM_EXIT_MMIO, write of {address:#x}"),
        VcpuExit::Unknown => "KVM_EXIT_UNKNOWN".to_owned(),
        VcpuExit::Exception => "KVM_EXIT_EXCEPTION".to_owned(),
        VcpuExit::Hlt => "KVM_EXIT_HLT".to_owned(),
        VcpuExit::Shutdown => "KVM_EXIT_SHUTDOWN".to_owned(),
        VcpuExit::FailEntry(reason, _) => format!("KVM_EXIT_FAIL_ENTRY, reason {reason:#x}"),
        VcpuExit::InternalError => "KVM_EXIT_INTERNAL_ERROR".to_owned(),
        other => format!("KVM exit {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_named_as_the_api_document_names_them() {
        assert_eq!(name_of(&VcpuExit::Shutdown), "KVM_EXIT_SHUTDOWN");
        assert_eq!(
            name_of(&VcpuExit::FailEntry(0x8000_0021, 0)),
            "KVM_EXIT_FAIL_ENTRY, reason 0x80000021"
        );
        assert_eq!(
            name_of(&VcpuExit::MmioWrite(0x8000_0000, &[0])),
            "KVM_EXIT_MMIO, write of 0x80000000"
        );
    }
}
