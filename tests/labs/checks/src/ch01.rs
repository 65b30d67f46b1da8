//! What the guest's CPU is.

use std::path::PathBuf;

use fastrand::Rng;
use kvm_bindings::{KVM_CAP_EXT_CPUID, KVM_CAP_MAX_VCPUS, KVM_CAP_NR_MEMSLOTS, kvm_cpuid_entry2};
use kvm_ioctls::{Cap, Kvm};

use crate::Check;
use crate::answer::{Answer, text};
use crate::verdict::{Result, Stop, fail};

pub const CHECKS: &[(&str, Check)] = &[("numbers", numbers), ("cpu", cpu), ("features", features)];

/// What the card of the chapter has, as the chapter prints it without options.
const CARD: [(Cap, &str); 9] = [
    (Cap::UserMemory, "KVM_CAP_USER_MEMORY     chapter  2: our memory as the guest's"),
    (Cap::ImmediateExit, "KVM_CAP_IMMEDIATE_EXIT  chapter  4: stop a guest that never exits"),
    (Cap::MaxVcpus, "KVM_CAP_MAX_VCPUS       chapter  8: four vCPUs in one VM"),
    (Cap::NrMemslots, "KVM_CAP_NR_MEMSLOTS     chapter  8: a memory slot for each of them"),
    (Cap::SetTssAddr, "KVM_CAP_SET_TSS_ADDR    chapter 11: room for KVM's own use"),
    (Cap::Irqchip, "KVM_CAP_IRQCHIP         chapter 11: interrupt controllers in the kernel"),
    (Cap::Irqfd, "KVM_CAP_IRQFD           chapter 11: interrupts from a device of ours"),
    (Cap::Pit2, "KVM_CAP_PIT2            chapter 11: a timer"),
    (Cap::ExtCpuid, "KVM_CAP_EXT_CPUID       chapter 13: the CPU that the guest sees"),
];

/// The card, with a word for each capability's number.
fn card(kvm: &Kvm, changed: Option<(Cap, i32)>, word: impl Fn(i32) -> String) -> String {
    let mut card = "KVM API version 12\n".to_owned();
    for (cap, row) in CARD {
        let other = changed.filter(|(other, _)| *other == cap).map(|(_, number)| number);
        let number = other.unwrap_or_else(|| kvm.check_extension_int(cap));
        card += &format!("{}  {row}\n", word(number));
    }
    card
}

fn numbers(answer: &mut Answer) -> Result<()> {
    let kvm = kvm()?;
    let padded = |number: i32| format!("{number:<5}");
    answer.run(["--numbers"]).finish()?.status(0)?.stdout(card(&kvm, None, padded))?;
    // Numbers that no KVM has, so that nobody guesses them.
    for (cap, number) in
        [(Cap::MaxVcpus, KVM_CAP_MAX_VCPUS), (Cap::NrMemslots, KVM_CAP_NR_MEMSLOTS)]
    {
        let many = answer.random.i32(5..100_000);
        let run = answer.run(["--numbers"]).fault(&format!("answers:{number}:{many}"));
        run.finish()?.status(0)?.stdout(card(&kvm, Some((cap, many)), padded))?;
    }
    // Too few of them are still a number, and still too few.
    let run = answer.run(["--numbers"]).fault(&format!("answers:{KVM_CAP_MAX_VCPUS}:3"));
    let few = card(&kvm, Some((Cap::MaxVcpus, 3)), padded);
    run.finish()?.stdout(few)?.status(69)?.stderr_has("KVM_CAP_MAX_VCPUS")?;

    let yes = |_| "yes".to_owned();
    answer.run([""; 0]).finish()?.status(0)?.stdout(card(&kvm, None, yes))?;
    Ok(())
}

/// A CPU that there is not.
#[derive(Clone, Debug)]
struct Cpu {
    vendor: [u8; 12],
    /// `EAX` of leaf 1.
    signature: u32,
    brand: Vec<u8>,
    /// Leaves that KVM does not list.
    without: Vec<u32>,
}

impl Cpu {
    fn random(random: &mut Rng, base_family: u32) -> Self {
        let vendor = std::array::from_fn(|_| random.alphabetic() as u8);
        let brand = (0..random.usize(10..40)).map(|_| random.alphanumeric() as u8).collect();
        // All other bits at random: among them those that extend only some families.
        let signature = random.u32(..) & !0xf00 | base_family << 8;
        Self { vendor, signature, brand, without: Vec::new() }
    }

    fn leaves(&self) -> Vec<kvm_cpuid_entry2> {
        let word = |bytes: &[u8], index: usize| {
            let bytes: [u8; 4] =
                std::array::from_fn(|i| bytes.get(4 * index + i).copied().unwrap_or(0));
            u32::from_le_bytes(bytes)
        };
        let leaf = |function, [eax, ebx, ecx, edx]: [u32; 4]| kvm_cpuid_entry2 {
            function,
            eax,
            ebx,
            ecx,
            edx,
            ..Default::default()
        };
        let vendor = |index| word(&self.vendor, index);
        let mut leaves = vec![
            leaf(0, [0xd, vendor(0), vendor(2), vendor(1)]),
            leaf(1, [self.signature, 0x800, 0x8020_0000, 0x1078_bfbf]),
            leaf(0x8000_0000, [0x8000_0004, vendor(0), vendor(2), vendor(1)]),
        ];
        for index in 0..3 {
            let brand = [0, 1, 2, 3].map(|register| word(&self.brand, 4 * index + register));
            leaves.push(leaf(0x8000_0002 + index as u32, brand));
        }
        leaves.retain(|leaf| !self.without.contains(&leaf.function));
        leaves
    }

    /// What `--cpu` has to print. SDM Vol. 2A, `CPUID`, "Input EAX = 01H".
    fn lines(&self) -> String {
        let leaves = self.leaves();
        let eax = leaves.iter().find(|leaf| leaf.function == 1).map_or(0, |leaf| leaf.eax);
        let base = eax >> 8 & 0xf;
        let family = if base == 0xf { base + (eax >> 20 & 0xff) } else { base };
        let extension = if base == 0x6 || base == 0xf { eax >> 16 & 0xf } else { 0 };
        let model = extension << 4 | eax >> 4 & 0xf;
        let mut brand = self.brand.clone();
        if let Some(lost) = self.without.iter().filter(|leaf| **leaf >= 0x8000_0002).min() {
            brand.truncate(16 * (lost - 0x8000_0002) as usize);
        }
        let brand = brand.split(|byte| *byte == 0).next().unwrap_or_default();
        let brand = String::from_utf8_lossy(brand);
        let brand = match brand.trim_matches(' ') {
            "" => "none",
            brand => brand,
        };
        format!(
            "vendor    {}\nfamily    {family:#x}\nmodel     {model:#x}\nstepping  {:#x}\nbrand     {brand}\n",
            String::from_utf8_lossy(&self.vendor),
            eax & 0xf
        )
    }
}

fn cpu(answer: &mut Answer) -> Result<()> {
    let random = &mut answer.random;
    let plain = Cpu::random(random, 0x6);
    let other = random.u32(1..6);
    let full = (0..48).map(|_| random.alphabetic() as u8).collect();
    let mut cpus = vec![
        ("family-6", plain.clone()),
        ("family-f", Cpu::random(random, 0xf)),
        ("family-other", Cpu::random(random, other)),
        ("brand-of-48", Cpu { brand: full, ..plain.clone() }),
        ("brand-empty", Cpu { brand: Vec::new(), ..plain.clone() }),
        (
            "brand-of-blanks",
            Cpu { brand: b"   Blanks before, \0after the end".to_vec(), ..plain.clone() },
        ),
        ("without-leaf-1", Cpu { without: vec![1], ..plain.clone() }),
    ];
    let long = (0..40).map(|_| random.alphabetic() as u8).collect();
    cpus.push(("without-a-brand-leaf", Cpu { brand: long, without: vec![0x8000_0003], ..plain }));
    for (name, cpu) in cpus {
        let fault = fault(answer, name, &cpu.leaves())?;
        answer.run(["--cpu"]).fault(&fault).finish()?.status(0)?.stdout(cpu.lines())?;
    }
    let lacks = format!("lacks:{KVM_CAP_EXT_CPUID}");
    let ran = answer.run(["--cpu"]).fault(&lacks).finish()?;
    ran.status(69)?.stdout("")?.stderr_has("KVM_CAP_EXT_CPUID")?;
    // With the true KVM, too: its table is longer than ours.
    let ran = answer.run(["--cpu"]).finish()?;
    ran.status(0)?;
    let vendor = true_vendor()?;
    if !ran.stdout_text().starts_with(&vendor) {
        return ran.fail(&format!("does not begin with {vendor:?}, which is what KVM says"));
    }
    for other in ["--numbers", "--features"] {
        answer.run(["--cpu", other]).finish()?.status(64)?.stdout("")?;
    }
    Ok(())
}

/// The features in their order: where their bits are.
const FEATURES: [(&str, u32, usize, u32); 7] = [
    ("vme", 1, 3, 1),
    ("pae", 1, 3, 6),
    ("sse2", 1, 3, 26),
    ("hypervisor", 1, 2, 31),
    ("nx", 0x8000_0001, 3, 20),
    ("lm", 0x8000_0001, 3, 29),
    ("kvmclock", 0x4000_0001, 0, 3),
];

fn features(answer: &mut Answer) -> Result<()> {
    for round in 0..4 {
        let mut leaves: Vec<_> = [1, 0x8000_0001, 0x4000_0001]
            .into_iter()
            .map(|function| {
                let [eax, ebx, ecx, edx] = std::array::from_fn(|_| answer.random.u32(..));
                kvm_cpuid_entry2 { function, eax, ebx, ecx, edx, ..Default::default() }
            })
            .collect();
        // The last time, KVM does not list one of them.
        if round == 3 {
            leaves.remove(answer.random.usize(0..leaves.len()));
        }
        let fault = fault(answer, &format!("features-{round}"), &leaves)?;
        let mut expected = String::new();
        for (name, function, register, bit) in FEATURES {
            let leaf = leaves.iter().find(|leaf| leaf.function == function);
            let registers = leaf.map_or([0; 4], |leaf| [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx]);
            let is_set = registers[register] >> bit & 1 != 0;
            expected += &format!("{:<3}  {name}\n", if is_set { "yes" } else { "no" });
        }
        answer.run(["--features"]).fault(&fault).finish()?.status(0)?.stdout(expected)?;
    }
    let lacks = format!("lacks:{KVM_CAP_EXT_CPUID}");
    let ran = answer.run(["--features"]).fault(&lacks).finish()?;
    ran.status(69)?.stdout("")?.stderr_has("KVM_CAP_EXT_CPUID")?;
    answer.run(["--features", "--numbers"]).finish()?.status(64)?.stdout("")?;
    Ok(())
}

/// The fault that makes KVM list these leaves.
fn fault(answer: &Answer, name: &str, leaves: &[kvm_cpuid_entry2]) -> Result<String> {
    let mut bytes = Vec::new();
    for leaf in leaves {
        // As the kernel has it: three words, then the registers, then three words of padding.
        let words = [leaf.function, leaf.index, leaf.flags, leaf.eax, leaf.ebx, leaf.ecx, leaf.edx];
        bytes.extend(words.iter().chain(&[0; 3]).flat_map(|word| word.to_ne_bytes()));
    }
    let path: PathBuf = answer.file(&format!("{name}.cpuid"), &bytes)?;
    Ok(format!("cpuid:{}", text(&path)))
}

fn kvm() -> Result<Kvm> {
    Kvm::new().map_err(|error| Stop::Broken(format!("/dev/kvm: {error}")))
}

/// The first line of `--cpu` with the KVM there is.
fn true_vendor() -> Result<String> {
    let cpuid = kvm()?.get_supported_cpuid(kvm_bindings::KVM_MAX_CPUID_ENTRIES);
    let cpuid = cpuid.map_err(|error| Stop::Broken(format!("KVM_GET_SUPPORTED_CPUID: {error}")))?;
    let Some(leaf) = cpuid.as_slice().iter().find(|leaf| leaf.function == 0) else {
        return fail("KVM lists no leaf 0");
    };
    let bytes = [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes);
    Ok(format!("vendor    {}\n", String::from_utf8_lossy(bytes.as_flattened())))
}
