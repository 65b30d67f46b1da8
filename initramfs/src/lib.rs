//! Packs the guest's first file system, the initramfs: our `/init`, which is also the shell and the
//! utilities, and what it finds around itself when it starts.

mod archive;
mod bash;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use elf::ElfBytes;
use elf::abi::PT_INTERP;
use elf::endian::LittleEndian;

use crate::archive::Archive;

/// The names in `/bin`, all links to `/init`, which looks at the name by which it was called.
pub const COMMANDS: &[&str] = &[
    "cat", "dmesg", "echo", "false", "free", "head", "hexdump", "kill", "ls", "mount", "poweroff",
    "ps", "pwd", "sh", "sleep", "true", "uname", "uptime",
];

/// What `/init` starts on the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// Our own: nothing is added.
    Ours,
    /// The host's bash, with the libraries that it needs.
    Bash,
}

/// Makes the archive (a cpio in the format `newc`), given the program `mini-init`, linked statically.
/// The same input gives the same bytes.
///
/// # Errors
///
/// If the program cannot be read or is not static, and if bash is wanted and not to be had.
pub fn pack(init: &Path, shell: Shell) -> Result<Vec<u8>> {
    let program = fs::read(init).with_context(|| format!("cannot read {}", init.display()))?;
    require_static(&program).with_context(|| init.display().to_string())?;

    let mut archive = Archive::new();
    // The kernel opens it for /init's standard input and output, before anything is mounted.
    archive.character_device("dev/console", 0o600, 5, 1)?;
    for mount_point in ["proc", "sys"] {
        archive.directory(mount_point, 0o755)?;
    }
    archive.directory("tmp", 0o1777)?;
    archive.file("init", 0o755, &program)?;
    for name in COMMANDS {
        archive.link(&format!("bin/{name}"), "/init")?;
    }
    if shell == Shell::Bash {
        bash::add(&mut archive)?;
    }
    archive.finish()
}

/// In the guest there is neither a dynamic loader nor a library. The kernel's message for a program
/// that needs them is that there is no `/init`.
fn require_static(program: &[u8]) -> Result<()> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(program).context("not a program")?;
    let segments = file.segments().context("not a program")?;
    if segments.iter().any(|segment| segment.p_type == PT_INTERP) {
        bail!(
            "linked dynamically, and there are no libraries in the guest\n  \
             build it with -C target-feature=+crt-static -C relocation-model=static"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_and_what_is_none_are_refused() {
        // The test itself is linked as the host does by default.
        let this = std::env::current_exe().unwrap();
        let error = format!("{:#}", pack(&this, Shell::Ours).unwrap_err());
        assert!(error.contains("linked dynamically"), "{error}");

        let script = tempfile::NamedTempFile::new().unwrap();
        fs::write(script.path(), "#!/bin/sh\n").unwrap();
        let error = format!("{:#}", pack(script.path(), Shell::Ours).unwrap_err());
        assert!(error.contains("not a program"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = format!("{:#}", pack(Path::new("/no/such/init"), Shell::Ours).unwrap_err());
        assert!(error.starts_with("cannot read /no/such/init: No such file"), "{error}");
    }
}
