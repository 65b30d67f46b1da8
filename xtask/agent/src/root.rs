//! A root file system for each session: the outside, mounted once more.
//!
//! As long as a process runs a file, or stands in a directory, the kernel holds on to what it knows of
//! it, and of the way there. So two sessions that share a mount share that, too: a program that was
//! built anew while the old one ran elsewhere would be the old one, or a mixture of both.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nest_agent::{Command, Kept};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, chroot};
use serde_bytes::ByteBuf;

use crate::{kept, machine};

/// Where a session's root is mounted, until it becomes the root.
pub const PLACE: &str = "/dev/nest/root";

/// What of the nest's own is in each root. The rest of `/dev/nest` is not.
const OURS: &[(&str, MsFlags)] = &[
    ("/proc", MsFlags::empty()),
    ("/sys", MsFlags::MS_REC),
    ("/dev", MsFlags::empty()),
    ("/dev/pts", MsFlags::empty()),
    ("/dev/shm", MsFlags::empty()),
];

/// The devices by which the outside can be mounted, beside the one that the agent itself uses: each
/// serves one mount at a time.
pub struct Roots {
    free: VecDeque<Root>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Root(u32);

impl Roots {
    /// As many as the outside says.
    pub fn new() -> Self {
        let count = machine::argument("nest.roots=").and_then(|count| count.parse().ok());
        Self { free: (0..count.unwrap_or(0)).map(Root).collect() }
    }

    /// One for a session. Without one it has to share the agent's.
    pub fn take(&mut self) -> Option<Root> {
        self.free.pop_front()
    }

    /// It is free again; the longer ago that was, the surer it is unmounted.
    pub fn give_back(&mut self, root: Option<Root>) {
        self.free.extend(root);
    }
}

/// Gives this process and its children a root of their own, with copies in the places of the files
/// that are kept. What goes wrong leaves them with the agent's.
pub fn enter(root: Option<Root>, command: &Command) {
    if let Some(root) = root
        && try_to_enter(root, &command.keep).is_ok()
    {
        hold_library_path(&command.environment);
    }
}

/// Keeps the directories in mind in which the dynamic linker looks for libraries, as long as this
/// process lives. Cargo names four; the linker tries a dozen paths in each, and the kernel, which caches
/// nothing of the outside, asked for every part of every path: that took 0.25 s.
fn hold_library_path(environment: &[ByteBuf]) {
    let variable = environment.iter().find_map(|it| it.strip_prefix(b"LD_LIBRARY_PATH="));
    let paths = variable.unwrap_or_default().split(|byte| *byte == b':');
    for path in paths.filter(|path| path.starts_with(b"/")) {
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        std::mem::forget(File::options().read(true).custom_flags(libc::O_PATH).open(path));
    }
}

fn try_to_enter(Root(number): Root, files: &[Kept]) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let options = machine::argument("nest.9p=").unwrap_or_default();
    machine::attach(&format!("outside-{number}"), PLACE, "9p", MsFlags::empty(), &options)?;
    let none = None::<&str>;
    for (what, flags) in OURS {
        mount(
            Some(*what),
            format!("{PLACE}{what}").as_str(),
            none,
            MsFlags::MS_BIND | *flags,
            none,
        )?;
    }
    // The way to the store leads by a descriptor, for in the new root it cannot be seen.
    let store = File::options().read(true).custom_flags(libc::O_PATH).open(kept::STORE)?;
    chroot(PLACE)?;
    chdir("/")?;
    let store = PathBuf::from(format!("/proc/self/fd/{}", store.as_raw_fd()));
    for file in files {
        // Then the file itself is used, which only takes longer.
        let _ = put_in_place(&store, file);
    }
    Ok(())
}

fn put_in_place(store: &Path, file: &Kept) -> Result<()> {
    let path = Path::new(std::ffi::OsStr::from_bytes(&file.path));
    let copy = kept::find_or_copy(store, path, file)?;
    let none = None::<&str>;
    mount(Some(&copy), path, none, MsFlags::MS_BIND, none)?;
    Ok(())
}
