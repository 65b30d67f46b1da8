//! A folder of the host, and what the guest sees of it.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{boot, is_for_linux_alone, is_off, reply};
use crate::answer::{Answer, text};
use crate::ran::Ran;
use crate::verdict::Result;

/// More than the memory that Linux has if nobody says how much.
const TOO_LARGE: u64 = 300 << 20;

/// Files, and folders, which have no bytes: the name below the folder, permissions, bytes.
struct Tree(BTreeMap<String, (u32, Option<Vec<u8>>)>);

pub fn share(answer: &mut Answer) -> Result<()> {
    let folder = answer.scratch("shared");
    remove(&folder)?;
    let tree = Tree::random(answer);
    tree.make(&folder)?;
    // What is none of them: links to a file and to a folder, and one that leads nowhere.
    for (name, target) in [("link", "/etc/passwd"), ("folder-link", "/etc"), ("lost", "nowhere")] {
        symlink(target, folder.join(name))?;
    }
    let before = state(&folder)?;

    // An initrd that does not end where an archive may begin.
    let mut initrd = fs::read(answer.environment("MINI_KVM_INITRD")?)?;
    initrd.resize(initrd.len() + answer.random.usize(1..4), 0);
    let initrd = answer.file("initrd", &initrd)?;
    let mut script = String::new();
    for (name, (_, contents)) in &tree.0 {
        script += &match contents {
            None => format!("ls -al '/host{name}'\n"),
            Some(bytes) if bytes.len() > MUCH => {
                format!("hexdump -s {} '/host{name}'\n", bytes.len() - 40)
            }
            Some(_) => format!("hexdump '/host{name}'\n"),
        };
    }
    script += "echo x > /dev/ttyS1; echo com2=$?\npoweroff\n";
    let arguments = ["--share", text(&folder), "--initrd", text(&initrd)];
    let ran = boot(answer, &arguments, &script)?;
    is_off(&ran, 0)?;
    for ((name, (_, contents)), command) in tree.0.iter().zip(script.lines()) {
        let shown = reply(&ran, command)?;
        match contents {
            None => tree.compare(&ran, name, &shown)?,
            Some(bytes) => {
                let from = if bytes.len() > MUCH { bytes.len() - 40 } else { 0 };
                if dumped(&shown) != bytes[from..] {
                    return ran.fail(&format!(
                        "/host{name} should have, from byte {from} on,\n{}\nbut it has\n{shown}",
                        hex(&bytes[from..])
                    ));
                }
            }
        }
    }
    if ran.stdout_text().contains("com2=0") {
        return ran.fail("without --com2 and --status, there is no second serial port");
    }
    if state(&folder)? != before {
        return ran.fail(&format!("{} is not as it was", folder.display()));
    }
    bad_folders(answer, &folder)?;
    remove(&folder)
}

fn bad_folders(answer: &Answer, folder: &Path) -> Result<()> {
    let missing = answer.scratch("no-such-folder");
    let no_folder = answer.file("no-folder", b"a file")?;
    for bad in [missing, no_folder] {
        let ran = answer.run(["--share", text(&bad)]).fault("open:2").finish()?;
        ran.stdout("")?.status(66)?.stderr_has(text(&bad))?;
    }
    // It has no bytes on the disk; to read them takes long all the same.
    let large = folder.join("large");
    File::create(&large)?.set_len(TOO_LARGE)?;
    let ran = answer.run(["--share", text(folder)]).fault("open:2").finish()?;
    ran.stdout("")?.status(66)?.stderr_has(": the initrd has ")?;
    fs::remove_file(large)?;
    is_for_linux_alone(answer, &["--share", text(folder)])
}

/// From here on, only the end of a file is looked at.
const MUCH: usize = 1000;

impl Tree {
    fn random(answer: &mut Answer) -> Self {
        let random = &mut answer.random;
        let mut tree = BTreeMap::from([(String::new(), (0o755, None))]);
        let word = |random: &mut fastrand::Rng| -> String {
            (0..random.u8(1..12)).map(|_| random.lowercase()).collect()
        };
        let outer = format!("/{}", word(random));
        let inner = format!("{outer}/{} {}", word(random), word(random));
        let empty = format!("{inner}/e");
        for (folder, mode) in [(&outer, 0o750), (&inner, 0o705), (&empty, 0o755)] {
            tree.insert(folder.clone(), (mode, None));
        }
        let sizes = [0, random.usize(1..200), random.usize(1..200), random.usize(5000..90_000)];
        for (number, size) in sizes.into_iter().enumerate() {
            let folder = [&inner, "", &outer, ""][number];
            // A dot in front hides nothing from the VMM.
            let dot = if number == 2 { "." } else { "" };
            let name = format!("{folder}/{dot}{}-{number}", word(random));
            let mode = 0o400 | random.u32(..0o1000);
            let bytes = (0..size).map(|_| random.u8(..)).collect();
            tree.insert(name, (mode, Some(bytes)));
        }
        Self(tree)
    }

    fn make(&self, folder: &Path) -> Result<()> {
        // A folder comes before what is in it.
        for (name, (_, contents)) in &self.0 {
            let path = PathBuf::from(format!("{}{name}", folder.display()));
            match contents {
                None => fs::create_dir(&path)?,
                Some(bytes) => fs::write(&path, bytes)?,
            }
        }
        for (name, (mode, _)) in &self.0 {
            let path = format!("{}{name}", folder.display());
            fs::set_permissions(path, Permissions::from_mode(*mode))?;
        }
        Ok(())
    }

    /// Compares what `ls -al` shows of a folder.
    fn compare(&self, ran: &Ran, folder: &str, shown: &str) -> Result<()> {
        let lines = shown.lines().filter_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let (name, permissions) = (words.get(7..)?.join(" "), *words.first()?);
            let size = if permissions.starts_with('d') { "" } else { words[4] };
            (!matches!(&*name, "." | "..")).then(|| format!("{permissions} {size} {name}"))
        });
        let mut shown: Vec<_> = lines.collect();
        shown.sort();
        let mut expected: Vec<_> = self
            .0
            .iter()
            .filter_map(|(name, (mode, contents))| {
                let name = name.strip_prefix(folder)?.strip_prefix('/')?;
                let size = contents.as_ref().map_or(String::new(), |it| it.len().to_string());
                let kind = if contents.is_none() { 'd' } else { '-' };
                (!name.contains('/')).then(|| format!("{kind}{} {size} {name}", letters(*mode)))
            })
            .collect();
        expected.sort();
        if shown == expected {
            return Ok(());
        }
        ran.fail(&format!(
            "in /host{folder} the guest should find\n{}\nbut it finds\n{}",
            expected.join("\n"),
            shown.join("\n")
        ))
    }
}

/// `rwxr-xr-x`
fn letters(mode: u32) -> String {
    let letter =
        |bit: u32| if mode >> (8 - bit) & 1 == 1 { b"rwx"[bit as usize % 3] } else { b'-' };
    (0..9).map(|bit| char::from(letter(bit))).collect()
}

/// The bytes in the lines of `hexdump`: `00000000  61 00 62 0a   |a.b.|`.
fn dumped(shown: &str) -> Vec<u8> {
    let lines = shown.lines().filter_map(|line| line.split_once("  ")?.1.split('|').next());
    let bytes = lines.flat_map(|columns| columns.split_whitespace());
    bytes.map_while(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}

fn hex(bytes: &[u8]) -> String {
    let line =
        |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    bytes.chunks(16).map(line).collect::<Vec<_>>().join("\n")
}

/// Names, permissions, times and sizes of all that is there.
fn state(folder: &Path) -> Result<BTreeMap<PathBuf, (u32, SystemTime, u64)>> {
    let mut state = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            }
            let mode = metadata.permissions().mode();
            state.insert(entry.path(), (mode, metadata.modified()?, metadata.len()));
        }
    }
    Ok(state)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() { Ok(fs::remove_dir_all(folder)?) } else { Ok(()) }
}
