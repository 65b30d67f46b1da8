//! ACPI tables: what a kernel cannot find out by looking. ACPI Specification 6.5, 5.2.

use acpi_tables::aml::{Name, Package};
use acpi_tables::fadt::FADTBuilder;
use acpi_tables::madt::{
    EnabledStatus, IoApic, LocalInterruptController, MADT, ProcessorLocalApic,
};
use acpi_tables::{Aml, rsdp::Rsdp, sdt::Sdt, xsdt::XSDT};
use anyhow::{Context, Result};
use vm_memory::{Address, Bytes, GuestMemoryMmap};

use crate::layout::ACPI_ADDRESS;

const OEM: [u8; 6] = *b"RUSTVM";
const MODEL: [u8; 8] = *b"MINI-KVM";

/// Where KVM's interrupt controllers are, as in any PC.
const LOCAL_APIC_ADDRESS: u32 = 0xfee0_0000;
const IO_APIC_ADDRESS: u32 = 0xfec0_0000;

/// Power management has no events. Written with this bit in the upper byte, it ends the machine.
const PM1_EVENT: u16 = 0x600;
pub const PM1_CONTROL: u16 = 0x604;
pub const SLEEP_ENABLE: u8 = 1 << 5;

pub fn write(memory: &GuestMemoryMmap) -> Result<()> {
    let mut tables = Vec::new();
    let mut add = |table: &dyn Aml| {
        tables.resize(tables.len().next_multiple_of(16), 0); // the steps in which a kernel searches
        let start = ACPI_ADDRESS.raw_value() + tables.len() as u64;
        table.to_aml_bytes(&mut tables);
        start
    };

    let mut madt = MADT::new(OEM, MODEL, 1, LocalInterruptController::Address(LOCAL_APIC_ADDRESS));
    madt.add_structure(ProcessorLocalApic::new(0, 0, EnabledStatus::Enabled));
    madt.add_structure(IoApic::new(1, IO_APIC_ADDRESS, 0));

    let mut off = Vec::new();
    Name::new("_S5_".into(), &Package::new(vec![&0u8])).to_aml_bytes(&mut off);
    let mut dsdt = Sdt::new(*b"DSDT", 36, 2, OEM, MODEL, 1);
    dsdt.append_slice(&off);

    let mut fadt = FADTBuilder::new(OEM, MODEL, 1).dsdt_64(add(&dsdt));
    fadt.sci_int = 9.into(); // as in any PC
    (fadt.pm1a_evt_blk, fadt.pm1_evt_len) = (u32::from(PM1_EVENT).into(), 4);
    (fadt.pm1a_cnt_blk, fadt.pm1_cnt_len) = (u32::from(PM1_CONTROL).into(), 2);

    let mut xsdt = XSDT::new(OEM, MODEL, 1);
    xsdt.add_entry(add(&madt));
    xsdt.add_entry(add(&fadt.finalize()));
    let xsdt = add(&xsdt);
    add(&Rsdp::new(OEM, xsdt));
    memory.write_slice(&tables, ACPI_ADDRESS).context("the ACPI tables")
}
