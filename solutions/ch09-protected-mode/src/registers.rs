//! A vCPU's registers, for people to read.

use std::fmt;

use kvm_bindings::{kvm_regs, kvm_sregs};

#[derive(Default)]
pub struct Registers {
    pub general: kvm_regs,
    pub special: kvm_sregs,
}

impl fmt::Display for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (r, s) = (&self.general, &self.special);
        writeln!(f, "  rip {:016x}  rflags {:016x}", r.rip, r.rflags)?;
        for row in [
            [("rax", r.rax), ("rbx", r.rbx), ("rcx", r.rcx), ("rdx", r.rdx)],
            [("rsi", r.rsi), ("rdi", r.rdi), ("rsp", r.rsp), ("rbp", r.rbp)],
            [("r8 ", r.r8), ("r9 ", r.r9), ("r10", r.r10), ("r11", r.r11)],
            [("r12", r.r12), ("r13", r.r13), ("r14", r.r14), ("r15", r.r15)],
            [("cr0", s.cr0), ("cr2", s.cr2), ("cr3", s.cr3), ("cr4", s.cr4)],
        ] {
            writeln!(f, "{}", row.map(|(name, value)| format!("  {name} {value:016x}")).concat())?;
        }
        for row in
            [[("cs", s.cs), ("ds", s.ds), ("es", s.es)], [("fs", s.fs), ("gs", s.gs), ("ss", s.ss)]]
        {
            let columns = row.map(|(name, segment)| {
                format!("  {name} {:04x} base {:08x}", segment.selector, segment.base)
            });
            writeln!(f, "{}", columns.concat())?;
        }
        for (name, table) in [("gdt", s.gdt), ("idt", s.idt)] {
            write!(f, "  {name} base {:08x} limit {:04x}", table.base, table.limit)?;
        }
        writeln!(f)
    }
}
