//! The guests of one file each.
//!
//! Every `src/MODE/NAME.S` or `src/MODE/NAME.c` becomes `NAME.elf`, with symbols and line numbers
//! for `objdump` and `gdb`, and beside it `NAME.bin`, the bytes that the VMM loads. Assembly stands
//! alone; C is linked with `runtime/MODE.S`, which calls its `main`, and with all of `runtime/*.c`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Failure;
use crate::files::{clean_folder, files, is_assembly, is_c, is_up_to_date, modified, stem};
use crate::table::{Built, read_about};
use crate::tools::{CC_OPTIONS, Tools};

/// The folders under `src/` that hold guests, in the order of `guests::Mode`, whose variants carry
/// the same names.
pub const MODES: [(&str, &str); 4] = [
    ("real", "Real"),
    ("protected", "Protected"),
    ("paging", "Paging"),
    ("interrupts", "Interrupts"),
];

/// What the C guests are linked with.
pub const RUNTIME: &str = "guests/runtime";

/// A guest's source.
struct Source {
    /// The folder it lies in, and its number in `MODES`.
    folder: &'static str,
    mode: usize,
    path: PathBuf,
    /// The first sentence of its header comment.
    about: String,
}

/// Builds all of them, each only if it is older than its source or what is `shared`, and lists them
/// by mode and then by name.
pub fn build(
    tools: &Tools,
    elf_dir: &Path,
    mut shared: SystemTime,
) -> Result<impl Iterator<Item = Built>, Failure> {
    let guests = find()?;
    for (folder, _) in MODES {
        clean_folder(&elf_dir.join(folder), |name| {
            guests.get(name).is_some_and(|guest| guest.folder == folder)
        })?;
        shared = shared.max(modified(&script(folder))?);
    }

    let failures: Failure = guests
        .values()
        .filter_map(|guest| make(guest, elf_dir, shared, tools).err())
        .flatten()
        .collect();
    if !failures.is_empty() {
        return Err(failures);
    }

    let mut guests: Vec<_> = guests.into_iter().collect();
    guests.sort_by_key(|(_, source)| source.mode);
    Ok(guests.into_iter().map(|(name, source)| Built {
        mode: MODES[source.mode].1,
        image: elf_dir.join(source.folder).join(&name).with_extension("bin"),
        about: source.about,
        name,
    }))
}

/// All guests by name.
fn find() -> Result<BTreeMap<String, Source>, Failure> {
    let mut guests = BTreeMap::<String, Source>::new();
    let mut failures = Failure::new();
    for (mode, (folder, _)) in MODES.into_iter().enumerate() {
        for path in files(Path::new("guests/src").join(folder))? {
            let name = stem(&path);
            if !(is_c(&path) || is_assembly(&path)) {
                continue;
            }
            let about = match read_about(&name, &path) {
                Ok(about) => about,
                Err(failure) => {
                    failures.extend(failure);
                    continue;
                }
            };
            let shown = path.display().to_string();
            let source = Source { folder, mode, path, about };
            if let Some(other) = guests.insert(name, source) {
                failures.extend([
                    format!("{shown}: another guest has this name"),
                    format!("  it is {}", other.path.display()),
                    "  rename one: --list and the command line know a guest by its name alone"
                        .into(),
                ]);
            }
        }
    }
    if failures.is_empty() { Ok(guests) } else { Err(failures) }
}

/// Makes the guest's ELF file and image, unless both are newer than all they are made of.
fn make(guest: &Source, elf_dir: &Path, shared: SystemTime, tools: &Tools) -> Result<(), Failure> {
    let elf = elf_dir.join(guest.folder).join(stem(&guest.path)).with_extension("elf");
    let image = elf.with_extension("bin");
    // The image is written last: if it is there and new, the ELF file is too.
    if is_up_to_date(&image, shared.max(modified(&guest.path)?)) && elf.exists() {
        return Ok(());
    }
    let sources = sources(guest)?;
    tools.cc.run(|cc| {
        cc.args(CC_OPTIONS).arg("-T").arg(script(guest.folder)).arg("-o").arg(&elf).args(sources)
    })?;
    tools.objcopy.run(|objcopy| objcopy.args(["-O", "binary"]).arg(&elf).arg(&image))
}

/// What the guest is compiled and linked from.
fn sources(guest: &Source) -> Result<Vec<PathBuf>, Failure> {
    let mut sources = vec![guest.path.clone()];
    if is_c(&guest.path) {
        sources.push(Path::new(RUNTIME).join(guest.folder).with_extension("S"));
        sources.extend(files(RUNTIME)?.into_iter().filter(|path| is_c(path)));
    }
    Ok(sources)
}

/// The linker script of a mode's guests.
fn script(folder: &str) -> PathBuf {
    format!("guests/src/{folder}/{folder}.ld").into()
}
