//! What the guest's `CPUID` says: what KVM can do, and what is not KVM's to know.

use anyhow::{Context, Result};
use kvm_bindings::{CpuId, KVM_MAX_CPUID_ENTRIES};
use kvm_ioctls::{Cap, Kvm};

/// Feature information. SDM Vol. 2A, CPUID.
const FEATURES: u32 = 0x1;
/// In its `ECX`: this is no real machine. AMD64 APM Vol. 3, E.3.2.
const HYPERVISOR: u32 = 1 << 31;
/// In its `ECX`: the local APIC's timer can be told a time. SDM Vol. 3A, "TSC-Deadline Mode".
const TSC_DEADLINE_SHIFT: u32 = 24;
/// In its `EBX`, the highest byte: the local APIC's id.
const APIC_ID_SHIFT: u32 = 24;
/// Topology, in two versions: `EDX` is the x2APIC id.
const TOPOLOGY: [u32; 2] = [0xb, 0x1f];

/// What vCPU `id` is: all that KVM supports, on a CPU with this number.
pub fn of_vcpu(kvm: &Kvm, id: u8) -> Result<CpuId> {
    let mut cpuid =
        kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES).context("KVM_GET_SUPPORTED_CPUID")?;
    for entry in cpuid.as_mut_slice() {
        match entry.function {
            FEATURES => {
                // KVM has left here the id of the CPU that it happened to ask.
                entry.ebx = entry.ebx & !(0xff << APIC_ID_SHIFT) | u32::from(id) << APIC_ID_SHIFT;
                entry.ecx |= HYPERVISOR;
                let has_deadline = kvm.check_extension_int(Cap::TscDeadlineTimer) as u32;
                entry.ecx |= has_deadline << TSC_DEADLINE_SHIFT;
            }
            leaf if TOPOLOGY.contains(&leaf) => entry.edx = id.into(),
            _ => {}
        }
    }
    Ok(cpuid)
}
