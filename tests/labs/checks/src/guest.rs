//! Guests that are made for one check.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use guests::hypercall::{HC_EXIT, HC_GETCHAR, HC_NEWLINE, HC_PUTCHAR, HC_PUTNUM, PORT};

use crate::answer::Answer;
use crate::verdict::{Result, Stop, fail};

/// Where a guest's code goes, and for which CPU it is.
#[derive(Clone, Copy, Hash)]
pub enum Place {
    /// Real mode, at 0. A source begins with `.code16`.
    Real,
    /// 32-bit protected mode, at 0x1000.
    Protected,
    /// 32-bit with paging, at 0x80001000.
    Paging,
    /// 64-bit long mode, at 0x1000.
    Long,
    /// 16 or 32 bits, at this address.
    At(u32),
}

impl Place {
    fn address(self) -> u32 {
        match self {
            Self::Real => 0,
            Self::Protected | Self::Long => 0x1000,
            Self::Paging => 0x8000_1000,
            Self::At(address) => address,
        }
    }

    /// Options for `as`, and the emulation for `ld`.
    fn bits(self) -> (&'static str, &'static str) {
        match self {
            Self::Long => ("--64", "elf_x86_64"),
            _ => ("--32", "elf_i386"),
        }
    }
}

impl Answer<'_> {
    /// The flat image of a guest in assembly. The names of `hypercall.h` are known to it. The source
    /// stays beside it, so that a reader can see what went wrong with which guest.
    pub fn assemble(&self, name: &str, place: Place, source: &str) -> Result<PathBuf> {
        let source = format!("{}{source}", names());
        let path = self.file(&format!("{name}.S"), source.as_bytes())?;
        let image = path.with_extension("bin");
        let mut hasher = DefaultHasher::new();
        (&source, place).hash(&mut hasher);
        // The three states of a lab are checked with the same guests, and `as` is slow in the nest.
        let kept = self.kept(&format!("{:016x}.bin", hasher.finish()))?;
        if !kept.exists() {
            let (bits, emulation) = place.bits();
            let object = path.with_extension("o");
            tool(Command::new("as").args([bits, "-o"]).arg(&object).arg(&path))?;
            let address = format!("-Ttext={:#x}", place.address());
            let mut ld = Command::new("ld");
            ld.args(["-m", emulation, "--oformat", "binary", "-e", "0", &address, "-o"]);
            tool(ld.arg(&image).arg(&object))?;
            keep(&image, &kept)?;
        }
        fs::copy(&kept, &image)?;
        Ok(image)
    }

    /// The flat image of a real-mode guest that belongs to the answer, built as the workspace builds
    /// its own. That it is missing, or cannot be built, fails the task.
    pub fn build_real_guest(&self, name: &str) -> Result<PathBuf> {
        let source = self.source(name);
        let Ok(contents) = fs::read(&source) else {
            return fail(format!("there is no {name} beside the Cargo.toml"));
        };
        let stem = source.file_stem().unwrap_or_default().to_string_lossy();
        let image = self.scratch(&format!("{stem}.bin"));
        let mut hasher = DefaultHasher::new();
        contents.hash(&mut hasher);
        let kept = self.kept(&format!("{:016x}.bin", hasher.finish()))?;
        if !kept.exists() {
            let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../guests");
            let elf = image.with_extension("elf");
            let mut cc = Command::new("cc");
            cc.args(["-m32", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none"]);
            cc.args(["-Wl,-melf_i386", "-I"]).arg(guests.join("include"));
            cc.arg("-T").arg(guests.join("src/real/real.ld")).arg("-o").arg(&elf).arg(&source);
            let output = cc.output()?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                return fail(format!("{name} cannot be built:\n{}", said.trim_end()));
            }
            tool(Command::new("objcopy").args(["-O", "binary"]).arg(&elf).arg(&image))?;
            keep(&image, &kept)?;
        }
        fs::copy(&kept, &image)?;
        Ok(image)
    }

    /// Where an image is kept for the next answer to the same lab.
    fn kept(&self, name: &str) -> Result<PathBuf> {
        let scratch = self.scratch("");
        let folder = scratch.ancestors().nth(2).unwrap_or(&scratch).join("images");
        fs::create_dir_all(&folder)?;
        Ok(folder.join(name))
    }
}

/// Copies a file whole or not at all.
fn keep(image: &Path, kept: &Path) -> Result<()> {
    // Beside the image, for nobody else writes there: the same process id is in use in another nest.
    let unfinished = image.with_extension("kept");
    fs::copy(image, &unfinished)?;
    // A nest writes late: to others, the file would be there and empty.
    File::open(&unfinished)?.sync_all()?;
    Ok(fs::rename(&unfinished, kept)?)
}

/// Runs a tool of ours, which has no reason to fail.
fn tool(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| Stop::Broken(format!("{name}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Stop::Broken(format!("{name}: {}: {}", output.status, said.trim_end())))
}

/// What `hypercall.h` says, for `as` alone.
fn names() -> String {
    let names = [
        ("HYPERCALL_PORT", PORT),
        ("HC_EXIT", HC_EXIT.into()),
        ("HC_PUTCHAR", HC_PUTCHAR.into()),
        ("HC_PUTNUM", HC_PUTNUM.into()),
        ("HC_NEWLINE", HC_NEWLINE.into()),
        ("HC_GETCHAR", HC_GETCHAR.into()),
    ];
    names.iter().map(|(name, value)| format!("        .set    {name}, {value:#x}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::job;

    #[test]
    fn a_guest_is_assembled_for_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (job, _) = job(folder.path(), "true");
        let answer = Answer::new(&job, "x").unwrap();
        let real = ".code16\nmov $HYPERCALL_PORT, %dx\nmov $text, %si\nhlt\ntext: .byte 7\n";
        let image = answer.assemble("real", Place::Real, real).unwrap();
        assert_eq!(fs::read(&image).unwrap(), [0xba, 0, 5, 0xbe, 7, 0, 0xf4, 7]);
        // From where it is kept, this time.
        fs::write(&image, "").unwrap();
        let image = answer.assemble("real", Place::Real, real).unwrap();
        assert_eq!(fs::read(image).unwrap().len(), 8);

        let long = "movabs $text, %rax\ntext: hlt\n";
        let image = answer.assemble("long", Place::Long, long).unwrap();
        assert_eq!(fs::read(image).unwrap(), [0x48, 0xb8, 10, 0x10, 0, 0, 0, 0, 0, 0, 0xf4]);
        let broken = answer.assemble("bad", Place::Real, "no such instruction\n");
        assert!(matches!(broken, Err(Stop::Broken(why)) if why.contains("no such instruction")));
    }

    #[test]
    fn a_guest_of_the_answer_that_cannot_be_built_fails_the_task() {
        let folder = tempfile::tempdir().unwrap();
        let (job, _) = job(folder.path(), "true");
        let answer = Answer::new(&job, "x").unwrap();
        let why = |result| match result {
            Err(Stop::Failed(why)) => why,
            _ => panic!("it passed, or is broken"),
        };
        assert!(why(answer.build_real_guest("t.S")).contains("there is no t.S"));
        fs::write(folder.path().join("t.S"), "nonsense\n").unwrap();
        assert!(why(answer.build_real_guest("t.S")).contains("t.S cannot be built:\n"));
        fs::write(
            folder.path().join("t.S"),
            "#include \"hypercall.h\"\n.code16\nmov $HC_EXIT, %al\n",
        )
        .unwrap();
        let image = answer.build_real_guest("t.S").unwrap();
        assert_eq!(fs::read(image).unwrap(), [0xb0, 0]);
    }
}
