//! The CPU that KVM would show a guest, leaf by leaf. SDM Vol. 2A, `CPUID`.

use std::fmt;

use kvm_bindings::kvm_cpuid_entry2;

/// A register of a leaf.
#[derive(Clone, Copy)]
pub enum Register {
    Eax,
    Ecx,
    Edx,
}

/// A feature of a CPU: a bit in a register of a leaf.
pub struct Feature {
    pub name: &'static str,
    leaf: u32,
    register: Register,
    bit: u32,
}

#[rustfmt::skip] // a table
pub const FEATURES: [Feature; 7] = [
    Feature { name: "vme", leaf: 1, register: Register::Edx, bit: 1 },
    Feature { name: "pae", leaf: 1, register: Register::Edx, bit: 6 },
    Feature { name: "sse2", leaf: 1, register: Register::Edx, bit: 26 },
    Feature { name: "hypervisor", leaf: 1, register: Register::Ecx, bit: 31 },
    Feature { name: "nx", leaf: 0x8000_0001, register: Register::Edx, bit: 20 },
    Feature { name: "lm", leaf: 0x8000_0001, register: Register::Edx, bit: 29 },
    Feature { name: "kvmclock", leaf: 0x4000_0001, register: Register::Eax, bit: 3 },
];

/// The leaves that hold the brand, in order.
const BRAND_LEAVES: [u32; 3] = [0x8000_0002, 0x8000_0003, 0x8000_0004];

pub struct Cpu<'a> {
    leaves: &'a [kvm_cpuid_entry2],
}

impl<'a> Cpu<'a> {
    pub fn new(leaves: &'a [kvm_cpuid_entry2]) -> Self {
        Self { leaves }
    }

    pub fn has(&self, feature: &Feature) -> bool {
        let leaf = self.leaf(feature.leaf);
        let register = match feature.register {
            Register::Eax => leaf.eax,
            Register::Ecx => leaf.ecx,
            Register::Edx => leaf.edx,
        };
        register >> feature.bit & 1 != 0
    }

    /// Four zeros if KVM does not list it.
    fn leaf(&self, number: u32) -> kvm_cpuid_entry2 {
        let leaf = self.leaves.iter().find(|leaf| leaf.function == number);
        leaf.copied().unwrap_or_default()
    }

    fn vendor(&self) -> String {
        let leaf = self.leaf(0);
        text(&[leaf.ebx, leaf.edx, leaf.ecx])
    }

    fn family(&self) -> u32 {
        let base = self.base_family();
        if base == 0xf { base + (self.leaf(1).eax >> 20 & 0xff) } else { base }
    }

    fn base_family(&self) -> u32 {
        self.leaf(1).eax >> 8 & 0xf
    }

    fn model(&self) -> u32 {
        let signature = self.leaf(1).eax;
        let base = signature >> 4 & 0xf;
        match self.base_family() {
            0x6 | 0xf => (signature >> 16 & 0xf) << 4 | base,
            _ => base,
        }
    }

    fn stepping(&self) -> u32 {
        self.leaf(1).eax & 0xf
    }

    fn brand(&self) -> Option<String> {
        let leaves = BRAND_LEAVES.map(|number| self.leaf(number));
        let registers = leaves.map(|leaf| [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx]);
        let brand = text(registers.as_flattened());
        let brand = brand.split('\0').next().unwrap_or_default().trim_matches(' ');
        (!brand.is_empty()).then(|| brand.to_owned())
    }
}

impl fmt::Display for Cpu<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "vendor    {}", self.vendor())?;
        writeln!(f, "family    {:#x}", self.family())?;
        writeln!(f, "model     {:#x}", self.model())?;
        writeln!(f, "stepping  {:#x}", self.stepping())?;
        writeln!(f, "brand     {}", self.brand().as_deref().unwrap_or("none"))
    }
}

/// The bytes of the registers as text, the lowest of each first.
fn text(registers: &[u32]) -> String {
    let bytes: Vec<u8> = registers.iter().flat_map(|register| register.to_le_bytes()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(eax: u32) -> (u32, u32, u32) {
        let leaves = [kvm_cpuid_entry2 { function: 1, eax, ..Default::default() }];
        let cpu = Cpu::new(&leaves);
        (cpu.family(), cpu.model(), cpu.stepping())
    }

    #[test]
    fn only_some_families_are_extended() {
        assert_eq!(signature(0x0080_0f12), (0x17, 0x01, 2)); // AMD Zen
        assert_eq!(signature(0x0009_06ea), (0x6, 0x9e, 10)); // Intel Coffee Lake
        assert_eq!(signature(0x0ff0_0543), (0x5, 0x4, 3));
        assert_eq!(signature(0), (0, 0, 0));
    }

    #[test]
    fn a_brand_ends_at_its_first_zero() {
        let eax = u32::from_le_bytes(*b"  My");
        let leaf = kvm_cpuid_entry2 { function: 0x8000_0002, eax, ..Default::default() };
        assert_eq!(Cpu::new(&[leaf]).brand().as_deref(), Some("My"));
        assert_eq!(Cpu::new(&[]).brand(), None);
    }
}
