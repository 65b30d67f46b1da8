//! The 1K OS: its kernel, its programs, its disk.
//!
//! The kernel is all of `kernel/`, `lib/` and `print.c`, linked by `kernel/kernel.ld`. A program is
//! all of `user/`, `lib/` and `print.c`, linked by `user/user.ld` with a file of its own, which
//! names it: one of `programs/`, or `user/shell.c`.
//!
//! Their ELF files, with symbols and line numbers for `gdb`, are `multiboot/os-1k.elf` and
//! `os-1k/NAME.elf`. Beside each is what is left without these: `os-1k.bin`, which the VMM loads,
//! and `NAME`, which goes on the disk, after the files of `files/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::files::{
    clean_folder, files, is_assembly, is_c, is_up_to_date, modified, newest_in, stem,
    write_if_changed,
};
use crate::table::{Built, read_about};
use crate::tools::{BITS_32, CC_OPTIONS, Tools};
use crate::{Failure, disk, symbols};

const NAME: &str = "os-1k";
const SHELL: &str = "os-1k/user/shell.c";
const PRINT: &str = "guests/runtime/print.c";

/// What the OS is compiled with besides `CC_OPTIONS`.
const OPTIONS: [&str; 3] = [
    "-fno-omit-frame-pointer", // the kernel's call trace goes from frame to frame
    "-Ios-1k/include",
    "-Ios-1k/lib",
];

/// Builds what is older than its sources or what is `shared`. The disk is `out/disk.tar`.
pub fn build(
    tools: &Tools,
    out: &Path,
    elf_dir: &Path,
    shared: SystemTime,
) -> Result<Built, Failure> {
    let about = read_about(NAME, Path::new("os-1k/kernel/boot.S"))?;
    let texts = files("os-1k/files")?;
    let mut programs = vec![PathBuf::from(SHELL)];
    programs.extend(files("os-1k/programs")?.into_iter().filter(|path| is_c(path)));
    programs.sort_by_key(|path| stem(path));
    check_names(&texts, &programs)?;

    let shared = shared.max(newest_in("os-1k/include")?).max(newest_in("os-1k/lib")?);
    let os = Os { tools, out, elf_dir, shared };
    let (image, programs) = match (os.kernel(), os.programs(&programs)) {
        (Ok(image), Ok(programs)) => (image, programs),
        (kernel, programs) => {
            let failures = [kernel.err(), programs.err()];
            return Err(failures.into_iter().flatten().flatten().collect());
        }
    };
    let disk = disk::archive(texts.iter().chain(&programs))?;
    write_if_changed(&out.join("disk.tar"), &disk)?;
    Ok(Built { name: NAME.into(), mode: "Multiboot", about, image })
}

/// The disk has no folders, so that names must differ.
fn check_names(texts: &[PathBuf], programs: &[PathBuf]) -> Result<(), Failure> {
    let mut sources = BTreeMap::<String, &Path>::new();
    let texts = texts.iter().map(|path| (disk::name(path), path));
    for (name, path) in texts.chain(programs.iter().map(|path| (stem(path), path))) {
        if let Some(other) = sources.insert(name, path) {
            return Err(vec![
                format!("{}: another file on the disk has this name", path.display()),
                format!("  it is from {}", other.display()),
            ]);
        }
    }
    Ok(())
}

struct Os<'a> {
    tools: &'a Tools,
    /// Where the disk goes, and what is there for the linker only.
    out: &'a Path,
    elf_dir: &'a Path,
    /// When something last changed that both the kernel and the programs are made of.
    shared: SystemTime,
}

impl Os<'_> {
    /// Makes the kernel; returns what the VMM loads.
    ///
    /// It is linked twice: first without symbols, to learn where its functions are, then with them.
    /// They come after all code, so that no function moves; that is checked.
    fn kernel(&self) -> Result<PathBuf, Failure> {
        let folder = self.elf_dir.join("multiboot");
        clean_folder(&folder, |name| name == NAME)?;
        let elf = folder.join(NAME).with_extension("elf");
        let image = elf.with_extension("bin");
        if is_up_to_date(&image, self.shared.max(newest_in("os-1k/kernel")?)) && elf.exists() {
            return Ok(image);
        }

        let code = self.out.join("kernel.o");
        let table = self.out.join("symbols.S");
        let draft = self.out.join("kernel.elf");
        self.compile("kernel", files("os-1k/kernel")?, &code)?;
        write_if_changed(&table, symbols::assembly(&[]).as_bytes())?;
        self.link("kernel", &[&code, &table], &draft)?;

        let functions = symbols::functions(&draft)?;
        write_if_changed(&table, symbols::assembly(&functions).as_bytes())?;
        self.link("kernel", &[&code, &table], &elf)?;
        if symbols::functions(&elf)? != functions {
            return Err(vec![
                "os-1k/kernel/kernel.ld: functions move when their names are linked in".into(),
                "  *(.symbols), which has names and addresses, must come after all code".into(),
            ]);
        }
        self.strip(&elf, &image)?;
        Ok(image)
    }

    /// Makes the programs; returns what goes on the disk, each by its name.
    fn programs(&self, sources: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
        let folder = self.elf_dir.join(NAME);
        clean_folder(&folder, |name| sources.iter().any(|source| stem(source) == name))?;

        let mut common = files("os-1k/user")?;
        common.retain(|path| path != Path::new(SHELL));
        let mut newest_common = self.shared.max(modified(Path::new("os-1k/user"))?);
        for path in &common {
            newest_common = newest_common.max(modified(path)?);
        }

        let mut programs = Vec::new();
        let mut stale = Vec::new();
        for source in sources {
            let program = folder.join(stem(source));
            let elf = program.with_extension("elf");
            if !(is_up_to_date(&program, newest_common.max(modified(source)?)) && elf.exists()) {
                stale.push((source, elf, program.clone()));
            }
            programs.push(program);
        }
        if stale.is_empty() {
            return Ok(programs);
        }

        let code = self.out.join("user.o");
        self.compile("user", common, &code)?;
        let make = |(source, elf, program): (&PathBuf, PathBuf, PathBuf)| {
            self.link("user", &[&code, source], &elf)?;
            self.strip(&elf, &program)
        };
        let failures: Failure =
            stale.into_iter().filter_map(|program| make(program).err()).flatten().collect();
        if failures.is_empty() { Ok(programs) } else { Err(failures) }
    }

    /// Compiles what is C or assembly of a folder's files, and of what the kernel and the programs
    /// share, to one object file.
    fn compile(
        &self,
        folder: &str,
        mut sources: Vec<PathBuf>,
        object: &Path,
    ) -> Result<(), Failure> {
        sources.extend(files("os-1k/lib")?);
        sources.push(PRINT.into());
        sources.retain(|path| is_c(path) || is_assembly(path));
        self.cc(folder, |cc| cc.arg("-r").args(sources), object)
    }

    /// Links the parts, compiling those that are source, by the folder's linker script.
    fn link(&self, folder: &str, parts: &[&Path], elf: &Path) -> Result<(), Failure> {
        let script = format!("os-1k/{folder}/{folder}.ld");
        self.cc(folder, |cc| cc.arg("-T").arg(script).args(parts), elf)
    }

    fn cc(
        &self,
        folder: &str,
        arguments: impl FnOnce(&mut Command) -> &mut Command,
        output: &Path,
    ) -> Result<(), Failure> {
        self.tools.cc.run(|cc| {
            cc.args(CC_OPTIONS).args(BITS_32).args(OPTIONS).arg(format!("-Ios-1k/{folder}"));
            arguments(cc).arg("-o").arg(output)
        })
    }

    fn strip(&self, elf: &Path, image: &Path) -> Result<(), Failure> {
        self.tools.objcopy.run(|objcopy| objcopy.arg("--strip-all").arg(elf).arg(image))
    }
}
