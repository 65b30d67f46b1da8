//! How callers come to a keeper.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Backlog, listen};

use super::callers::Caller;
use crate::nest::home::Home;
use crate::nest::machine::Cache;

pub enum Door {
    /// By a socket in a home, until it is closed.
    Open {
        home: Home,
        /// Held by us and by QEMU: free again when both are gone.
        lock: File,
        listener: Option<UnixListener>,
        idle: u32,
    },
    /// There is one, and was from the beginning.
    Closed,
}

impl Door {
    pub fn open(home: PathBuf, lock: OwnedFd, listener: OwnedFd, idle: u32) -> Result<Self> {
        // Whoever connects learns by this which process we are.
        listen(&listener, Backlog::MAXCONN).context("cannot listen")?;
        let listener = Some(UnixListener::from(listener));
        Ok(Self::Open { home: Home::at(home), lock: lock.into(), listener, idle })
    }

    /// What the machine has to hold on to.
    pub fn lock(&self) -> Option<&File> {
        match self {
            Self::Open { lock, .. } => Some(lock),
            Self::Closed => None,
        }
    }

    pub fn listener(&self) -> Option<&UnixListener> {
        match self {
            Self::Open { listener, .. } => listener.as_ref(),
            Self::Closed => None,
        }
    }

    /// Lets one in who is there.
    pub fn next_caller(&self) -> Option<Caller> {
        let (stream, _) = self.listener()?.accept().ok()?;
        Caller::new(stream).ok()
    }

    /// Waits for the one who has us started, but not for long.
    pub fn first_caller(&self) -> Option<Caller> {
        let mut fds = [PollFd::new(self.listener()?.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut fds, PollTimeout::from(2000_u16));
        self.next_caller()
    }

    /// After how many seconds without a command to end.
    pub fn idle(&self) -> Option<u32> {
        match self {
            Self::Open { idle, .. } => Some(*idle),
            Self::Closed => None,
        }
    }

    /// How a nest with such a door caches the outside.
    pub fn cache(&self) -> Cache {
        match self {
            Self::Open { .. } => Cache::None,
            Self::Closed => Cache::Loose,
        }
    }

    /// Whether nobody can find it any more.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Open { home, lock, .. } if !home.is_lock(lock))
    }

    /// From here on nobody comes in, and those who wait outside are sent away: they find another nest.
    pub fn close(&mut self) {
        let is_lost = self.is_lost();
        if let Self::Open { home, listener, .. } = self {
            if !is_lost {
                home.close();
            }
            *listener = None;
        }
    }

    /// Leaves nothing behind. The machine is gone.
    pub fn shut(&self) {
        if let Self::Open { home, .. } = self
            && !self.is_lost()
        {
            home.remove();
        }
    }
}
