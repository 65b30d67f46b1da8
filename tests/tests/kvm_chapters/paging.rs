//! `--translate` against a guest that looks for itself: neither walker is trusted alone.

use tests::{Run, assert_ends};

/// The chapters with paging.
const CHAPTERS: [&str; 2] = ["ch10-paging", "ch11-interrupts"];

/// Bits that the CPU sets when it uses an entry: accessed and dirty.
const SET_BY_CPU: u32 = 1 << 5 | 1 << 6;

/// What `--translate` says, with no KVM at all.
fn translate(chapter: &str, address: u32) -> String {
    let address = format!("{address:#x}");
    let arguments = ["--translate", &address];
    let finished = Run { fault: Some("open:2"), ..Run::new(chapter, &arguments) }.finish();
    assert_ends(&finished, 0, &[]);
    String::from_utf8(finished.stdout).unwrap()
}

/// The physical address in the answer, if there is one.
fn physical(answer: &str) -> Option<u32> {
    let Some((_, address)) = answer.trim_end().split_once("physical address 0x") else {
        assert!(answer.ends_with("  not present: a page fault\n"), "{answer:?}");
        return None;
    };
    Some(u32::from_str_radix(address, 16).unwrap())
}

/// All hexadecimal numbers of `text` that say that they are.
fn numbers(text: &str) -> Vec<u32> {
    let of = |digits: &str| {
        let end = digits.find(|digit: char| !digit.is_ascii_hexdigit()).unwrap_or(digits.len());
        u32::from_str_radix(&digits[..end], 16).unwrap()
    };
    text.split("0x").skip(1).map(of).collect()
}

/// The lines with addresses that `guest` prints, as their numbers.
fn printed_by(guest: &str) -> Vec<Vec<u32>> {
    let finished = Run::new(CHAPTERS[0], &[guest]).finish();
    let output = String::from_utf8(finished.stdout).unwrap();
    output.lines().map(numbers).filter(|numbers| numbers.len() > 1).collect()
}

#[test]
fn every_address_is_where_the_guest_sees_it() {
    // First and last address, and where the first is. The guest walks the tables that CR3 shows it.
    let ranges = printed_by("test-kernel");
    let seen_by_guest = |address| {
        let range = ranges.iter().find(|range| (range[0]..=range[1]).contains(&address))?;
        Some(range[2] + (address - range[0]))
    };
    assert_eq!(seen_by_guest(0x8000_1000), Some(0x1000), "{ranges:x?}");
    assert_eq!(seen_by_guest(0x4000_0000), None, "{ranges:x?}");
    let addresses = [
        0xfff,
        0x3f_ffff,
        0x40_0000,
        0xff_ffff,
        0x100_0000,
        0x7fff_ffff,
        0x8000_1234,
        0x80ab_cdef,
        0x80ff_ffff,
        0xffff_ffff,
    ];
    for (address, chapter) in addresses.into_iter().zip(CHAPTERS.into_iter().cycle()) {
        let answer = translate(chapter, address);
        assert_eq!(physical(&answer), seen_by_guest(address), "{chapter} {address:#x}");
    }
}

#[test]
fn every_entry_is_what_the_guest_finds() {
    let [pde, pte, _] = printed_by("page-fault").try_into().unwrap();
    for chapter in CHAPTERS {
        // The address, the entry, and where in the higher half the guest reads it.
        for address in [pde[0], pte[0]] {
            let answer = translate(chapter, address);
            for (level, entry) in answer.lines().zip([&pde, &pte]) {
                let [at, value] = numbers(level).try_into().unwrap();
                assert_eq!(at, entry[2] - 0x8000_0000, "{answer}");
                assert_eq!(value & !SET_BY_CPU, entry[1] & !SET_BY_CPU, "{answer}");
            }
        }
    }
}

#[test]
fn what_is_no_address_is_bad_usage() {
    for (text, chapter) in ["", "12g4", "-1", "100000000"].iter().zip(CHAPTERS.iter().cycle()) {
        let argument = format!("--translate={text}");
        let finished = Run::new(chapter, &[&argument]).finish();
        assert_ends(&finished, 64, &["for '--translate <ADDRESS>'"]);
        assert!(finished.stdout.is_empty(), "{finished}");
    }
}
