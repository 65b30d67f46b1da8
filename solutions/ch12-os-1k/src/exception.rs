//! Exceptions that the guest has no handlers for: ours tell us of them.

use std::array;

use anyhow::{Context, Result};
use kvm_bindings::kvm_regs;
use vm_memory::{Bytes, GuestMemoryMmap};

use crate::gdt::CODE_SELECTOR;
use crate::layout::{HANDLERS_ADDRESS, IDT_ADDRESS};
use crate::registers::Registers;
use crate::walk::translate;

/// The CPU's exceptions by number, with the letters that the SDM has for them. Vol. 3A, table 6-1.
const NAMES: [&str; 22] = [
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "", "#TS", "#NP", "#SS", "#GP",
    "#PF", "", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
];
const PAGE_FAULT: usize = 14;

/// Those for which the CPU pushes an error code, a bit each.
const HAS_ERROR_CODE: u32 = 1 << 8 | 0b1_1111 << 10 | 1 << 17 | 1 << 21;

/// What our handlers do: `push $0`, `out %al, $0xf4` and `hlt`. The port is nobody's on a PC, hence
/// ends the guest; the handler's address says which exception it was.
const HANDLER: u64 = u64::from_le_bytes([0x6a, 0, 0xe6, 0xf4, 0xf4, 0, 0, 0]);
const HANDLER_BYTES: u64 = 8;

/// Without the `push` where the error code is on the stack already.
fn handlers() -> [u64; NAMES.len()] {
    array::from_fn(|vector| HANDLER >> if HAS_ERROR_CODE >> vector & 1 == 1 { 16 } else { 0 })
}

/// The interrupt descriptor table: gates for the handlers, present, ring 0, 32-bit, interrupts off.
/// SDM Vol. 3A, 6.11.
pub fn table() -> [u64; NAMES.len()] {
    array::from_fn(|vector| {
        let handler = HANDLERS_ADDRESS.0 + vector as u64 * HANDLER_BYTES;
        handler & 0xffff | u64::from(CODE_SELECTOR) << 16 | 0x8e00 << 32 | handler >> 16 << 48
    })
}

/// Puts both where the guest finds them.
pub fn write(memory: &GuestMemoryMmap) -> Result<()> {
    let handlers = memory.write_obj(handlers(), HANDLERS_ADDRESS);
    handlers.and(memory.write_obj(table(), IDT_ADDRESS)).context("the IDT")
}

/// If the guest is in a handler of ours: what brought it there, and the registers as they were.
pub fn decode(registers: &Registers, memory: &GuestMemoryMmap) -> Option<(String, Registers)> {
    let Registers { general, special } = registers;
    (special.idt.base == IDT_ADDRESS.0).then_some(())?; // a real-mode guest may be anywhere
    let vector = (general.rip.checked_sub(HANDLERS_ADDRESS.0)? / HANDLER_BYTES) as usize;
    let name = NAMES.get(vector)?;
    let frame = translate(special, general.rsp, memory)?;
    let [error_code, eip, _cs, eflags]: [u32; 4] = memory.read_obj(frame).ok()?;

    let mut reason = format!("exception {vector} ({name}), error code {error_code:#x}");
    if vector == PAGE_FAULT {
        let access = if error_code & 1 << 1 == 0 { "read from" } else { "write to" };
        let cause = if error_code & 1 << 0 == 0 { "not mapped" } else { "not allowed" };
        reason += &format!(": {access} {:#x}, {cause}", special.cr2);
    }
    let rsp = general.rsp + size_of::<[u32; 4]>() as u64;
    let general = kvm_regs { rip: eip.into(), rsp, rflags: eflags.into(), ..*general };
    Some((reason, Registers { general, special: *special }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gate_leads_to_its_handler() {
        assert_eq!(table()[..2], [0x8e00_0008_0600, 0x8e00_0008_0608]);
        assert_eq!(handlers()[13].to_le_bytes(), [0xe6, 0xf4, 0xf4, 0, 0, 0, 0, 0]);
    }
}
