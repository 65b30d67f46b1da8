//! The guests of one file each.
//!
//! Every `src/MODE/NAME.S`, `NAME.c` or `NAME.rs` becomes `NAME.elf`, with symbols and line numbers
//! for `objdump` and `gdb`, and beside it `NAME.bin`, the bytes that the VMM loads. Assembly stands
//! alone. C and Rust are linked with `runtime/MODE.S`, which calls their `main`; C also with all of
//! `runtime/*.c`, Rust with the crate `runtime/MODE.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Failure;
use crate::files::{
    clean_folder, files, is_assembly, is_c, is_rust, is_up_to_date, modified, stem,
};
use crate::rust::{self, Runtime};
use crate::table::{Built, read_about};
use crate::tools::{BITS_32, BITS_64, CC_OPTIONS, Tools};

/// The folders under `src/` that hold guests, and the variants of `guests::Mode` that they are for.
pub const MODES: [(&str, &str); 5] = [
    ("real", "Real"),
    ("protected", "Protected"),
    ("paging", "Paging"),
    ("interrupts", "Interrupts"),
    (LONG, "Long"),
];

/// The folder of those with 64 bits, which can be in Rust: for the others there is no `core`.
const LONG: &str = "long";

/// What the guests in C and Rust are linked with.
pub const RUNTIME: &str = "guests/runtime";

/// A guest's source.
struct Source {
    /// The folder it lies in, and the mode that this means.
    folder: &'static str,
    mode: &'static str,
    path: PathBuf,
    /// The first sentence of its header comment.
    about: String,
}

/// Builds all of them, each only if it is older than its source or what is `shared`.
pub fn build(
    tools: &Tools,
    out: &Path,
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

    let runtime = rust::runtime(tools, out, shared)?;
    let builder = Builder { tools, out, elf_dir, shared, runtime };
    let failures: Failure =
        guests.values().filter_map(|guest| builder.make(guest).err()).flatten().collect();
    if !failures.is_empty() {
        return Err(failures);
    }
    Ok(guests.into_iter().map(|(name, source)| Built {
        mode: source.mode,
        image: elf_dir.join(source.folder).join(&name).with_extension("bin"),
        about: source.about,
        name,
    }))
}

/// All guests by name.
fn find() -> Result<BTreeMap<String, Source>, Failure> {
    let mut guests = BTreeMap::<String, Source>::new();
    let mut failures = Failure::new();
    for (folder, mode) in MODES {
        for path in files(Path::new("guests/src").join(folder))? {
            let name = stem(&path);
            if !(is_c(&path) || is_assembly(&path) || is_rust(&path)) {
                continue;
            }
            let shown = path.display().to_string();
            if is_rust(&path) && folder != LONG {
                failures.extend([
                    format!("{shown}: only a guest of long mode can be in Rust"),
                    format!("  if it is one, move it to guests/src/{LONG}"),
                ]);
                continue;
            }
            let about = match read_about(&name, &path) {
                Ok(about) => about,
                Err(failure) => {
                    failures.extend(failure);
                    continue;
                }
            };
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

struct Builder<'a> {
    tools: &'a Tools,
    /// Where goes what is there for the linker only.
    out: &'a Path,
    elf_dir: &'a Path,
    /// When something last changed that all guests are made of.
    shared: SystemTime,
    runtime: Runtime,
}

impl Builder<'_> {
    /// Makes the guest's ELF file and image, unless both are newer than all they are made of.
    fn make(&self, guest: &Source) -> Result<(), Failure> {
        let elf = self.elf_dir.join(guest.folder).join(stem(&guest.path)).with_extension("elf");
        let image = elf.with_extension("bin");
        let mut newest = self.shared.max(modified(&guest.path)?);
        if is_rust(&guest.path) {
            newest = newest.max(self.runtime.changed);
        }
        // The image is written last: if it is there and new, the ELF file is too.
        if is_up_to_date(&image, newest) && elf.exists() {
            return Ok(());
        }
        let parts = self.parts(guest)?;
        let bits = if guest.folder == LONG { BITS_64 } else { BITS_32 };
        self.tools.cc.run(|cc| {
            cc.args(CC_OPTIONS).args(bits).arg("-T").arg(script(guest.folder));
            cc.args(parts).arg("-o").arg(&elf)
        })?;
        self.tools.objcopy.run(|objcopy| objcopy.args(["-O", "binary"]).arg(&elf).arg(&image))
    }

    /// What the guest is compiled and linked from.
    fn parts(&self, guest: &Source) -> Result<Vec<PathBuf>, Failure> {
        let start = Path::new(RUNTIME).join(guest.folder).with_extension("S");
        if is_rust(&guest.path) {
            let library = self.out.join("guest.a");
            rust::library(self.tools, &self.runtime, &guest.path, &library)?;
            return Ok(vec![start, library]);
        }
        let mut parts = vec![guest.path.clone()];
        if is_c(&guest.path) {
            parts.push(start);
            parts.extend(files(RUNTIME)?.into_iter().filter(|path| is_c(path)));
        }
        Ok(parts)
    }
}

/// The linker script of a mode's guests.
fn script(folder: &str) -> PathBuf {
    format!("guests/src/{folder}/{folder}.ld").into()
}
