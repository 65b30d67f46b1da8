//! The report on a guest that cannot go on.

use kvm_bindings::kvm_sregs;
use vm_memory::{Bytes, GuestMemoryMmap};

use crate::registers::Registers;
use crate::vcpu::{CR0_PE, CR0_PG};
use crate::walk::{translate, walk};

/// The longest instruction. SDM Vol. 2A, 2.3.11.
const INSTRUCTION_BYTES_MAX: u64 = 15;

/// The base of `CS` after a reset, and only then. SDM Vol. 3A, "First Instruction Executed".
const RESET_CS_BASE: u64 = 0xffff_0000;

/// The registers, and the bytes at `CS:RIP`. After port I/O those are the `IN` or `OUT` itself: KVM
/// completes it only when the guest goes on.
///
/// On AMD's CPUs, KVM resets the vCPU after a triple fault. Then `before` has to do, the registers
/// when the guest was entered the last time.
pub fn report(registers: &Registers, before: &Registers, memory: &GuestMemoryMmap) -> String {
    if registers.special.cs.base == RESET_CS_BASE {
        return format!(
            "  after it the CPU was reset; when the guest was last entered, its registers were\n{}",
            state(before, memory)
        );
    }
    state(registers, memory)
}

fn state(registers: &Registers, memory: &GuestMemoryMmap) -> String {
    let next = next(registers);
    let special = &registers.special;
    let byte = |address| memory.read_obj(translate(special, address, memory)?).ok();
    let code = (0..INSTRUCTION_BYTES_MAX).map_while(|offset| byte(next.wrapping_add(offset)));
    let code: String = code.map(|byte: u8| format!(" {byte:02x}")).collect();
    let code = if code.is_empty() { " no memory there" } else { &code };
    format!("{registers}  code at {next:#x}:{code}\n{}", findings(special, memory))
}

/// What is wrong with the tables that the CPU depends on.
fn findings(special: &kvm_sregs, memory: &GuestMemoryMmap) -> String {
    let (gdt, idt, cs) = (special.gdt.limit, special.idt.limit, special.cs.selector);
    let mut findings = String::new();
    if special.cr0 & CR0_PE != 0 && gdt < cs | 7 {
        findings +=
            "  the GDT ends before the descriptor of CS: no segment register can be loaded\n";
    }
    if special.cr0 & CR0_PE != 0 && idt == 0 {
        findings +=
            "  the IDT is empty: no fault finds a handler, and that makes it a triple fault\n";
    }
    if special.cr0 & CR0_PG != 0 && special.cr2 != 0 {
        let (way, _) = walk(special.cr3, special.cr2, memory);
        findings += &format!("  the last page fault was at {:#x}\n{way}", special.cr2);
    }
    findings
}

/// The address of the next instruction.
fn next(registers: &Registers) -> u64 {
    registers.special.cs.base.wrapping_add(registers.general.rip)
}
