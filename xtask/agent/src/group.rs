//! The processes of one session, however they left its process group: a control group.

use std::fs;
use std::io;
use std::path::PathBuf;

use nest_agent::Session;

/// Where control groups are, as on every other machine.
pub const ROOT: &str = "/sys/fs/cgroup";

/// The control group of a session.
pub struct Group {
    path: PathBuf,
}

impl Group {
    pub fn new(session: Session) -> io::Result<Self> {
        let path = PathBuf::from(format!("{ROOT}/session-{session}"));
        fs::create_dir(&path)?;
        Ok(Self { path })
    }

    /// Puts this process into it, and with that all that it forks later.
    pub fn enter(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), "0")
    }

    /// Kills all in it.
    pub fn kill(&self) {
        // It fails only for a group that is gone.
        let _ = fs::write(self.path.join("cgroup.kill"), "1");
    }

    /// Whether it could be removed. Those that were killed take a moment to die.
    pub fn remove(&self) -> bool {
        fs::remove_dir(&self.path).is_ok()
    }
}
