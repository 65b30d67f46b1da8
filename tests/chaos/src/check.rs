//! Running a case.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::case::{Case, Contents, Role};
use crate::process::{self, Finished, Limits};
use crate::verdict::{Broken, How, judge};

/// In which variable the kernel is that the chapters boot.
const KERNEL_VARIABLE: &str = "MINI_KVM_KERNEL";

/// How long guests may run, and VMMs may take to notice. The guests' own time is short, for there
/// are many; that of the VMMs is many times what any takes on a busy machine, in the nest.
pub const LIMITS: Limits = Limits {
    start: Duration::from_secs(90),
    guest: Duration::from_millis(250),
    patience: Duration::from_secs(60),
    stdout: 16 << 10,
    stderr: 64 << 10,
};

/// A real kernel needs longer until it does something; a kept case has to do what it is kept for.
const LONGER: Duration = Duration::from_secs(2);

/// What cases are run with.
#[derive(Debug)]
pub struct Bench {
    /// The folder of the chapters' programs.
    pub programs: PathBuf,
    /// The kernel that is patched, if there is one.
    kernel: Option<PathBuf>,
    /// What VMMs may use up.
    pub limits: Limits,
}

impl Bench {
    /// The programs in this folder, and the kernel that the environment names.
    pub fn new(programs: PathBuf) -> Self {
        let kernel = std::env::var_os(KERNEL_VARIABLE).filter(|path| !path.is_empty());
        Self { programs, kernel: kernel.map(PathBuf::from), limits: LIMITS }
    }

    /// How long that kernel is.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn kernel_bytes(&self) -> io::Result<Option<usize>> {
        let length = |path: &PathBuf| {
            let data = fs::metadata(path).map_err(|error| named(path, error))?;
            usize::try_from(data.len()).map_err(io::Error::other)
        };
        self.kernel.as_ref().map(length).transpose()
    }

    /// Writes what is in an image. Not by way of our memory: what this process had at any time counts
    /// for the programs that it starts.
    fn fill(&self, mut file: &File, contents: &Contents) -> io::Result<()> {
        let patches = match contents {
            Contents::Bytes(bytes) => return file.write_all(bytes),
            Contents::Patched(patches) => patches,
        };
        let Some(path) = &self.kernel else {
            return Err(io::Error::other(format!(
                "the case patches a kernel, and {KERNEL_VARIABLE} names none"
            )));
        };
        let mut kernel = File::open(path).map_err(|error| named(path, error))?;
        let length = io::copy(&mut kernel, &mut file)?;
        // A kernel of another version may be shorter.
        for (offset, bytes) in patches.iter().filter(|(offset, _)| (*offset as u64) < length) {
            file.write_all_at(bytes, *offset as u64)?;
        }
        Ok(())
    }

    /// Runs a case: how its VMM ended, and by which documented way, or else what promise it broke.
    ///
    /// # Errors
    ///
    /// If it could not be run: that says nothing about the VMM.
    pub fn check(&self, case: &Case) -> io::Result<(Finished, Result<How, Broken>)> {
        let kernel_bytes = self.kernel_bytes()?.unwrap_or(0);
        let mut arguments: Vec<OsString> = case.options.iter().map(OsString::from).collect();
        let mut files = Vec::new();
        for image in &case.images {
            let file = File::from(memfd_create(c"image", MFdFlags::MFD_CLOEXEC)?);
            self.fill(&file, &image.contents)?;
            let option = match image.role {
                Role::Guest => None,
                Role::Kernel => Some("--kernel"),
                Role::Initrd => Some("--initrd"),
                Role::Disk => Some("--disk"),
            };
            arguments.extend(option.map(OsString::from));
            let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
            arguments.push(path.into());
            files.push(file);
        }
        let mut limits = self.limits;
        let expects = |how: How| case.expected.iter().any(|word| word == how.name());
        if expects(How::Late) || case.patches_kernel() {
            limits.guest = limits.guest.max(LONGER);
        } else if !case.expected.is_empty() {
            // It has to get where it is expected.
            limits.guest = limits.patience;
        }
        let program = self.programs.join(&case.chapter);
        let is_guest = |role| role == Role::Guest;
        let vcpus = case.images.iter().filter(|image| is_guest(image.role)).count().max(1);
        let finished =
            process::run(&program, &arguments, vcpus, &case.input, case.signal, &limits)?;
        let verdict = judge(case, &finished, kernel_bytes);
        Ok((finished, verdict))
    }
}

/// The error, with the file that it is about.
pub fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
