//! The four tiny guests: one for each thing that some KVMs cannot do.
//!
//! Each leaves a value in memory that it can have only if its mode works, so that a KVM that
//! merely runs on in another mode is found out.

use anyhow::Result;
use kvm_bindings::{kvm_segment, kvm_sregs};
use vm_memory::{Bytes, GuestAddress};

use super::page_tables::{Format, PageTables};
use super::tiny_guest::{CODE, Memory, TinyGuest};

/// All of them, in the order in which the chapters need them.
pub static ALL: [TinyGuest; 4] = [REAL_MODE, PAGING, LONG_MODE, IRQCHIP];

/// Where the protected-mode guests leave their result, and the real-mode ones their flag.
const RESULT: u64 = 0x2000;

/// Protected mode. SDM Vol. 3A, 2.5.
const CR0_PE: u64 = 1 << 0;
/// Extension type: always one on a CPU with an FPU. SDM Vol. 3A, 2.5.
const CR0_ET: u64 = 1 << 4;
/// Paging. SDM Vol. 3A, 2.5.
const CR0_PG: u64 = 1 << 31;
/// Page table entries of 8 bytes, which long mode wants. SDM Vol. 3A, 2.5.
const CR4_PAE: u64 = 1 << 5;
/// Long mode enabled, and active: who sets `CR0.PG` by hand sets both by hand. SDM Vol. 3A, 2.2.1.
const EFER_LME: u64 = 1 << 8;
const EFER_LMA: u64 = 1 << 10;

/// A segment of a real-mode address `0x234:0010` is at 0x2350. In any other mode, loading 0x234
/// into `DS` would be a fault: there is no such descriptor.
const REAL_MODE: TinyGuest = TinyGuest {
    name: "real mode",
    proves: "a segment is a shifted number",
    #[rustfmt::skip]
    code: &[
        0xb8, 0x34, 0x02,       // mov $0x234, %ax
        0x8e, 0xd8,             // mov %ax, %ds
        0xb0, 0x28,             // mov $40, %al
        0x04, 0x02,             // add $2, %al
        0xa2, 0x10, 0x00,       // mov %al, 0x10
        0xf4,                   // hlt
    ],
    irqchip: false,
    fill_memory: |_| Ok(()),
    enter_mode: |_| (),
    proof: (0x2350, 42),
};

/// Two trees of page tables show different pages through the same window. The guest reads the
/// window, changes to the other tree as an operating system does at a process switch, and reads
/// it again.
const PAGING: TinyGuest = TinyGuest {
    name: "32-bit paging",
    proves: "protected mode, two address spaces of 4 KiB pages",
    #[rustfmt::skip]
    code: &[
        0xa1, 0x00, 0x00, 0x00, 0x80,           // mov 0x80000000, %eax
        0xbb, 0x00, 0x60, 0x00, 0x00,           // mov $0x6000, %ebx
        0x0f, 0x22, 0xdb,                       // mov %ebx, %cr3
        0x03, 0x05, 0x00, 0x00, 0x00, 0x80,     // add 0x80000000, %eax
        0xa3, 0x00, 0x20, 0x00, 0x00,           // mov %eax, 0x2000
        0xf4,                                   // hlt
    ],
    irqchip: false,
    fill_memory: fill_two_address_spaces,
    enter_mode: enter_32_bit_paging,
    proof: (RESULT, 0x1111_2222),
};

const WINDOW_32: u64 = 0x8000_0000;
const FIRST_DIRECTORY: u64 = 0x3000;
const SECOND_DIRECTORY: u64 = 0x6000;
const FIRST_DATA: u64 = 0xa000;
const SECOND_DATA: u64 = 0xb000;

fn fill_two_address_spaces(memory: &Memory) -> Result<()> {
    for (directory, data, value) in [
        (FIRST_DIRECTORY, FIRST_DATA, 0x1111_0000_u32),
        (SECOND_DIRECTORY, SECOND_DATA, 0x0000_2222),
    ] {
        memory.write_obj(value, GuestAddress(data))?;
        let mut tables = PageTables::new(memory, Format::Bits32, directory);
        tables.map(CODE, CODE)?;
        tables.map(RESULT, RESULT)?;
        tables.map(WINDOW_32, data)?;
    }
    Ok(())
}

fn enter_32_bit_paging(sregs: &mut kvm_sregs) {
    set_segments(sregs, CodeWidth::Bits32);
    sregs.cr3 = FIRST_DIRECTORY;
    sregs.cr0 = CR0_PG | CR0_ET | CR0_PE;
}

/// An addition carries from bit 31 to bit 32 of a register; its second operand lies behind a
/// virtual address that needs all four levels.
const LONG_MODE: TinyGuest = TinyGuest {
    name: "long mode",
    proves: "64-bit registers, page tables of four levels",
    #[rustfmt::skip]
    code: &[
        0x48, 0xb8, 0xff, 0xff, 0xff, 0xff,
                    0x67, 0x45, 0x23, 0x01,     // movabs $0x01234567ffffffff, %rax
        0x48, 0xbb, 0x00, 0x90, 0x78, 0x56,
                    0x34, 0x12, 0x00, 0x00,     // movabs $0x0000123456789000, %rbx
        0x48, 0x03, 0x03,                       // add (%rbx), %rax
        0x48, 0x89, 0x04, 0x25, 0x00, 0x20,
                                0x00, 0x00,     // mov %rax, 0x2000
        0xf4,                                   // hlt
    ],
    irqchip: false,
    fill_memory: fill_four_levels,
    enter_mode: enter_long_mode,
    proof: (RESULT, 0x0123_4568_0000_0000),
};

const WINDOW_64: u64 = 0x0000_1234_5678_9000;
const PML4: u64 = 0x3000;
const DATA_64: u64 = 0xb000;

fn fill_four_levels(memory: &Memory) -> Result<()> {
    memory.write_obj(1_u64, GuestAddress(DATA_64))?;
    let mut tables = PageTables::new(memory, Format::FourLevel, PML4);
    tables.map(CODE, CODE)?;
    tables.map(RESULT, RESULT)?;
    tables.map(WINDOW_64, DATA_64)
}

fn enter_long_mode(sregs: &mut kvm_sregs) {
    set_segments(sregs, CodeWidth::Bits64);
    sregs.cr3 = PML4;
    sregs.cr4 = CR4_PAE;
    sregs.efer = EFER_LME | EFER_LMA;
    sregs.cr0 = CR0_PG | CR0_ET | CR0_PE;
}

/// The timer's interrupt goes through PIT, PIC and LAPIC, all in the kernel, and wakes the guest
/// from its `hlt`. Only the interrupt handler sets the flag.
const IRQCHIP: TinyGuest = TinyGuest {
    name: "in-kernel irqchip",
    proves: "a timer interrupt wakes the guest from hlt",
    #[rustfmt::skip]
    code: &[
        // The first PIC: initialise, IRQ 0 is vector 0x20, let only IRQ 0 through. Intel 8259A.
        0xb0, 0x11, 0xe6, 0x20,                 // mov $0x11, %al; out %al, $0x20
        0xb0, 0x20, 0xe6, 0x21,                 // mov $0x20, %al; out %al, $0x21
        0xb0, 0x04, 0xe6, 0x21,                 // mov $0x04, %al; out %al, $0x21
        0xb0, 0x01, 0xe6, 0x21,                 // mov $0x01, %al; out %al, $0x21
        0xb0, 0xfe, 0xe6, 0x21,                 // mov $0xfe, %al; out %al, $0x21
        // Timer 0, mode 0: one interrupt after 0x1000 ticks, 3.4 ms. Intel 8254.
        0xb0, 0x30, 0xe6, 0x43,                 // mov $0x30, %al; out %al, $0x43
        0xb0, 0x00, 0xe6, 0x40,                 // mov $0x00, %al; out %al, $0x40
        0xb0, 0x10, 0xe6, 0x40,                 // mov $0x10, %al; out %al, $0x40
        0xfb,                                   // sti      # takes effect after the hlt has begun
        0xf4,                                   // hlt
        0xe6, 0xf4,                             // out %al, $DONE_PORT
        0xf4,                                   // hlt
        // 0x1025: the interrupt handler.
        0xc6, 0x06, 0x00, 0x20, 0x2a,           // movb $42, 0x2000
        0xb0, 0x20, 0xe6, 0x20,                 // mov $0x20, %al; out %al, $0x20   # end of interrupt
        0xcf,                                   // iret
    ],
    irqchip: true,
    fill_memory: |memory| {
        // Offset and segment of the handler of vector 0x20. SDM Vol. 3A,
        // 8086 Emulation, Interrupt and Exception Handling.
        memory.write_obj(HANDLER as u32, GuestAddress(4 * 0x20))?;
        Ok(())
    },
    enter_mode: |_| (),
    proof: (RESULT, 42),
};

const HANDLER: u64 = CODE + 0x25;

enum CodeWidth {
    Bits32,
    Bits64,
}

/// Flat segments over all of memory. They stand in the CPU's hidden registers, and the guests never
/// reload them: no descriptor table is needed.
fn set_segments(sregs: &mut kvm_sregs, width: CodeWidth) {
    let data = kvm_segment {
        base: 0,
        limit: 0xffff_ffff,
        selector: 0x10,
        type_: 0b0011, // data, writable, accessed. SDM Vol. 3A, table 3-1.
        present: 1,
        s: 1,  // code or data, not a system segment. SDM Vol. 3A, 3.4.5.
        db: 1, // 32-bit
        g: 1,  // the limit counts pages
        ..Default::default()
    };
    sregs.cs = kvm_segment {
        selector: 0x08,
        type_: 0b1011, // code, readable, accessed
        ..data
    };
    if let CodeWidth::Bits64 = width {
        (sregs.cs.l, sregs.cs.db) = (1, 0);
    }
    for segment in [&mut sregs.ds, &mut sregs.es, &mut sregs.fs, &mut sregs.gs, &mut sregs.ss] {
        *segment = data;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interrupt_handler_is_where_the_vector_points() {
        let offset = (HANDLER - CODE) as usize;
        // movb $42, and before it the hlt that ends the main line.
        assert_eq!(IRQCHIP.code[offset..offset + 2], [0xc6, 0x06]);
        assert_eq!(IRQCHIP.code[offset - 1], 0xf4);
    }

    #[test]
    fn code_ends_before_the_results_begin() {
        for guest in &ALL {
            assert!(CODE + (guest.code.len() as u64) < RESULT, "{}", guest.name);
        }
    }
}
