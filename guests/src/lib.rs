//! The programs that run inside the VM, handed out as bytes.
//!
//! Each is a file in `src/MODE/`, assembled by `build.rs`, which also writes the table [`GUESTS`].

pub mod hypercall;

use std::fmt::{self, Write};

/// A program that runs inside the VM.
#[derive(Debug)]
pub struct Guest {
    /// The name by which `--list` and the command line know it.
    pub name: &'static str,
    /// The mode that it expects the CPU to be in.
    pub mode: Mode,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// Its bytes, to be loaded where its mode expects them.
    pub image: &'static [u8],
}

/// The CPU mode in which a guest starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 16-bit real mode: the image at offset 0 of its segment, `IP` = 0, all segments the same, the
    /// stack at the top of the segment.
    Real,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "real",
        })
    }
}

/// All guests, by mode and then by name.
pub const GUESTS: &[Guest] = include!(concat!(env!("OUT_DIR"), "/table.rs"));

/// Where the guests' ELF files are, each as `MODE/NAME.elf`: the same bytes as the image, with the
/// symbols and line numbers that `objdump` and `gdb` want.
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
    use std::path::Path;

    use super::*;

    const REAL: &[Mode] = &[Mode::Real];

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

    #[test]
    fn minimal_is_one_hlt() {
        assert_eq!(find("minimal", REAL).unwrap().image, [0xf4]);
    }

    #[test]
    fn finds_a_guest_by_its_exact_name_and_mode() {
        assert_eq!(find("hello", REAL).unwrap().name, "hello");
        assert!(find("Hello", REAL).is_none());
        assert!(find("hell", REAL).is_none());
        assert!(find("hello", &[]).is_none());
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
    fn lists_a_guest_a_line_aligned() {
        let list = list(REAL);
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
