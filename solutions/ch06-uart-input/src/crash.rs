//! The report on a guest that cannot go on.

use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::registers::Registers;

/// The longest instruction. SDM Vol. 2A, 2.3.11.
const INSTRUCTION_BYTES_MAX: usize = 15;

/// Where a CPU starts after a reset, `CS` base plus `IP`. SDM Vol. 3A, "First Instruction Executed".
const RESET_VECTOR: u64 = 0xffff_fff0;

/// The registers, and the bytes at `CS:RIP`. After port I/O those are the `IN` or `OUT` itself: KVM
/// completes it only when the guest goes on.
pub fn report(registers: &Registers, memory: &GuestMemoryMmap) -> String {
    let next = registers.special.cs.base.wrapping_add(registers.general.rip);
    let mut code = [0; INSTRUCTION_BYTES_MAX];
    let code: String = match memory.read(&mut code, GuestAddress(next)) {
        Ok(length) => code[..length].iter().map(|byte| format!(" {byte:02x}")).collect(),
        Err(_) if next == RESET_VECTOR => {
            " no memory there: the CPU was reset, the registers are no longer the guest's".into()
        }
        Err(_) => " no memory there".into(),
    };
    format!("{registers}  code at {next:#x}:{code}\n")
}
