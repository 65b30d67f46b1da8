//! Long mode: what has to be true of the registers, all at once. SDM Vol. 3A, 10.8.5.

use clap::ValueEnum;
use kvm_bindings::kvm_sregs;

use crate::gdt;
use crate::layout::PAGE_DIRECTORY_ADDRESS;
use crate::vcpu::CR0_PG;

/// An FPU is there to be waited for. SDM Vol. 3A, 2.5.
const CR0_MP: u64 = 1 << 1;
/// Entries of page tables have 64 bits.
const CR4_PAE: u64 = 1 << 5;
/// Whoever runs here saves the SSE registers, and handles their exceptions: SSE may be used. Each
/// compiler for 64 bits takes that for granted.
const CR4_OSFXSR_OSXMMEXCPT: u64 = 1 << 9 | 1 << 10;
/// Long mode, as soon as there is paging. SDM Vol. 3A, 2.2.1.
const EFER_LME: u64 = 1 << 8;
/// There is, now. A CPU sets it by itself; KVM takes what we say.
pub const EFER_LMA: u64 = 1 << 10;
/// Entries of page tables may forbid execution: without it, the bit for that is reserved.
const EFER_NXE: u64 = 1 << 11;

/// What others have forgotten.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mistake {
    /// EFER.LMA: long mode is enabled, but not active
    Lma,
    /// CR4.PAE: long mode has no page tables of 32-bit entries
    Pae,
    /// The L bit of CS: 64-bit code runs as if it were 32-bit code
    Cs,
    /// CR4.OSFXSR: no instruction may use an SSE register
    Sse,
}

/// From protected mode to long mode, or to where a `mistake` leads.
pub fn enter(special: &mut kvm_sregs, mistake: Option<Mistake>) {
    let unless = |forgotten, bits| if mistake == Some(forgotten) { 0 } else { bits };
    special.cr3 = PAGE_DIRECTORY_ADDRESS.0;
    special.cr4 |= unless(Mistake::Pae, CR4_PAE);
    special.cr4 |= unless(Mistake::Sse, CR4_OSFXSR_OSXMMEXCPT);
    special.efer |= EFER_LME | EFER_NXE | unless(Mistake::Lma, EFER_LMA);
    special.cr0 |= CR0_PG | CR0_MP;
    if mistake != Some(Mistake::Cs) {
        special.cs = gdt::segment(&gdt::LONG, gdt::CODE_SELECTOR);
    }
}
