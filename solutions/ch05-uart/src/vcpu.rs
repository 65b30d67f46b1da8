//! A virtual CPU.
#![expect(unsafe_code, reason = "what came along with an exit is in a union")]

use std::io::{Write, stderr};

use anyhow::{Context, Result};
use kvm_bindings::{
    KVM_INTERNAL_ERROR_DELIVERY_EV, KVM_INTERNAL_ERROR_EMULATION, kvm_regs, kvm_run,
};
use kvm_ioctls::{VcpuExit, VcpuFd};
use vm_memory::{Address, GuestAddress};

use crate::bus;
use crate::console::Console;
use crate::registers::Registers;
use crate::signal;
use crate::vm_exit::describe;

/// Bit 1 of RFLAGS is always 1. SDM Vol. 1, 3.4.3.
const RFLAGS_RESERVED: u64 = 1 << 1;

/// Why the guest runs no longer.
pub enum Stop {
    Halted,
    Interrupted,
    Crashed(String),
}

pub struct Vcpu {
    /// Never closed: a signal may come at any time, and its handler reaches for the vCPU.
    fd: &'static mut VcpuFd,
    /// How often the guest needed us.
    pub exits: u64,
}

impl Vcpu {
    pub fn new(fd: VcpuFd) -> Result<Self> {
        let fd = signal::catch(Box::leak(Box::new(fd)))?;
        Ok(Self { fd, exits: 0 })
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
    pub fn run(&mut self, console: &mut Console<impl Write>, verbose: bool) -> Result<Stop> {
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
            self.exits += 1;
            if verbose {
                let _ = writeln!(stderr(), "exit {}: {}", self.exits, describe(&exit));
            }
            match exit {
                // One `OUT`, even with `rep`: KVM exits at each round.
                VcpuExit::IoOut(port, bytes)
                    if let Some(printed) = bus::printed_by(port, bytes) =>
                {
                    console.print(&printed)?;
                }
                VcpuExit::IoIn(bus::DEBUG_CONSOLE, [byte]) => *byte = bus::IS_THERE,
                VcpuExit::Hlt => return Ok(Stop::Halted),
                VcpuExit::InternalError => {
                    return Ok(Stop::Crashed(internal_error(self.fd.get_kvm_run())));
                }
                exit => return Ok(Stop::Crashed(describe(&exit))),
            }
        }
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
