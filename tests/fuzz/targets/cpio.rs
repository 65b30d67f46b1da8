//! The initramfs: whatever is packed can be read again, each directory before what is in it.

use std::collections::BTreeSet;
use std::io::Read;

use arbitrary::Unstructured;
use fuzz::Target;

use crate::archive::Archive;

pub const TARGET: Target = Target {
    name: "cpio",
    seeds: || {
        let mut rng = fastrand::Rng::with_seed(70701);
        (0..8).map(|_| (0..200).map(|_| rng.u8(..)).collect()).collect()
    },
    fields: &[],
    run: |bytes| _ = run(&mut Unstructured::new(bytes)),
    cases: 4_000,
    allocated_max: 16 << 20,
};

fn run(bytes: &mut Unstructured) -> arbitrary::Result<()> {
    const NAMES: [&str; 6] = ["a", "bin", "dev", "x.y", "sh", "a b"];
    let mut archive = Archive::new();
    let mut expected = Vec::new();
    while !bytes.is_empty() {
        let parts = bytes.int_in_range(1..=4)?;
        let parts = (0..parts).map(|_| bytes.choose(&NAMES));
        let name = parts.collect::<Result<Vec<_>, _>>()?.into_iter().copied().collect::<Vec<_>>();
        let (name, contents): (_, Vec<u8>) = (name.join("/"), bytes.arbitrary()?);
        match bytes.int_in_range(0..=3)? {
            0 => archive.directory(&name, 0o755).unwrap(),
            1 => archive.link(&name, "/init").unwrap(),
            2 => archive.character_device(&name, 0o600, bytes.arbitrary()?, 1).unwrap(),
            _ => {
                archive.file(&name, bytes.arbitrary::<u32>()? & 0o7777, &contents).unwrap();
                expected.push((name, contents));
            }
        }
    }
    let packed = archive.finish().unwrap();
    assert_eq!(packed.len() % 4, 0);

    let (mut rest, mut files, mut directories) = (&packed[..], Vec::new(), BTreeSet::new());
    let mut inodes = BTreeSet::new();
    loop {
        let mut reader = cpio::NewcReader::new(rest).unwrap();
        let entry = reader.entry();
        if entry.is_trailer() {
            break;
        }
        let (name, mode) = (entry.name().to_owned(), entry.mode());
        assert!(inodes.insert(entry.ino()), "{name}: an inode of another file");
        if let Some((directory, _)) = name.rsplit_once('/') {
            assert!(directories.contains(directory), "{name} comes before {directory}");
        }
        let mut contents = Vec::new();
        reader.read_to_end(&mut contents).unwrap();
        match mode & 0o170_000 {
            0o040_000 => assert!(directories.insert(name)),
            0o100_000 => files.push((name, contents)),
            _ => {}
        }
        rest = reader.finish().unwrap();
    }
    assert_eq!(files, expected);
    Ok(())
}
