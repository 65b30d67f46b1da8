//! The programs that run inside the VM, handed out as bytes.
//!
//! Most are a file in `src/MODE/`; one, the 1K OS, is the folder `os-1k/` of the workspace. `build/`
//! builds them, and writes the table [`GUESTS`].

pub mod hypercall;

use std::fmt::{self, Write};

/// A program that runs inside the VM.
#[derive(Debug)]
pub struct Guest {
    /// The name by which `--list` and the command line know it.
    pub name: &'static str,
    /// What it expects to find when it starts.
    pub mode: Mode,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// Its bytes, to be loaded where its mode expects them.
    pub image: &'static [u8],
}

/// What a guest expects to find when it starts: the CPU's mode, and the machine around it.
///
/// All have the hypercalls of [`hypercall`]; a real-mode guest has COM1 too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 16-bit real mode: the image at offset 0 of its segment, `IP` = 0, all segments the same, the
    /// stack at the top of the segment.
    Real,
    /// 32-bit protected mode: 16 MiB of memory, the image at 0x1000, where `EIP` is, the stack at
    /// the top. A GDT at 0x500 with flat ring-0 segments, 0x08 for code and 0x10 for data; from
    /// chapter 10 on, an IDT at 0x800 that reports exceptions to the VMM. All below 0x1000 is the
    /// VMM's.
    Protected,
    /// As [`Mode::Protected`], with 4 KiB pages: the page directory at 0x100000, the page tables
    /// after it. All memory is mapped twice, at virtual address 0 and at 0x80000000. `EIP` and
    /// `ESP` are in the upper mapping: the image is linked at 0x80001000.
    Paging,
    /// As [`Mode::Protected`], on a machine with interrupts: two 8259A PICs, an IOAPIC and a local
    /// APIC; an i8254 PIT at IRQ 0; at IRQ 1 a keyboard controller, which has a scancode (set 1) at
    /// port 0x60 whenever bit 0 of port 0x64 is set. Its keyboard presses Ctrl-D at end of input.
    /// That may be before the guest has set up the PICs, which forget it: look at port 0x64 before
    /// the first sleep. `hlt` waits for an interrupt, so the guest ends by `HC_EXIT`.
    Interrupts,
    /// An ELF file for the machine of [`Mode::Interrupts`], but loaded and started as the Multiboot
    /// specification 0.6.96 says: segments where the ELF headers want them, flat protected mode
    /// without paging, `EIP` at the entry point, `EAX` = 0x2badb002, and in `EBX` the address of
    /// the information structure, which has the size of memory, one module, [`DISK`], and the boot
    /// loader's name, "mini-kvm". No stack and no GDT: the guest brings its own.
    Multiboot,
    /// 64-bit long mode in ring 0: 16 MiB of memory, the image at 0x1000, where `RIP` is, room for
    /// it up to 0x100000; `RSP` at the top, a multiple of 16 (so that a `call` leaves it as the ABI
    /// wants it). All memory is mapped twice by 4-level tables at 0x100000 (the PML4 first), in
    /// 4 KiB pages that are writable and executable and the supervisor's: at virtual address 0,
    /// where `RIP` and `RSP` are, and at 0xffff800000000000. A GDT at 0x500, 0x08 for code and 0x10
    /// for data; an IDT at 0x800 that reports exceptions to the VMM. SSE is enabled, CPUID is the
    /// host's. Interrupts are off and there are no interrupt controllers: `hlt` ends the guest.
    Long,
    /// A Linux kernel, a bzImage, started as the 64-bit boot protocol of Linux/x86 says. No built-in
    /// guest is one.
    Linux,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "real",
            Self::Protected => "protected",
            Self::Paging => "paging",
            Self::Interrupts => "interrupts",
            Self::Multiboot => "multiboot",
            Self::Long => "long",
            Self::Linux => "linux",
        })
    }
}

/// All guests, by mode and then by name.
pub const GUESTS: &[Guest] = include!(concat!(env!("OUT_DIR"), "/table.rs"));

/// The disk of the 1K OS: a ustar archive without folders, of its text files and then of its
/// programs, which are ELF files named without an extension (`shell`).
pub const DISK: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/disk.tar"));

/// Where the guests' ELF files are, each as `MODE/NAME.elf`: the same bytes as the image, with the
/// symbols and line numbers that `objdump` and `gdb` want. The programs of the 1K OS are there too,
/// as `os-1k/NAME.elf`.
pub const ELF_DIR: &str = concat!(env!("OUT_DIR"), "/guests");

/// How alike two names must be (0 to 1, Jaro-Winkler) for one to be offered for the other: a
/// slipped finger or a beginning (`mult`) is, a different word is not.
const ALIKE: f64 = 0.8;

/// The guest of this name, if it runs in one of these modes.
pub fn find(name: &str, modes: &[Mode]) -> Option<&'static Guest> {
    of_modes(modes).find(|guest| guest.name == name)
}

/// Up to three names that look like this one, best first; perhaps none.
pub fn nearest(name: &str, modes: &[Mode]) -> Vec<&'static str> {
    let name = name.to_lowercase();
    let mut alike: Vec<(f64, &str)> = of_modes(modes)
        .map(|guest| (strsim::jaro_winkler(&name, guest.name), guest.name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    alike.into_iter().map(|(_, name)| name).take(3).collect()
}

/// What `--list` prints: a line for each guest, then where their ELF files are.
pub fn list(modes: &[Mode]) -> String {
    let width = of_modes(modes).map(|guest| guest.name.len()).max().unwrap_or(0);
    let mut list = String::new();
    for Guest { name, about, .. } in of_modes(modes) {
        // Writing to a String cannot fail.
        let _ = writeln!(list, "{name:width$}  {about}");
    }
    list + &format!("\nFor objdump and gdb: {ELF_DIR}/MODE/NAME.elf\n")
}

fn of_modes(modes: &[Mode]) -> impl Iterator<Item = &'static Guest> {
    GUESTS.iter().filter(move |guest| modes.contains(&guest.mode))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::io::Read;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::*;

    const REAL: &[Mode] = &[Mode::Real];
    const ALL: &[Mode] =
        &[Mode::Real, Mode::Protected, Mode::Paging, Mode::Interrupts, Mode::Multiboot, Mode::Long];

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = GUESTS.iter().map(|guest| guest.name).collect();
        assert_eq!(names.len(), GUESTS.len());
    }

    #[test]
    fn guests_are_sorted_by_mode_then_name() {
        assert!(GUESTS.is_sorted_by_key(|guest| (guest.mode as u8, guest.name)));
    }

    #[test]
    fn every_guest_is_complete() {
        for Guest { name, mode, about, image } in GUESTS {
            assert!(!about.is_empty(), "{name} says nothing about itself");
            assert!(!about.ends_with('.'), "{name}: {about}");
            assert!(!image.is_empty(), "{name} has no bytes");
            let elf = Path::new(ELF_DIR).join(mode.to_string()).join(format!("{name}.elf"));
            assert!(elf.is_file(), "{} is missing", elf.display());
        }
    }

    /// ELF64: `e_machine` is at 18, 62 is x86-64; `e_entry` is at 24.
    #[test]
    fn long_mode_guests_are_64_bit_code_that_begins_at_0x1000() {
        for Guest { name, image, .. } in of_modes(&[Mode::Long]) {
            let elf = fs::read(Path::new(ELF_DIR).join(format!("long/{name}.elf"))).unwrap();
            assert_eq!(elf[..5], *b"\x7fELF\x02", "{name}");
            assert_eq!(elf[18..20], 62_u16.to_le_bytes(), "{name}");
            assert_eq!(elf[24..32], 0x1000_u64.to_le_bytes(), "{name}");
            assert!(image.len() <= 0x10_0000 - 0x1000, "{name}");
        }
    }

    /// `cargo fmt` does not know them.
    #[test]
    fn guests_in_rust_are_formatted() {
        let files = ["src/long", "runtime"].map(|folder| fs::read_dir(folder).unwrap());
        let mut files: Vec<PathBuf> =
            files.into_iter().flatten().map(|it| it.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
        assert!(!files.is_empty());

        let check = ["--check", "--edition=2024"];
        let output = Command::new("rustfmt").args(check).args(files).output();
        let output = output.expect("rustfmt is missing: rustup component add rustfmt");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    }

    #[test]
    fn minimal_is_one_hlt() {
        assert_eq!(find("minimal", REAL).unwrap().image, [0xf4]);
    }

    /// Multiboot specification 0.6.96, 3.1: the header is in the first 8 KiB of the file, and its
    /// checksum makes the sum of its first three fields 0.
    #[test]
    fn the_os_has_a_multiboot_header() {
        let image = find("os-1k", &[Mode::Multiboot]).unwrap().image;
        assert_eq!(image[..5], *b"\x7fELF\x01", "not an ELF32 file");
        let words: Vec<_> = image[..8192.min(image.len())]
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect();
        assert!(words.windows(3).any(|header| {
            header[0] == 0x1bad_b002
                && header.iter().fold(0, |sum: u32, word| sum.wrapping_add(*word)) == 0
        }));
    }

    #[test]
    fn the_disk_has_texts_and_then_programs() {
        let mut names = Vec::new();
        let mut programs = Vec::new();
        for entry in tar::Archive::new(DISK).entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header();
            assert!(header.as_ustar().is_some() && header.entry_type().is_file());
            assert_eq!(header.mode().unwrap(), 0o644);
            let zeros = [header.uid(), header.gid(), header.mtime()].map(Result::unwrap);
            assert_eq!(zeros, [0; 3]);

            let name = entry.path().unwrap().display().to_string();
            assert!(!name.contains('/'), "{name}");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            if bytes.starts_with(b"\x7fELF\x01") {
                let elf = Path::new(ELF_DIR).join("os-1k").join(format!("{name}.elf"));
                assert!(elf.is_file(), "{} is missing", elf.display());
                programs.push(name.clone());
            }
            names.push(name);
        }
        assert!(names.ends_with(&programs), "{names:?}");
        assert!(programs.is_sorted() && programs.contains(&"shell".to_owned()), "{programs:?}");
        let different: BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len());
    }

    #[test]
    fn finds_a_guest_by_its_exact_name_and_mode() {
        assert_eq!(find("hello", REAL).unwrap().name, "hello");
        assert!(find("Hello", REAL).is_none());
        assert!(find("hell", REAL).is_none());
        assert!(find("hello", &[]).is_none());
        assert!(find("pmode", REAL).is_none());
        assert_eq!(find("pmode", &[Mode::Protected]).unwrap().mode, Mode::Protected);
    }

    #[test]
    fn offers_names_that_look_alike() {
        assert_eq!(nearest("helo", REAL), ["hello"]);
        assert_eq!(nearest("HELLO", REAL), ["hello"]);
        assert_eq!(nearest("mult", REAL), ["multiplication"]);
        assert_eq!(nearest("conuter", REAL), ["counter"]);
        assert_eq!(nearest("vmlinuz", REAL), [""; 0]);
        assert_eq!(nearest("", REAL), [""; 0]);
        assert_eq!(nearest("hello", &[]), [""; 0]);
    }

    #[test]
    fn lists_the_guests_of_the_modes_asked_for() {
        let list = list(&[Mode::Paging, Mode::Interrupts]);
        let names: Vec<_> = list.lines().map_while(|line| line.split_whitespace().next()).collect();
        let of_modes = |guest: &&Guest| matches!(guest.mode, Mode::Paging | Mode::Interrupts);
        assert_eq!(names, GUESTS.iter().filter(of_modes).map(|it| it.name).collect::<Vec<_>>());
        assert!(!names.is_empty());
    }

    #[test]
    fn lists_a_guest_a_line_aligned() {
        let list = list(ALL);
        let lines: Vec<_> = list.lines().collect();
        assert_eq!(lines.len(), GUESTS.len() + 2);
        let column = lines[0].find(GUESTS[0].about).unwrap();
        for (line, guest) in lines.iter().zip(GUESTS) {
            assert!(line.starts_with(guest.name));
            assert_eq!(&line[column..], guest.about);
            assert!(line.len() <= 100, "{line}");
        }
        assert!(lines[GUESTS.len() + 1].contains(ELF_DIR));
    }
}
