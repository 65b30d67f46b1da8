//! What the nest's kernel unpacks into its first file system: the agent as `/init`, and the modules
//! that it loads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cpio::newc;

use super::agent;
use crate::kernel::Kernel;
use crate::places::{self, Places};
use crate::{elf, programs};

/// What the nest needs; what these need, their `.modinfo` says.
const MODULES: &[&str] = &["virtio_pci", "virtio_console", "kvm_amd", "9pnet_virtio", "9p"];

pub fn path(places: &Places) -> PathBuf {
    places.join("initramfs.cpio")
}

/// Whether it is there, and packed from the agent and the kernel that we have.
pub fn is_fresh(places: &Places, kernel: &Kernel) -> bool {
    let time = |path: &Path| path.metadata().and_then(|data| data.modified());
    let (Ok(packed), Ok(agent)) = (time(&path(places)), time(&agent::program(places).path()))
    else {
        return false;
    };
    packed >= agent && time(&kernel.image).is_ok_and(|kernel| packed >= kernel)
}

/// Packs it.
pub fn pack(places: &Places, kernel: &Kernel) -> Result<()> {
    let tree = ModuleTree::read(&kernel.modules)?;
    let modules = tree.load_order(MODULES).with_context(|| format!("kernel {}", kernel.release))?;

    let agent = fs::read(agent::program(places).path()).context("cannot read the agent")?;
    let mut contents = Vec::new();
    archive(&mut contents, &agent, &modules).context("cannot pack the nest's initramfs")?;
    places::write_whole(&path(places), &contents)
}

fn archive(out: &mut impl Write, agent: &[u8], modules: &[(String, Vec<u8>)]) -> io::Result<()> {
    const DIRECTORY: u32 = 0o040_755;
    const EXECUTABLE: u32 = 0o100_755;
    const FILE: u32 = 0o100_644;
    let mut number = 0;
    let mut add = |name: &str, mode: u32, contents: &[u8]| {
        number += 1;
        let length = u32::try_from(contents.len()).map_err(io::Error::other)?;
        let mut writer =
            newc::Builder::new(name).ino(number).mode(mode).nlink(1).write(&mut *out, length);
        writer.write_all(contents)?;
        writer.finish().map(drop)
    };
    add("init", EXECUTABLE, agent)?;
    add("modules", DIRECTORY, &[])?;
    for (order, (name, contents)) in modules.iter().enumerate() {
        // The agent loads them in the order of their names.
        add(&format!("modules/{order:02}-{name}.ko"), FILE, contents)?;
    }
    newc::trailer(out).map(drop)
}

/// The modules of a kernel: those in files, and those built in.
struct ModuleTree {
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
}

impl ModuleTree {
    /// Reads a directory like `/lib/modules/…`.
    fn read(directory: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        collect(&directory.join("kernel"), &mut files)
            .with_context(|| format!("cannot read the modules in {}", directory.display()))?;
        let path = directory.join("modules.builtin");
        let builtin =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let builtin = builtin.lines().filter_map(|line| module_name(Path::new(line))).collect();
        Ok(Self { files, builtin })
    }

    /// These modules and all that they need, unpacked, each after what it needs.
    fn load_order(&self, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
        let mut order = Vec::new();
        for name in names {
            self.add(&normal(name), &mut order)?;
        }
        Ok(order)
    }

    fn add(&self, name: &str, order: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
        if order.iter().any(|(present, _)| present == name) {
            return Ok(());
        }
        let Some(path) = self.files.get(name) else {
            if self.builtin.contains(name) {
                return Ok(());
            }
            bail!(
                "the module {name} is neither among the kernel's files nor built in\n  \
                 the nest needs a kernel that has it"
            );
        };
        let contents = read_module(path)?;
        for dependency in elf::module_dependencies(&contents) {
            self.add(&normal(&dependency), order)?;
        }
        order.push((name.to_owned(), contents));
        Ok(())
    }
}

fn collect(directory: &Path, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if let Some(name) = module_name(&path) {
            files.insert(name, path);
        }
    }
    Ok(())
}

/// `kvm_amd` for `kernel/arch/x86/kvm/kvm-amd.ko.xz`.
fn module_name(path: &Path) -> Option<String> {
    let (name, kind) = path.file_name()?.to_str()?.split_once(".ko")?;
    matches!(kind, "" | ".xz" | ".zst" | ".gz").then(|| normal(name))
}

/// The kernel takes `-` and `_` in a module's name for the same.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

fn read_module(path: &Path) -> Result<Vec<u8>> {
    let program = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).with_context(|| format!("cannot read {}", path.display())),
    };
    if programs::find(program).is_none() {
        bail!(
            "the module {} is compressed, and the program {program} is not installed\n  \
             install the package {program}",
            path.display()
        );
    }
    programs::output_of(Command::new(program).arg("-dc").arg(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(modules: &[(&str, &str)], builtin: &str) -> (tempfile::TempDir, ModuleTree) {
        let directory = tempfile::tempdir().unwrap();
        let kernel = directory.path().join("kernel/drivers");
        fs::create_dir_all(&kernel).unwrap();
        for (file, needs) in modules {
            fs::write(kernel.join(file), format!("x\0depends={needs}\0y")).unwrap();
        }
        fs::write(directory.path().join("modules.builtin"), builtin).unwrap();
        let tree = ModuleTree::read(directory.path()).unwrap();
        (directory, tree)
    }

    fn names(order: &[(String, Vec<u8>)]) -> Vec<&str> {
        order.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn what_a_module_needs_is_loaded_before_it_and_once() {
        let (_directory, tree) = tree(
            &[
                ("kvm-amd.ko", "kvm,ccp"),
                ("kvm.ko", "irqbypass"),
                ("irqbypass.ko", ""),
                ("9p.ko", "kvm"),
            ],
            "kernel/drivers/crypto/ccp/ccp.ko\n",
        );
        let order = tree.load_order(&["kvm_amd", "9p"]).unwrap();
        assert_eq!(names(&order), ["irqbypass", "kvm", "kvm_amd", "9p"]);
    }

    #[test]
    fn a_module_that_is_nowhere_is_named() {
        let (_directory, tree) = tree(&[("kvm-amd.ko", "kvm")], "");
        let error = tree.load_order(&["kvm_amd"]).unwrap_err().to_string();
        assert!(error.contains("module kvm is neither"), "{error}");
    }

    #[test]
    fn compressed_modules_are_unpacked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.ko");
        fs::write(&path, "contents").unwrap();
        programs::output_of(Command::new("gzip").arg(&path)).unwrap();
        assert_eq!(read_module(&path.with_extension("ko.gz")).unwrap(), b"contents");
    }

    #[test]
    fn module_names() {
        let name = |path: &str| module_name(Path::new(path));
        assert_eq!(name("a/kvm-amd.ko.zst").as_deref(), Some("kvm_amd"));
        assert_eq!(name("a/9p.ko").as_deref(), Some("9p"));
        assert_eq!(name("modules.builtin"), None);
        assert_eq!(name("a/x.ko.bz2"), None);
    }

    #[test]
    fn the_archive_lists_init_and_the_modules_in_order() {
        let modules = [("b".to_owned(), b"BBB".to_vec()), ("a".to_owned(), b"A".to_vec())];
        let mut bytes = Vec::new();
        archive(&mut bytes, b"INIT", &modules).unwrap();
        let mut rest = &bytes[..];
        let mut entries = Vec::new();
        loop {
            let reader = newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            entries.push((
                reader.entry().name().to_owned(),
                reader.entry().mode(),
                reader.entry().file_size(),
            ));
            rest = reader.finish().unwrap();
        }
        assert_eq!(
            entries,
            [
                ("init".to_owned(), 0o100_755, 4),
                ("modules".to_owned(), 0o040_755, 0),
                ("modules/00-b.ko".to_owned(), 0o100_644, 3),
                ("modules/01-a.ko".to_owned(), 0o100_644, 1),
            ]
        );
    }
}
