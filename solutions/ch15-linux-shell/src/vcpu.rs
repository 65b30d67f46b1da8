//! A virtual CPU.
#![expect(unsafe_code, reason = "what came along with an exit is in a union")]

use std::io::Write;

use anyhow::{Context, Result};
use kvm_bindings::{
    CpuId, KVM_INTERNAL_ERROR_DELIVERY_EV, KVM_INTERNAL_ERROR_EMULATION, kvm_regs, kvm_run,
    kvm_sregs,
};
use kvm_ioctls::{SyncReg, VcpuExit, VcpuFd};
use vm_memory::{Address, GuestAddress};

use crate::acpi;
use crate::com2::{self, Com2};
use crate::console::Console;
use crate::exception;
use crate::gdt;
use crate::hypercall::{self, Answer};
use crate::interrupt_count::InterruptCount;
use crate::keyboard::{self, Keyboard};
use crate::layout::{GDT_ADDRESS, IDT_ADDRESS, PAGE_DIRECTORY_ADDRESS, ZERO_PAGE_ADDRESS};
use crate::long_mode::{self, Mistake};
use crate::paging;
use crate::registers::Registers;
use crate::screen;
use crate::signal;
use crate::statistics::Statistics;
use crate::uart::{self, Uart};
use crate::vm_exit::describe;

/// Bit 1 of RFLAGS is always 1. SDM Vol. 1, 3.4.3.
const RFLAGS_RESERVED: u64 = 1 << 1;

/// Protection enable. SDM Vol. 3A, 2.5.
pub const CR0_PE: u64 = 1 << 0;
/// Paging.
pub const CR0_PG: u64 = 1 << 31;

/// What is read where there is no device, but for a PC's clock: Linux would wait for it to change.
const NO_DEVICE: u8 = 0xff;
const CMOS_DATA: u16 = 0x71;

/// The highest status that a guest may end with: those above are ours.
const STATUS_MAX: u8 = 63;

/// Why the guest runs no longer.
pub enum Stop {
    Halted,
    /// It asked for this status.
    Exited(u8),
    /// It wanted to start anew.
    Reset,
    Off,
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
    pub keyboard: Keyboard,
    /// Of a guest that looks for the devices of a PC, and goes on if it finds no others.
    uart: Option<Uart>,
    pub com2: Option<Com2>,
    /// The registers when the guest was last entered. After a triple fault these are all there are.
    pub before: Registers,
}

impl Vcpu {
    pub fn new(fd: VcpuFd, syncs_registers: bool) -> Result<Self> {
        let fd = signal::watch(Box::leak(Box::new(fd)));
        if syncs_registers {
            fd.set_sync_valid_reg(SyncReg::Register);
            fd.set_sync_valid_reg(SyncReg::SystemRegister);
        }
        let (statistics, before) = (Statistics::default(), Registers::default());
        let keyboard = Keyboard::new()?;
        Ok(Self { fd, syncs_registers, statistics, keyboard, uart: None, com2: None, before })
    }

    /// Makes the next instruction the one at `base`, in real mode: the mode a CPU wakes up in. All
    /// segments begin there: the guest takes it for address 0.
    pub fn enter_real_mode(&mut self, base: GuestAddress) -> Result<()> {
        let mut special = self.fd.get_sregs().context("KVM_GET_SREGS")?;
        // After a reset CS:IP points just below 4 GiB, where the firmware of a PC is. We have none.
        let kvm_sregs { cs, ds, es, fs, gs, ss, .. } = &mut special;
        for segment in [cs, ds, es, fs, gs, ss] {
            segment.base = base.raw_value();
            // What a guest that copies CS to DS makes the base of. SDM Vol. 3B, "Real-Address Mode".
            segment.selector = (segment.base >> 4) as u16;
        }
        self.fd.set_sregs(&special).context("KVM_SET_SREGS")?;
        // The first push wraps around to the top of the segment.
        self.start(0, 0)
    }

    /// Makes the next instruction the one at `entry`, in 32-bit protected mode. The segments are
    /// those of `gdt::FLAT`, which is in memory already; the stack grows down from `stack`.
    pub fn enter_protected_mode(&mut self, entry: GuestAddress, stack: u64) -> Result<()> {
        let mut special = self.fd.get_sregs().context("KVM_GET_SREGS")?;
        special.cr0 |= CR0_PE;
        special.gdt.base = GDT_ADDRESS.raw_value();
        special.gdt.limit = size_of_val(&gdt::FLAT) as u16 - 1;
        special.idt.base = IDT_ADDRESS.raw_value();
        special.idt.limit = size_of_val(&exception::table()) as u16 - 1;
        special.cs = gdt::segment(&gdt::FLAT, gdt::CODE_SELECTOR);
        let kvm_sregs { ds, es, fs, gs, ss, .. } = &mut special;
        for segment in [ds, es, fs, gs, ss] {
            *segment = gdt::segment(&gdt::FLAT, gdt::DATA_SELECTOR);
        }
        self.fd.set_sregs(&special).context("KVM_SET_SREGS")?;
        self.start(entry.raw_value(), stack)
    }

    /// Turns paging on, and makes the next instruction the same one at its address in the higher
    /// half. The guest is in protected mode already, the page tables are in memory.
    pub fn enable_paging(&mut self) -> Result<()> {
        let Registers { general, mut special } = self.registers()?;
        special.cr3 = PAGE_DIRECTORY_ADDRESS.raw_value();
        special.cr0 |= CR0_PG;
        self.fd.set_sregs(&special).context("KVM_SET_SREGS")?;
        let higher_half = u64::from(paging::HIGHER_HALF);
        self.start(higher_half + general.rip, higher_half + general.rsp)
    }

    /// Turns long mode on. The guest is in protected mode already, the tables are in memory.
    pub fn enable_long_mode(&mut self, mistake: Option<Mistake>) -> Result<()> {
        let mut special = self.registers()?.special;
        special.idt.limit = size_of_val(&exception::long_table()) as u16 - 1;
        long_mode::enter(&mut special, mistake);
        self.fd.set_sregs(&special).context("KVM_SET_SREGS")
    }

    /// Makes the next instruction the one at `entry`, as Linux wants it: in long mode, in segments
    /// with certain selectors, with the zero page's address in `RSI`. boot.rst, 64-bit boot protocol.
    pub fn enter_linux(&mut self, entry: GuestAddress) -> Result<()> {
        self.enter_protected_mode(entry, 0)?;
        self.enable_long_mode(None)?;
        let Registers { mut general, mut special } = self.registers()?;
        special.gdt.limit = size_of_val(&gdt::LINUX) as u16 - 1;
        special.cs = gdt::segment(&gdt::LINUX, gdt::BOOT_CS);
        let data = gdt::segment(&gdt::LINUX, gdt::BOOT_DS);
        (special.ds, special.es, special.ss) = (data, data, data);
        self.fd.set_sregs(&special).context("KVM_SET_SREGS")?;
        general.rsi = ZERO_PAGE_ADDRESS.raw_value();
        self.fd.set_regs(&general).context("KVM_SET_REGS")?;
        let interrupt = self.keyboard.interrupt.try_clone();
        self.uart = Some(Uart::new(interrupt.map_err(kvm_ioctls::Error::from).context("eventfd")?));
        Ok(())
    }

    pub fn set_cpuid(&self, cpuid: &CpuId) -> Result<()> {
        self.fd.set_cpuid2(cpuid).context("KVM_SET_CPUID2")
    }

    /// Leaves for the guest what a boot loader leaves: `EAX`, and an address in `EBX`.
    pub fn hand_over(&mut self, eax: u64, address: GuestAddress) -> Result<()> {
        let general = self.registers()?.general;
        let general = kvm_regs { rax: eax, rbx: address.raw_value(), ..general };
        self.fd.set_regs(&general).context("KVM_SET_REGS")
    }

    fn start(&mut self, rip: u64, rsp: u64) -> Result<()> {
        let general = kvm_regs { rip, rsp, rflags: RFLAGS_RESERVED, ..Default::default() };
        self.fd.set_regs(&general).context("KVM_SET_REGS")
    }

    /// Runs the guest to its end, and does for it what it cannot do alone.
    /// With a guest's name, traces every exit.
    pub fn run(&mut self, console: &mut Console<impl Write>, trace: Option<&str>) -> Result<Stop> {
        let mut interrupts = trace.and_then(|_| InterruptCount::open(self.fd));
        loop {
            self.before = self.registers()?;
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
            if let Some(guest) = trace {
                let count = self.statistics.total();
                let after = match interrupts.as_mut().map(InterruptCount::more).transpose()? {
                    None | Some(0) => String::new(),
                    Some(interrupts) => format!(", after {interrupts} interrupt injection(s)"),
                };
                screen::say(&format!("{guest}: exit {count}{after}: {}\n", describe(&exit)));
            }
            match exit {
                VcpuExit::IoOut(keyboard::STATUS, [keyboard::RESET]) => return Ok(Stop::Reset),
                VcpuExit::IoOut(acpi::PM1_CONTROL, &[_, high])
                    if high & acpi::SLEEP_ENABLE != 0 =>
                {
                    return Ok(Stop::Off);
                }
                VcpuExit::IoOut(port, bytes)
                    if let (Some(com2), Some(at)) = (&mut self.com2, com2::register(port)) =>
                {
                    com2.write(at, bytes[0])?;
                }
                VcpuExit::IoIn(port, bytes)
                    if let (Some(com2), Some(at)) = (&mut self.com2, com2::register(port)) =>
                {
                    bytes.fill(com2.read(at));
                }
                VcpuExit::IoOut(port, bytes) if let Some(uart) = &mut self.uart => {
                    if let Some(register) = uart::register(port) {
                        uart.write(register, bytes[0], console)?;
                    }
                }
                VcpuExit::IoIn(keyboard::STATUS | CMOS_DATA, it) if self.uart.is_some() => {
                    it.fill(0)
                }
                VcpuExit::IoIn(port, bytes) if let Some(uart) = &mut self.uart => {
                    bytes.fill(match uart::register(port) {
                        Some(register) => uart.read(register, console)?,
                        None => NO_DEVICE,
                    });
                }
                VcpuExit::MmioRead(_, bytes) if self.uart.is_some() => bytes.fill(NO_DEVICE),
                VcpuExit::MmioWrite(..) if self.uart.is_some() => {}
                // More than one byte if the guest says `out %ax, %dx`.
                VcpuExit::IoOut(uart::DATA, bytes) => console.print(bytes)?,
                VcpuExit::IoIn(uart::DATA, bytes) => bytes.fill_with(|| console.read()),
                VcpuExit::IoIn(uart::LINE_STATUS, bytes) => {
                    bytes.fill(uart::line_status(console)?);
                }
                VcpuExit::IoIn(keyboard::DATA, [scancode]) => {
                    *scancode = self.keyboard.read(console)?;
                }
                VcpuExit::IoIn(keyboard::STATUS, [status]) => {
                    *status = self.keyboard.status(console)?;
                }
                VcpuExit::IoOut(hypercall::PORT, &[number]) => {
                    if let Some(stop) = self.hypercall(number, console)? {
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

    fn hypercall(&mut self, number: u8, console: &mut Console<impl Write>) -> Result<Option<Stop>> {
        let general = self.general_registers()?;
        Ok(match hypercall::call(number, general.rbx, console)? {
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

    pub fn registers(&mut self) -> Result<Registers> {
        if self.syncs_registers && self.statistics.total() > 0 {
            let synced = self.fd.sync_regs_mut();
            return Ok(Registers { general: synced.regs, special: synced.sregs });
        }
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
