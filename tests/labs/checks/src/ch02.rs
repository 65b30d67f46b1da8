//! A ROM.

use std::fs;
use std::path::Path;

use kvm_bindings::{KVM_CAP_READONLY_MEM, KVM_MEM_READONLY};

use crate::Check;
use crate::answer::{Answer, text};
use crate::ran::Ran;
use crate::verdict::{Result, Stop};

pub const CHECKS: &[(&str, Check)] = &[("kib", kib), ("rom", rom), ("poke", poke)];

const ROM_ADDRESS: u64 = 0xf_0000;
const ROM_BYTES_MAX: usize = 0x1_0000;
const PAGE_BYTES: usize = 0x1000;

/// A memory slot, as KVM had it when the program ended, with what was in it.
struct Slot {
    number: u32,
    flags: u32,
    address: u64,
    host_address: u64,
    contents: Vec<u8>,
}

fn kib(answer: &mut Answer) -> Result<()> {
    let some = u64::from(answer.random.u32(3..160)) * 4;
    for kib in [some, 8, 640] {
        let (ran, slots) = run(answer, &["--kib", &kib.to_string()])?;
        let memory = one(&ran, &slots)?;
        ran.stdout(expected(&slots, 0x1234, memory.host_address + 0x1234))?;
        same_slot(&ran, memory, 0, 0, &with_byte(vec![0; kib as usize * 1024], 0x1234))?;
    }
    let (ran, slots) = run(answer, &[])?;
    let memory = one(&ran, &slots)?;
    same_slot(&ran, memory, 0, 0, &with_byte(vec![0; 0x1_0000], 0x1234))?;
    ran.stdout(expected(&slots, 0x1234, memory.host_address + 0x1234))?;

    let random = &mut answer.random;
    let odd = (random.u32(3..159) * 4 + random.u32(1..4)).to_string();
    let large = (random.u32(161..1000) * 4).to_string();
    // What 64 bits, 32, or 32 of the number of bytes keep of these would be fine.
    let beyond = ["18446744073709551680", "4294967360", "4194368"];
    for bad in [&odd, &large, "0", "4", "641", "644", "0x40", "64k"].into_iter().chain(beyond) {
        refused(answer, &["--kib", bad], bad)?;
    }
    Ok(())
}

fn rom(answer: &mut Answer) -> Result<()> {
    let some = answer.random.usize(0x1001..0xf000);
    for bytes in [some, 1, PAGE_BYTES, PAGE_BYTES + 1, ROM_BYTES_MAX] {
        let (path, contents) = rom_file(answer, bytes)?;
        let (ran, slots) = run(answer, &["--rom", &path])?;
        let (memory, rom) = two(&ran, &slots)?;
        same_slot(&ran, rom, ROM_ADDRESS, KVM_MEM_READONLY, &contents)?;
        same_slot(&ran, memory, 0, 0, &with_byte(vec![0; 0x1_0000], 0x1234))?;
        ran.stdout(expected(&slots, 0x1234, memory.host_address + 0x1234))?;
    }

    let missing = text(&answer.scratch("missing.rom")).to_owned();
    let folder = text(&answer.scratch("")).to_owned();
    let empty = text(&answer.file("empty.rom", b"")?).to_owned();
    let too_long = text(&answer.file("long.rom", &vec![7; ROM_BYTES_MAX + 1])?).to_owned();
    for path in [&missing, &folder, &empty, &too_long] {
        let ran = answer.run(["--rom", path]).finish()?;
        ran.stdout("")?.status(66)?.stderr_has(path)?;
    }

    // Only who wants a ROM needs the capability.
    let (path, _) = rom_file(answer, 1)?;
    let lacks = format!("lacks:{KVM_CAP_READONLY_MEM}");
    let ran = answer.run(["--rom", &path]).fault(&lacks).finish()?;
    ran.stdout("")?.status(69)?.stderr_has("KVM_CAP_READONLY_MEM")?;
    answer.run([""; 0]).fault(&lacks).finish()?.status(0)?;
    Ok(())
}

fn poke(answer: &mut Answer) -> Result<()> {
    let some = answer.random.u64(0x2000..0xffff);
    for (address, typed) in [
        (some, some.to_string()),
        (some + 1, format!("{:#x}", some + 1)),
        (0, "0".to_owned()),
        (0xffff, "0xffff".to_owned()),
    ] {
        let (ran, slots) = run(answer, &["--poke", &typed])?;
        let memory = one(&ran, &slots)?;
        ran.stdout(expected(&slots, address, memory.host_address + address))?;
        same_slot(&ran, memory, 0, 0, &with_byte(vec![0; 0x1_0000], address))?;
    }
    let far = answer.random.u64(0x1_0001..ROM_ADDRESS);
    let (far_decimal, far) = (far.to_string(), format!("{far:#x}"));
    for bad in [
        "65536",
        &*far,
        &*far_decimal,
        "0xf0000",
        "0xffffffffffffffff",
        "0x10000000000001234",
        "18446744073709551616",
        "12fe",
        "0x",
        "0x12g4",
    ] {
        refused(answer, &["--poke", bad], bad)?;
    }

    // In the ROM it is as in the memory: the flag is not for us.
    let (path, contents) = rom_file(answer, PAGE_BYTES + 1)?;
    let first = 0x200 + answer.random.u64(..0x100);
    for (offset, typed) in [
        (first, (ROM_ADDRESS + first).to_string()),
        (2 * PAGE_BYTES as u64 - 1, "0xf1fff".to_owned()),
    ] {
        let (ran, slots) = run(answer, &["--rom", &path, "--poke", &typed])?;
        let (_, rom) = two(&ran, &slots)?;
        ran.stdout(expected(&slots, ROM_ADDRESS + offset, rom.host_address + offset))?;
        same_slot(&ran, rom, ROM_ADDRESS, KVM_MEM_READONLY, &with_byte(contents.clone(), offset))?;
    }
    for bad in ["0xf2000", "65536", "0xeffff"] {
        refused(answer, &["--rom", &path, "--poke", bad], bad)?;
    }
    Ok(())
}

/// A file of this many bytes, and what the ROM has to have with it.
fn rom_file(answer: &mut Answer, bytes: usize) -> Result<(String, Vec<u8>)> {
    // None of them is zero, so that the end can be told from what is behind it.
    let mut contents: Vec<u8> = (0..bytes).map(|_| answer.random.u8(1..)).collect();
    let path = answer.file(&format!("{bytes}.rom"), &contents)?;
    contents.resize(bytes.next_multiple_of(PAGE_BYTES), 0);
    Ok((text(&path).to_owned(), contents))
}

/// Runs the program to its good end, and looks at what it told KVM about memory.
fn run(answer: &Answer, arguments: &[&str]) -> Result<(Ran, Vec<Slot>)> {
    let path = answer.scratch("slots");
    let ran = answer.run(arguments).fault(&format!("slots:{}", text(&path))).finish()?;
    ran.status(0)?;
    let slots = slots(&path)?;
    Ok((ran, slots))
}

/// What the shim wrote: of each slot KVM's structure, and behind it the memory.
fn slots(path: &Path) -> Result<Vec<Slot>> {
    let file = fs::read(path)?;
    let mut rest = &file[..];
    let mut slots = Vec::new();
    while let Some((head, behind)) = rest.split_first_chunk::<32>() {
        let half = |index| u32::from_ne_bytes(std::array::from_fn(|byte| head[index + byte]));
        let whole = |index| u64::from_ne_bytes(std::array::from_fn(|byte| head[index + byte]));
        let Some((contents, behind)) = behind.split_at_checked(whole(16) as usize) else {
            return Err(Stop::Broken(format!("{}: it ends too early", path.display())));
        };
        rest = behind;
        slots.push(Slot {
            number: half(0),
            flags: half(4),
            address: whole(8),
            host_address: whole(24),
            contents: contents.to_vec(),
        });
    }
    // One with no bytes has been deleted.
    slots.retain(|slot| !slot.contents.is_empty());
    slots.sort_by_key(|slot| slot.number);
    Ok(slots)
}

/// The only slot.
fn one<'a>(ran: &Ran, slots: &'a [Slot]) -> Result<&'a Slot> {
    match slots {
        [memory] => Ok(memory),
        _ => ran.fail(&format!("KVM has {} memory slots, not 1", slots.len())),
    }
}

/// The memory's slot and the ROM's.
fn two<'a>(ran: &Ran, slots: &'a [Slot]) -> Result<(&'a Slot, &'a Slot)> {
    match slots {
        [memory @ Slot { number: 0, .. }, rom @ Slot { number: 1, .. }] => Ok((memory, rom)),
        _ => {
            let numbers: Vec<_> = slots.iter().map(|slot| slot.number).collect();
            ran.fail(&format!("KVM has the memory slots {numbers:?}, not [0, 1]"))
        }
    }
}

/// Whether KVM was told this about a slot, and whether this was in it in the end.
fn same_slot(ran: &Ran, slot: &Slot, address: u64, flags: u32, contents: &[u8]) -> Result<()> {
    let number = slot.number;
    let bytes = (slot.contents.len(), contents.len());
    if (slot.address, slot.flags) != (address, flags) || bytes.0 != bytes.1 {
        return ran.fail(&format!(
            "slot {number} has {:#x} bytes at GPA {:#x} with flags {:#x}, not {:#x} bytes at {address:#x} \
             with flags {flags:#x}",
            bytes.0, slot.address, slot.flags, bytes.1
        ));
    }
    match slot.contents.iter().zip(contents).position(|(is, should)| is != should) {
        None => Ok(()),
        Some(index) => ran.fail(&format!(
            "slot {number}: in the end the byte at GPA {:#x} was {:#04x}, not {:#04x}",
            address + index as u64,
            slot.contents[index],
            contents[index]
        )),
    }
}

/// What is printed: the map, and the byte that was written.
fn expected(slots: &[Slot], poked: u64, host_address: u64) -> String {
    let mut printed = String::new();
    for slot in slots {
        let (kib, last) =
            (slot.contents.len() / 1024, slot.address + slot.contents.len() as u64 - 1);
        let note = if slot.number == 1 { ", read-only" } else { "" };
        printed += &format!(
            "guest physical {:#06x} to {last:#06x}: {kib} KiB at host {:#x}{note}\n",
            slot.address, slot.host_address
        );
    }
    printed += &format!("wrote 0x2a at guest physical {poked:#06x}\n");
    printed + &format!("read 0x2a at host {host_address:#x}\n")
}

/// This memory, after the byte was written.
fn with_byte(mut memory: Vec<u8>, address: u64) -> Vec<u8> {
    memory[address as usize] = 0x2a;
    memory
}

/// A bad value is bad usage, and nothing is printed but a message with the value.
fn refused(answer: &Answer, arguments: &[&str], value: &str) -> Result<()> {
    let ran = answer.run(arguments).finish()?;
    ran.stdout("")?.status(64)?.stderr_has(value)?;
    Ok(())
}
