//! Cases made at random, each from a seed, a chapter and a number: always the same one.

use fastrand::Rng;
use guests::Mode;

use crate::case::{Case, Contents, Image, Input, Role, SIGNALS};
use crate::chapters::{CHAPTERS, Chapter};
use crate::code::{Bits, Code};
use crate::image::{self, SETUP_HEADER};
use crate::value;

/// Where code of ours goes in a guest with 16 MiB of memory: above page tables, below the disk.
const CODE_ADDRESS: u32 = 0xe0_0000;

/// Case `number` of a chapter. If the kernel that the chapters boot is there, its length.
pub fn case(seed: u64, chapter: &Chapter, number: u64, kernel_bytes: Option<usize>) -> Case {
    let position = CHAPTERS.iter().position(|it| it.name == chapter.name).unwrap_or(0) as u64;
    // Seeds that are neighbours must not give cases that are.
    let mut mixed = Rng::with_seed(seed);
    let mut rng = Rng::with_seed(mixed.u64(..) ^ (number << 8 | position));
    let rng = &mut rng;
    let mode = chapter.modes[rng.usize(..chapter.modes.len())];
    let mut options = Vec::new();
    let mut images = Vec::new();
    if mode == Mode::Linux {
        linux(rng, chapter, kernel_bytes, &mut options, &mut images);
    } else {
        // One guest alone is what most people run.
        let guests = if rng.u8(..3) == 0 { rng.usize(1..=chapter.guests_max) } else { 1 };
        let guest = |_| Image { role: Role::Guest, contents: Contents::Bytes(guest(rng, mode)) };
        images.extend((0..guests).map(guest));
        if !matches!(mode, Mode::Real | Mode::Multiboot) {
            options.extend(["--mode".to_owned(), mode.to_string()]);
        }
        if mode == Mode::Multiboot && guests == 1 && rng.u8(..3) == 0 {
            if rng.bool() {
                images = vec![Image { role: Role::Guest, contents: Contents::Bytes(writer(rng)) }];
            }
            images.push(Image { role: Role::Disk, contents: Contents::Bytes(disk(rng)) });
        }
        if mode == Mode::Long && rng.u8(..16) == 0 {
            // Of the others KVM itself refuses the registers: that is status 69.
            let mistakes = ["cs", "sse"];
            options.extend(["--break".to_owned(), mistakes[rng.usize(..2)].to_owned()]);
        }
    }
    if rng.u8(..12) == 0 {
        options.push("--verbose".to_owned());
    }
    Case {
        about: String::new(),
        chapter: chapter.name.to_owned(),
        options,
        input: input(rng),
        signal: SIGNALS[rng.usize(..SIGNALS.len())],
        expected: Vec::new(),
        images,
    }
}

fn input(rng: &mut Rng) -> Input {
    let some = |rng: &mut Rng, most| {
        let count = rng.usize(1..most);
        value::bytes(rng, count)
    };
    match rng.u8(..8) {
        0 => Input::Bytes(Vec::new()),
        1 => Input::Silent,
        2 => Input::Endless(some(rng, 64)),
        3 => Input::Endless(vec![rng.u8(..)]),
        4 => Input::Bytes(some(rng, 100_000)),
        _ => Input::Bytes(some(rng, 200)),
    }
}

/// A guest for this mode, as the file that has it.
fn guest(rng: &mut Rng, mode: Mode) -> Vec<u8> {
    let bits = match mode {
        Mode::Real => Bits::B16,
        Mode::Long | Mode::Linux => Bits::B64,
        _ => Bits::B32,
    };
    let is_elf = mode == Mode::Multiboot;
    let wrap = |code: Vec<u8>| if is_elf { image::elf(code, CODE_ADDRESS) } else { code };
    match rng.u8(..16) {
        0..3 => {
            let count = 1 << rng.u8(..12);
            wrap(value::bytes(rng, count))
        }
        3..8 => wrap(soup(rng, bits)),
        8..12 => {
            let mut bytes = built_in(rng, mode).to_vec();
            value::mutate(rng, &mut bytes);
            if bytes.is_empty() { vec![0xf4] } else { bytes }
        }
        _ => behind_registers(rng, mode, bits),
    }
}

/// A guest of ours.
fn built_in(rng: &mut Rng, mode: Mode) -> &'static [u8] {
    let all: Vec<_> = guests::GUESTS.iter().filter(|guest| guest.mode == mode).collect();
    all.get(rng.usize(..all.len().max(1))).map_or(&[0xf4], |guest| guest.image)
}

/// Instructions that leave the guest, one after the other, in a loop or not.
fn soup(rng: &mut Rng, bits: Bits) -> Vec<u8> {
    let mut code = Code::new(bits);
    if rng.bool() {
        code.registers(rng);
    }
    let start = code.bytes.len();
    for _ in 0..1 << rng.u8(..7) {
        code.instruction(rng);
    }
    if rng.bool() {
        code.jump_back(code.bytes.len() - start);
    }
    code.bytes.push(0xf4);
    code.bytes
}

/// A guest of ours that begins in a random register state. Where a flat image is linked is known:
/// its first bytes become a jump to code behind it, which puts them back first.
fn behind_registers(rng: &mut Rng, mode: Mode, bits: Bits) -> Vec<u8> {
    let guest = built_in(rng, mode);
    let mut code = Code::new(bits);
    if mode == Mode::Multiboot {
        code.registers(rng);
        return image::elf_with(guest, CODE_ADDRESS, |entry| {
            code.jump_to(entry);
            code.bytes
        });
    }
    let base: u32 = match mode {
        Mode::Real => 0,
        Mode::Paging => 0x8000_1000,
        _ => 0x1000,
    };
    let mut image = guest.to_vec();
    let mut jump = Code::new(bits);
    // The stack may not be there for a push: relative, and forward.
    let target = image.len().max(8);
    image.resize(target, 0);
    jump.jump_back(target.wrapping_neg());
    for (at, byte) in (base..).zip(&image[..jump.bytes.len()]) {
        put_byte(&mut code.bytes, bits, at, *byte);
    }
    code.registers(rng);
    let behind = target + code.bytes.len();
    code.jump_back(behind);
    image[..jump.bytes.len()].copy_from_slice(&jump.bytes);
    image.extend(code.bytes);
    image
}

/// `movb $byte, address`.
fn put_byte(code: &mut Vec<u8>, bits: Bits, at: u32, byte: u8) {
    match bits {
        Bits::B16 => {
            code.extend([0xc6, 0x06]);
            code.extend((at as u16).to_le_bytes());
        }
        Bits::B32 => {
            code.extend([0xc6, 0x05]);
            code.extend(at.to_le_bytes());
        }
        Bits::B64 => {
            code.extend([0xc6, 0x04, 0x25]);
            code.extend(at.to_le_bytes());
        }
    }
    code.push(byte);
}

/// A guest that changes the last byte of its disk: it has to be saved. Then it does something else.
fn writer(rng: &mut Rng) -> Vec<u8> {
    let mut code = Vec::new();
    put_byte(&mut code, Bits::B32, 0xff_ffff, 1);
    code.extend(soup(rng, Bits::B32));
    image::elf(code, CODE_ADDRESS)
}

/// The archive of the 1K OS with changes, in such a way that they count.
fn disk(rng: &mut Rng) -> Vec<u8> {
    let mut tar = guests::DISK.to_vec();
    for _ in 0..rng.u8(..8) {
        let header = rng.usize(..tar.len() / 512) * 512;
        // Mode, user, group, size, time, kind, and what GNU's kinds have.
        let field = [100, 108, 116, 124, 136, 156, 156, 345, 386, 482, 483];
        let at = header + field[rng.usize(..field.len())];
        let new = match rng.u8(..4) {
            0 => value::interesting(rng).to_le_bytes().to_vec(),
            1 => format!("{:011o}", value::interesting(rng) >> 31).into_bytes(),
            _ => vec![b"01234567LKSgxXN"[rng.usize(..15)]],
        };
        tar.iter_mut().skip(at).zip(new).for_each(|(byte, new)| *byte = new);
    }
    if rng.u8(..4) == 0 {
        // A file with a hole, as GNU's tar has them: magic, kind, one piece behind the hole, length.
        let header = rng.usize(..4) * 512;
        let length = format!("{:011o}\0", value::interesting(rng) >> 31);
        let fields: [(usize, &[u8]); 4] =
            [(257, b"ustar  \0"), (156, b"S"), (386, length.as_bytes()), (483, length.as_bytes())];
        for (at, bytes) in fields {
            tar[header + at..][..bytes.len()].copy_from_slice(bytes);
        }
        tar[header + 398..][..12].copy_from_slice(b"00000000000\0");
        tar[header + 124..][..12].copy_from_slice(b"00000000000\0");
    }
    if rng.u8(..4) == 0 {
        value::mutate(rng, &mut tar);
    }
    image::mend_checksums(&mut tar);
    tar
}

/// A kernel and what it is booted with.
fn linux(
    rng: &mut Rng,
    chapter: &Chapter,
    kernel_bytes: Option<usize>,
    options: &mut Vec<String>,
    images: &mut Vec<Image>,
) {
    let kernel = match kernel_bytes {
        Some(length) if rng.u8(..6) == 0 => {
            options.extend(["--memory", "256M"].map(str::to_owned));
            Contents::Patched(patches(rng, length))
        }
        _ => {
            let memory = [16, 17, 32, 64][rng.usize(..4)];
            options.extend(["--memory".to_owned(), format!("{memory}M")]);
            let mut file = image::bzimage(&soup(rng, Bits::B64));
            if rng.u8(..4) == 0 {
                let mut header = file[SETUP_HEADER].to_vec();
                value::mutate(rng, &mut header);
                header.resize(SETUP_HEADER.len(), 0);
                file[SETUP_HEADER].copy_from_slice(&header);
            }
            Contents::Bytes(file)
        }
    };
    images.push(Image { role: Role::Kernel, contents: kernel });
    if chapter.has_initrd && rng.bool() {
        let count = 1 << rng.u8(..17);
        let contents = Contents::Bytes(value::bytes(rng, count));
        images.push(Image { role: Role::Initrd, contents });
    }
}

/// Changes to a real kernel: in its header, near its entry, or anywhere.
fn patches(rng: &mut Rng, length: usize) -> Vec<(usize, Vec<u8>)> {
    let count = 1 << rng.u8(..6);
    let kind = rng.u8(..3);
    let patch = |_| {
        let at = match kind {
            0 => rng.usize(SETUP_HEADER),
            1 => rng.usize(..(64 << 10).min(length)),
            _ => rng.usize(..length.max(1)),
        };
        (at, vec![rng.u8(..)])
    };
    (0..count).map(patch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chapters::chapter;

    #[test]
    fn a_case_is_the_same_each_time_and_no_other() {
        for chapter in &CHAPTERS {
            let make = |seed, number| case(seed, chapter, number, Some(1 << 20));
            for number in 0..25 {
                let text = make(1, number).to_string();
                assert_eq!(text, make(1, number).to_string());
                assert_ne!(text, make(2, number).to_string());
                assert_ne!(text, make(1, number + 1).to_string());
                assert_eq!(Case::parse(&text).unwrap(), make(1, number));
            }
        }
    }

    #[test]
    fn each_kind_of_case_comes_up() {
        let chapter = chapter("ch15").unwrap();
        let all: Vec<_> = (0..2000).map(|number| case(1, chapter, number, Some(1 << 20))).collect();
        let any = |found: &dyn Fn(&Case) -> bool| all.iter().any(found);
        for role in [Role::Guest, Role::Kernel, Role::Initrd, Role::Disk] {
            assert!(any(&|case| case.images.iter().any(|it| it.role == role)), "{role:?}");
        }
        assert!(any(&Case::patches_kernel) && any(&Case::is_verbose));
        assert!(any(&|case| case.images.len() == 4 && case.input == Input::Silent));
        for mode in ["long", "interrupts"] {
            assert!(any(&|case| case.options.iter().any(|it| it == mode)), "{mode}");
        }
    }
}
