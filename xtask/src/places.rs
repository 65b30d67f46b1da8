//! Where we keep what we fetch and build: all under the target directory.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Directories beside the `debug` or `release` directory in which this program lies.
pub struct Places {
    /// The target directory.
    pub target: PathBuf,
    /// `target/nest`: what the nest consists of.
    pub nest: PathBuf,
    /// `target/linux`: what the chapters boot. It is made when it is needed.
    pub linux: PathBuf,
}

/// Where this program is. A build may have put a new one there since it was started: the kernel says
/// then that it is deleted.
pub fn this_program() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find out where xtask is")?;
    let bytes = program.as_os_str().as_bytes();
    Ok(bytes
        .strip_suffix(b" (deleted)")
        .map_or(program.clone(), |path| OsStr::from_bytes(path).into()))
}

impl Places {
    pub fn find() -> Result<Self> {
        let program = this_program()?;
        let target = program.ancestors().nth(2).context("xtask does not lie in target/debug")?;
        Self::make(target)
    }

    pub fn make(target: &Path) -> Result<Self> {
        let places = Self {
            target: target.to_owned(),
            nest: target.join("nest"),
            linux: target.join("linux"),
        };
        let nest = &places.nest;
        fs::create_dir_all(nest).with_context(|| {
            format!(
                "cannot make the directory {}\n  set CARGO_TARGET_DIR to one of your own",
                nest.display()
            )
        })?;
        Ok(places)
    }

    /// A place in the nest's directory.
    pub fn join(&self, name: &str) -> PathBuf {
        self.nest.join(name)
    }

    /// The sources of the workspace.
    pub fn workspace() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ lies in the workspace")
    }

    pub fn is_first_use(&self) -> bool {
        !self.join("used").exists()
    }

    /// From now on we are quiet. If this cannot be written, the next use talks again.
    pub fn mark_used(&self) {
        if self.is_first_use() {
            let _ = fs::write(self.join("used"), "");
        }
    }

    /// Waits until no other command fetches or builds anything. The lock goes with the file.
    pub fn lock(&self) -> Result<File> {
        let path = self.join("lock");
        let file =
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        if file.try_lock().is_err() {
            eprintln!("xtask: another command is fetching or building: waiting for it…");
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(file)
    }
}

/// Writes a file whole or not at all, for all to read.
pub fn write_whole(path: &Path, contents: &[u8]) -> Result<()> {
    let directory = path.parent().context("a file lies in a directory")?;
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(directory)?;
        file.write_all(contents)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
