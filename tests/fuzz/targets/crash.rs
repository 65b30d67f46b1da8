//! The report on a guest that has crashed: its registers and tables may hold anything.

use arbitrary::Unstructured;
use fuzz::Target;
use kvm_bindings::{kvm_dtable, kvm_regs, kvm_segment, kvm_sregs};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::layout::{HANDLERS_ADDRESS, IDT_ADDRESS};
use crate::registers::Registers;
use crate::{crash, exception};

const MEMORY_BYTES: u64 = 16 << 20;
/// No report needs more than a screen and a half.
const LINES_MAX: usize = 40;

pub const TARGET: Target = Target {
    name: if crate::root::HAS_LONG_MODE { "crash" } else { "crash-32-bit" },
    seeds: || {
        let mut rng = fastrand::Rng::with_seed(13);
        let random = (0..16).map(|_| (0..600).map(|_| rng.u8(..)).collect());
        std::iter::once(Vec::new()).chain(random).collect()
    },
    fields: &[],
    run: |bytes| match bytes {
        [] => at_the_last_address(),
        bytes => _ = run(&mut Unstructured::new(bytes)),
    },
    cases: 3_000,
    allocated_max: 1 << 20,
};

/// Anything, mostly at an edge.
fn number(bytes: &mut Unstructured) -> arbitrary::Result<u64> {
    Ok(match bytes.int_in_range(0..=7)? {
        0 => bytes.arbitrary()?,
        1 => bytes.arbitrary::<u32>()?.into(),
        2 => (bytes.arbitrary::<i8>()?) as u64,
        3 => MEMORY_BYTES.wrapping_add(bytes.arbitrary::<i8>()? as u64),
        4 => HANDLERS_ADDRESS.0 + u64::from(bytes.arbitrary::<u8>()?),
        5 => 0x10_0000,
        6 => (1_u64 << bytes.int_in_range(0..=63)?).wrapping_add(bytes.arbitrary::<i8>()? as u64),
        _ => bytes.arbitrary::<u16>()?.into(),
    })
}

fn registers(bytes: &mut Unstructured) -> arbitrary::Result<Registers> {
    let general = kvm_regs {
        rax: number(bytes)?,
        rip: number(bytes)?,
        rsp: number(bytes)?,
        rflags: number(bytes)?,
        ..Default::default()
    };
    let idt = if bytes.ratio(3, 4)? { IDT_ADDRESS.0 } else { number(bytes)? };
    let special = kvm_sregs {
        cr0: bytes.arbitrary::<u64>()? | if bytes.arbitrary()? { 1 << 31 } else { 0 },
        cr2: number(bytes)?,
        cr3: number(bytes)?,
        cr4: number(bytes)?,
        efer: number(bytes)?,
        cs: kvm_segment {
            base: number(bytes)?,
            selector: bytes.arbitrary()?,
            ..Default::default()
        },
        gdt: kvm_dtable { base: number(bytes)?, limit: bytes.arbitrary()?, ..Default::default() },
        idt: kvm_dtable { base: idt, limit: bytes.arbitrary()?, ..Default::default() },
        ..Default::default()
    };
    Ok(Registers { general, special })
}

/// A stack that ends where 64 bits do, as a guest can have it that comes back from long mode.
fn at_the_last_address() {
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY_BYTES as usize)]).unwrap();
    for (entry, at) in [(0x10_1007_u32, 0x10_0ffc), (0x2007, 0x10_1ffc)] {
        memory.write_obj(entry, GuestAddress(at)).unwrap();
    }
    let general = kvm_regs { rip: HANDLERS_ADDRESS.0, rsp: u64::MAX - 15, ..Default::default() };
    let idt = kvm_dtable { base: IDT_ADDRESS.0, ..Default::default() };
    let special = kvm_sregs { cr0: 1 << 31, cr3: 0x10_0000, idt, ..Default::default() };
    let (reason, _) = exception::decode(&Registers { general, special }, &memory).unwrap();
    assert!(reason.contains("#DE"), "{reason}");
}

fn run(bytes: &mut Unstructured) -> arbitrary::Result<()> {
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY_BYTES as usize)]).unwrap();
    for _ in 0..bytes.int_in_range(0..=16)? {
        let page = *bytes.choose(&[0, 0x10_0000, 0x10_1000, MEMORY_BYTES - 4096])?;
        let at = page + u64::from(*bytes.choose(&[0_u16, 4, 8, 0xff8, 0xffc, 0x800])?);
        let entry = *bytes.choose(&[0x10_0007_u64, 0x10_1007, 0xff_f007, 0x87, 0x7, 0])?;
        let _ = memory.write_obj(entry, GuestAddress(at));
    }
    let (now, before) = (registers(bytes)?, registers(bytes)?);
    let (reason, now) = exception::decode(&now, &memory).unwrap_or((String::from("another"), now));
    assert_eq!(reason.lines().count(), 1, "{reason}");
    let report = crash::report(&now, &before, &memory);
    assert!(report.lines().count() <= LINES_MAX, "{report}");
    assert!(report.is_ascii(), "{report}");
    Ok(())
}
