//! The 1K OS: its disk, its loader of programs, its shell and its calculator.

use fuzz::mutate::{Field, fields};
use fuzz::{Target, os_1k::run};

/// In a disk of one file after an operation or none: the size, the checksum and the type.
const DISK: &[Field] = &{
    let mut all = [Field { offset: 0, bytes: 1 }; 1 + 16 + 12 + 8 + 1];
    let (operations, size, checksum) =
        (fields::<17>(0, 1), fields::<12>(1 + 124, 1), fields::<8>(1 + 148, 1));
    let mut index = 0;
    while index < all.len() {
        all[index] = match index {
            0..17 => operations[index],
            17..29 => size[index - 17],
            29..37 => checksum[index - 29],
            _ => Field { offset: 1 + 156, bytes: 1 },
        };
        index += 1;
    }
    all
};

/// Operations on an archive that is not what it should be, and on one that is.
pub const FILES: Target = Target {
    name: "os-1k-files",
    seeds: || {
        let archive = |entries: &[(u8, &str, usize)]| {
            let mut builder = tar::Builder::new(Vec::new());
            for &(kind, name, bytes) in entries {
                let mut header = tar::Header::new_ustar();
                header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
                header.set_size(bytes as u64);
                header.set_entry_type(tar::EntryType::new(kind));
                header.set_cksum();
                builder.append(&header, &vec![b'x'; bytes][..]).unwrap();
            }
            builder.into_inner().unwrap()
        };
        let small = archive(&[(b'0', "a", 5), (b'5', "d/", 0), (b'0', "a", 600), (b'0', "./b", 0)]);
        let strange = archive(&[(b'x', "p", 20), (b'0', "q", 9), (b'0', "a", 3), (b'L', "l", 30)]);
        // A header in which no text ends, at the end of the disk.
        let mut sparse = [b'S'; 512];
        sparse[0] = 0x5f; // this one is not repaired
        sparse[124..136].fill(b'0');
        sparse[148..156].fill(b' ');
        let sum: u32 = sparse.iter().copied().map(u32::from).sum();
        sparse[148..156].copy_from_slice(format!("{sum:08o}").as_bytes());
        let room = |mut archive: Vec<u8>| {
            archive.resize(archive.len() + 8 * 512, 0);
            archive
        };
        let with = |operations: &[[u8; 4]], disk: &[u8]| {
            [&[operations.len() as u8][..], &operations.concat(), disk].concat()
        };
        let operations =
            [[2, 0, 77, 0], [2, 3, 9, 2], [0, 0, 0, 0], [2, 4, 4, 0], [3, 1, 1, 1], [1, 0, 0, 0]];
        vec![
            with(&[], guests::DISK),
            with(&[], &small),
            with(&operations, &room(small)),
            with(&operations, &room(strange.clone())),
            with(&operations, &strange),
            with(&[], &sparse),
            with(&operations, &[0; 8 * 512]),
        ]
    },
    fields: DISK,
    run: |case| run(b'd', &repaired(case)),
    cases: 6_000,
    allocated_max: 8 << 20,
};

/// With right checksums, but for one of 16: few others get past the first header.
fn repaired(case: &[u8]) -> Vec<u8> {
    let mut case = case.to_vec();
    let operations = case.first().map_or(0, |count| usize::from(count % 32));
    let mut at = 1 + 4 * operations;
    while case.get(1).is_some_and(|byte| byte % 16 != 15)
        && let Some(header) = case.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<512>)
        && header[0] != 0
    {
        let mut repaired = tar::Header::new_old();
        repaired.as_mut_bytes().copy_from_slice(header);
        repaired.set_cksum();
        header.copy_from_slice(repaired.as_bytes());
        let Ok(bytes) = repaired.entry_size() else { break };
        let Ok(bytes) = usize::try_from(bytes) else { break };
        at = at.saturating_add(512).saturating_add(bytes.saturating_add(511) / 512 * 512);
    }
    case
}

/// ELF files, once more.
pub const PROGRAMS: Target = Target {
    name: "os-1k-programs",
    seeds: || {
        let mut disk = tar::Archive::new(guests::DISK);
        let entries = disk.entries().unwrap().map(|entry| {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry.unwrap(), &mut bytes).unwrap();
            bytes
        });
        let programs: Vec<_> = entries.filter(|bytes| bytes.starts_with(b"\x7fELF")).collect();
        assert!(!programs.is_empty(), "the disk has programs");
        programs
    },
    fields: super::elf::FIELDS,
    run: |case| run(b'p', case),
    cases: 4_000,
    allocated_max: 8 << 20,
};

/// What is typed at the shell.
pub const SHELL: Target = Target {
    name: "os-1k-shell",
    seeds: || {
        let lines: [&[u8]; 8] = [
            b"ls\nwrite note hello there\ncat note note\nrm note\nps\nuptime\n",
            b"run primes 100 &\nrun\nrun &\n&\n  & \nexit 63\nexit 3\n",
            b"write f\nline\n\x04cat f\nhelp\n",
            b"\x1b[A\x1b[1;5C\x15\x7f\x08a\x08\x7f\x7f\necho \x07\x01\n",
            b"write aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
              aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa x\n",
            &[b'x'; 300],
            &[b'&'; 300],
            &[b' '; 300],
        ];
        lines.map(<[u8]>::to_vec).to_vec()
    },
    fields: &[],
    run: |case| run(b's', &case[..case.len().min(20_000)]),
    cases: 4_000,
    allocated_max: 8 << 20,
};

/// What is typed at the calculator.
pub const CALCULATOR: Target = Target {
    name: "os-1k-calculator",
    seeds: || {
        let lines: [&[u8]; 6] = [
            b"1+2*(3-4)/5%6\n2147483647+1\n-2147483648/-1\n-2147483648%-1\n",
            b"--(--3)\n99999999999\n1/0\n1%0\n()\n)\n(\n",
            b"((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))\n",
            b"-(-2147483647-1)\n0x10\n 1 + + 2\n",
            &[b'-'; 255],
            &[b'('; 255],
        ];
        lines.map(<[u8]>::to_vec).to_vec()
    },
    fields: &[],
    run: |case| run(b'c', &case[..case.len().min(20_000)]),
    cases: 4_000,
    allocated_max: 8 << 20,
};
