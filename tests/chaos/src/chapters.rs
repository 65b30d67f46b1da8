//! The chapters whose VMMs run guests, and what these can be.

use guests::Mode;

/// A chapter whose VMM takes images.
#[derive(Debug)]
pub struct Chapter {
    /// Its package.
    pub name: &'static str,
    /// In which modes.
    pub modes: &'static [Mode],
    /// How many side by side.
    pub guests_max: usize,
    /// Whether it boots with an initrd.
    pub has_initrd: bool,
}

const REAL: &[Mode] = &[Mode::Real];
const TO_PROTECTED: &[Mode] = &[Mode::Real, Mode::Protected, Mode::Protected];
const TO_PAGING: &[Mode] = &[Mode::Real, Mode::Protected, Mode::Paging, Mode::Paging];
const TO_INTERRUPTS: &[Mode] =
    &[Mode::Real, Mode::Protected, Mode::Paging, Mode::Interrupts, Mode::Interrupts];
const TO_MULTIBOOT: &[Mode] = &[
    Mode::Real,
    Mode::Protected,
    Mode::Paging,
    Mode::Interrupts,
    Mode::Multiboot,
    Mode::Multiboot,
];
const TO_LONG: &[Mode] = &[
    Mode::Real,
    Mode::Protected,
    Mode::Paging,
    Mode::Interrupts,
    Mode::Multiboot,
    Mode::Long,
    Mode::Long,
];
/// The modes before it have not changed; new is what counts.
const TO_LINUX: &[Mode] =
    &[Mode::Interrupts, Mode::Multiboot, Mode::Long, Mode::Linux, Mode::Linux, Mode::Linux];

/// Chapters 1 to 3 run no image but their own.
pub const CHAPTERS: [Chapter; 12] = [
    Chapter { name: "ch04-exits", modes: REAL, guests_max: 1, has_initrd: false },
    Chapter { name: "ch05-uart", modes: REAL, guests_max: 1, has_initrd: false },
    Chapter { name: "ch06-uart-input", modes: REAL, guests_max: 1, has_initrd: false },
    Chapter { name: "ch07-hypercall", modes: REAL, guests_max: 1, has_initrd: false },
    Chapter { name: "ch08-multi-vcpu", modes: REAL, guests_max: 4, has_initrd: false },
    Chapter { name: "ch09-protected-mode", modes: TO_PROTECTED, guests_max: 4, has_initrd: false },
    Chapter { name: "ch10-paging", modes: TO_PAGING, guests_max: 4, has_initrd: false },
    Chapter { name: "ch11-interrupts", modes: TO_INTERRUPTS, guests_max: 4, has_initrd: false },
    Chapter { name: "ch12-os-1k", modes: TO_MULTIBOOT, guests_max: 4, has_initrd: false },
    Chapter { name: "ch13-long-mode", modes: TO_LONG, guests_max: 4, has_initrd: false },
    Chapter { name: "ch14-linux-boot", modes: TO_LINUX, guests_max: 4, has_initrd: false },
    Chapter { name: "ch15-linux-shell", modes: TO_LINUX, guests_max: 4, has_initrd: true },
];

/// The chapter of this name, or of its first letters: `ch07`.
pub fn chapter(name: &str) -> Option<&'static Chapter> {
    CHAPTERS.iter().find(|chapter| chapter.name == name || chapter.name[..4] == *name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_chapter_from_the_fourth_on_has_its_turn() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../chapters");
        let mut there: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.as_str() >= "ch04")
            .collect();
        there.sort();
        assert_eq!(there, CHAPTERS.map(|chapter| chapter.name));
    }
}
