//! A virtual CPU.
#![expect(unsafe_code, reason = "what came along with an exit is in a union")]

use std::io::{Write, stderr};

use anyhow::{Context, Result};
use kvm_bindings::{
    KVM_INTERNAL_ERROR_DELIVERY_EV, KVM_INTERNAL_ERROR_EMULATION, kvm_regs, kvm_run,
};
use kvm_ioctls::{SyncReg, VcpuExit, VcpuFd};
use vm_memory::{Address, GuestAddress, GuestMemoryMmap};

use crate::console::Console;
use crate::hypercall::{self, Answer, HC_PUTS};
use crate::registers::Registers;
use crate::signal;
use crate::statistics::Statistics;
use crate::uart;
use crate::vm_exit::describe;

/// Bit 1 of RFLAGS is always 1. SDM Vol. 1, 3.4.3.
const RFLAGS_RESERVED: u64 = 1 << 1;

/// The highest status that a guest may end with: those above are ours.
const STATUS_MAX: u8 = 63;

/// Why the guest runs no longer.
pub enum Stop {
    Halted,
    /// It asked for this status.
    Exited(u8),
    Interrupted,
    Crashed(String),
}

pub struct Vcpu {
    /// Never closed: a signal may come at any time, and its handler reaches for the vCPU.
    fd: &'static mut VcpuFd,
    /// `KVM_CAP_SYNC_REGS`: KVM leaves the registers in the `kvm_run` page at each exit, and takes
    /// them from there. That saves a system call whenever we need them.
    syncs_registers: bool,
    pub statistics: Statistics,
}

impl Vcpu {
    pub fn new(fd: VcpuFd, syncs_registers: bool) -> Self {
        let fd = signal::watch(Box::leak(Box::new(fd)));
        if syncs_registers {
            fd.set_sync_valid_reg(SyncReg::Register);
        }
        Self { fd, syncs_registers, statistics: Statistics::default() }
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

    /// Runs the guest to its end, and does for it what it cannot do alone.
    pub fn run(
        &mut self,
        memory: &GuestMemoryMmap,
        console: &mut Console<impl Write>,
        verbose: bool,
    ) -> Result<Stop> {
        loop {
            let exit = match self.fd.run() {
                Ok(exit) => exit,
                Err(error) if error.errno() == libc::EINTR => {
                    if self.fd.get_kvm_run().immediate_exit != 0 {
                        return Ok(Stop::Interrupted);
                    }
                    continue; // a signal that is not ours: stopped and continued, say
                }
                Err(error) => return Err(error).context("KVM_RUN"),
            };
            self.statistics.count(&exit);
            if verbose {
                let _ = writeln!(stderr(), "exit {}: {}", self.statistics.total(), describe(&exit));
            }
            match exit {
                // More than one byte if the guest says `out %ax, %dx`.
                VcpuExit::IoOut(uart::DATA, bytes) => console.print(bytes)?,
                VcpuExit::IoIn(uart::DATA, bytes) => bytes.fill_with(|| console.read()),
                VcpuExit::IoIn(uart::LINE_STATUS, bytes) => {
                    bytes.fill(uart::line_status(console)?);
                }
                VcpuExit::IoOut(hypercall::PORT, &[number]) => {
                    if let Some(stop) = self.hypercall(number, memory, console)? {
                        return Ok(stop);
                    }
                }
                VcpuExit::Hlt => return Ok(Stop::Halted),
                VcpuExit::InternalError => {
                    return Ok(Stop::Crashed(internal_error(self.fd.get_kvm_run())));
                }
                exit => return Ok(Stop::Crashed(describe(&exit))),
            }
        }
    }

    fn hypercall(
        &mut self,
        number: u8,
        memory: &GuestMemoryMmap,
        console: &mut Console<impl Write>,
    ) -> Result<Option<Stop>> {
        let general = self.general_registers()?;
        let answer = if number == HC_PUTS {
            // Only here a segment matters: to have KVM tell it at each exit would cost more.
            let ds = self.fd.get_sregs().context("KVM_GET_SREGS")?.ds;
            hypercall::puts(ds.base, general.rbx, general.rcx, memory, console)?
        } else {
            hypercall::call(number, general.rbx, console)?
        };
        Ok(match answer {
            Answer::Done => None,
            Answer::Value(eax) => {
                self.set_general_registers(kvm_regs { rax: u64::from(eax), ..general })?;
                None
            }
            Answer::Exit(status @ 0..=STATUS_MAX) => Some(Stop::Exited(status)),
            Answer::Exit(status) => Some(Stop::Crashed(format!(
                "HC_EXIT with status {status}, a guest's goes up to {STATUS_MAX}"
            ))),
            Answer::Unknown => {
                let rip = general.rip;
                Some(Stop::Crashed(format!("no hypercall has the number {number}, RIP {rip:#x}")))
            }
            Answer::NoMemory { address, bytes } => {
                let plural = if bytes == 1 { "" } else { "s" };
                Some(Stop::Crashed(format!(
                    "HC_PUTS of {bytes} byte{plural} at {address:#x}: not in guest memory"
                )))
            }
        })
    }

    fn general_registers(&mut self) -> Result<kvm_regs> {
        if self.syncs_registers {
            return Ok(self.fd.sync_regs_mut().regs);
        }
        self.fd.get_regs().context("KVM_GET_REGS")
    }

    fn set_general_registers(&mut self, general: kvm_regs) -> Result<()> {
        if self.syncs_registers {
            self.fd.sync_regs_mut().regs = general;
            self.fd.set_sync_dirty_reg(SyncReg::Register);
            return Ok(());
        }
        self.fd.set_regs(&general).context("KVM_SET_REGS")
    }

    pub fn registers(&self) -> Result<Registers> {
        Ok(Registers {
            general: self.fd.get_regs().context("KVM_GET_REGS")?,
            special: self.fd.get_sregs().context("KVM_GET_SREGS")?,
        })
    }
}

/// What KVM itself failed to do. Suberrors: `KVM_INTERNAL_ERROR_*` in `linux/kvm.h`.
fn internal_error(run: &kvm_run) -> String {
    // SAFETY: it is this member of the union after KVM_EXIT_INTERNAL_ERROR, and only plain numbers.
    let suberror = unsafe { run.__bindgen_anon_1.internal.suberror };
    let what = match suberror {
        KVM_INTERNAL_ERROR_EMULATION => "KVM cannot emulate the instruction",
        KVM_INTERNAL_ERROR_DELIVERY_EV => "KVM cannot deliver an interrupt or exception",
        _ => "KVM does not say more",
    };
    format!("KVM_EXIT_INTERNAL_ERROR: suberror {suberror}, {what}")
}
