//! Where a warm nest is found: a directory with a lock and a socket.
//!
//! There is one for each user, each target directory, and each view of the file system (a container
//! may share the target directory and see other files elsewhere); and one for each build of what a nest
//! consists of, so that a caller and the nest always speak the same language. The lock is held by the
//! keeper and by its QEMU: whoever gets it knows that neither is left.

use std::fs::{self, DirBuilder, File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, getsockopt, socket};
use nix::unistd::{Pid, geteuid};

use super::setup::Pieces;
use crate::places::Places;

/// A place that may hold a nest.
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// The one for a nest of these pieces.
    pub fn new(places: &Places, pieces: &Pieces) -> Result<Self> {
        let name = format!("{}{:016x}", prefix()?, build(pieces)?);
        Ok(Self { path: places.join(&name) })
    }

    /// One that is known by its path.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// All of this user in this target directory, whatever they consist of.
    pub fn all(places: &Places) -> Result<Vec<Self>> {
        let prefix = prefix()?;
        let entries = fs::read_dir(&places.nest)
            .with_context(|| format!("cannot read {}", places.nest.display()))?;
        let is_one =
            |name: &Path| name.as_os_str().as_encoded_bytes().starts_with(prefix.as_bytes());
        Ok(entries
            .flatten()
            .filter(|entry| is_one(Path::new(&entry.file_name())) && entry.path().is_dir())
            .map(|entry| Self { path: entry.path() })
            .collect())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directory, for this user alone.
    pub fn make(&self) -> Result<()> {
        let path = self.path.display();
        match DirBuilder::new().mode(0o700).create(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                bail!("cannot make {path}: {error}\n  set CARGO_TARGET_DIR to one of your own");
            }
            _ => {}
        }
        let data = self.path.symlink_metadata().with_context(|| format!("cannot read {path}"))?;
        if !data.is_dir() || data.uid() != geteuid().as_raw() || data.mode() & 0o077 != 0 {
            bail!("{path} is not a directory of yours alone\n  remove it");
        }
        Ok(())
    }

    /// The lock, unless somebody has it or has just removed it. It goes with the file and all its
    /// copies.
    pub fn try_lock(&self) -> Result<Option<File>> {
        let Some(file) = self.lock_file()? else { return Ok(None) };
        if !is_free(&file)? {
            return Ok(None);
        }
        // It may have been removed just before we locked what was left.
        Ok(self.is_lock(&file).then_some(file))
    }

    /// Whether this is the file that is locked here. Once the home was removed and made anew, another
    /// one is.
    pub fn is_lock(&self, file: &File) -> bool {
        let identity = |data: io::Result<Metadata>| data.ok().map(|data| (data.dev(), data.ino()));
        let ours = identity(file.metadata());
        ours.is_some() && ours == identity(self.path.join("lock").metadata())
    }

    /// How to find out who has the lock, for a message.
    pub fn who_holds_it(&self) -> String {
        format!("  who holds it: fuser -v '{}/lock'", self.path.display())
    }

    /// Removes what a nest has left behind whose lock we got, if nobody has made another there.
    pub fn remove_remains(&self, lock: &File) {
        if self.is_lock(lock) {
            self.remove();
        }
    }

    /// The file that is locked, unless the whole home is gone.
    pub fn lock_file(&self) -> Result<Option<File>> {
        let path = self.path.join("lock");
        match File::options().create(true).append(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some).with_context(|| format!("cannot open {}", path.display())),
        }
    }

    /// A socket that callers find. To listen is left to the keeper, for by that they learn its process
    /// (see [`peer`]). The caller has the lock.
    pub fn bind(&self) -> Result<OwnedFd> {
        let _ = fs::remove_file(self.path.join("socket"));
        let (_directory, path) = self.short_path()?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        // Not every file system can have sockets: those shared with another machine, say.
        bind(socket.as_raw_fd(), &UnixAddr::new(&path)?)
            .with_context(|| format!("cannot make a socket in {}", self.path.display()))?;
        Ok(socket)
    }

    /// To whoever listens, if that is this user.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let (_directory, path) = self.short_path()?;
        let stream = UnixStream::connect(path)?;
        if getsockopt(&stream, PeerCredentials)?.uid() != geteuid().as_raw() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(stream)
    }

    /// The socket's path by way of the open directory: the path of a socket ends after 107 bytes.
    fn short_path(&self) -> io::Result<(File, PathBuf)> {
        let directory = File::options()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(&self.path)?;
        let path = format!("/proc/self/fd/{}/socket", directory.as_raw_fd()).into();
        Ok((directory, path))
    }

    /// Where a keeper says what it cannot say to a caller.
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// From here on nobody finds it. The caller has the lock.
    pub fn close(&self) {
        let _ = fs::remove_file(self.path.join("socket"));
    }

    /// Removes it. The caller has the lock.
    pub fn remove(&self) {
        self.close();
        let _ = fs::remove_file(self.log());
        let _ = fs::remove_file(self.path.join("lock"));
        // It stays if it is not empty, and then it is somebody's.
        let _ = fs::remove_dir(&self.path);
    }
}

/// Whether nobody had this file locked; we have now.
pub fn is_free(lock: &File) -> Result<bool> {
    match lock.try_lock() {
        Ok(()) => Ok(true),
        Err(fs::TryLockError::WouldBlock) => Ok(false),
        Err(fs::TryLockError::Error(error)) => Err(error).context("cannot lock a file in the nest"),
    }
}

/// The process that listens at the other end, if we can see it. unix(7), `SO_PEERCRED`.
pub fn peer(stream: &UnixStream) -> Option<Pid> {
    let credentials = getsockopt(stream, PeerCredentials).ok()?;
    // To `kill`, the 0 of one that we cannot see would mean ourselves.
    (credentials.pid() > 0).then(|| Pid::from_raw(credentials.pid()))
}

/// What the names of this user's nests begin with, as this process sees the file system.
fn prefix() -> Result<String> {
    let namespace = fs::read_link("/proc/self/ns/mnt").context("cannot read /proc/self/ns/mnt")?;
    let root = fs::metadata("/").context("cannot read /")?;
    let mut hasher = DefaultHasher::new();
    (namespace, root.dev(), root.ino()).hash(&mut hasher);
    Ok(format!("warm-{}-{:08x}-", geteuid(), hasher.finish() & 0xffff_ffff))
}

/// A number that changes with anything that a nest consists of.
fn build(pieces: &Pieces) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    let ourselves = Path::new("/proc/self/exe");
    for path in [ourselves, &pieces.qemu, &pieces.kernel, &pieces.initramfs] {
        let data = path.metadata().with_context(|| format!("cannot read {}", path.display()))?;
        // Not the time of its last change of any kind: another link to a file is no other file.
        (path, data.dev(), data.ino(), data.len()).hash(&mut hasher);
        (data.mtime(), data.mtime_nsec()).hash(&mut hasher);
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(directory: &Path) -> Home {
        let home = Home::at(directory.join("warm"));
        home.make().unwrap();
        home
    }

    #[test]
    fn the_lock_is_free_when_the_last_copy_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let home = home(directory.path());
        let lock = home.try_lock().unwrap().unwrap();
        let copy = lock.try_clone().unwrap();
        drop(lock);
        assert!(home.try_lock().unwrap().is_none());
        drop(copy);
        assert!(home.try_lock().unwrap().is_some());
    }

    #[test]
    fn a_long_path_has_room_for_a_socket() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("a b/".repeat(60));
        fs::create_dir_all(&deep).unwrap();
        let home = home(&deep);
        assert_eq!(home.connect().unwrap_err().kind(), io::ErrorKind::NotFound);
        let _lock = home.try_lock().unwrap().unwrap();
        let socket = home.bind().unwrap();
        assert_eq!(home.connect().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        nix::sys::socket::listen(&socket, nix::sys::socket::Backlog::MAXCONN).unwrap();
        let stream = home.connect().unwrap();
        assert_eq!(peer(&stream), Some(Pid::this()));
        home.remove();
        assert!(!home.path().exists());
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let home = home(directory.path());
        home.make().unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let error = home.make().unwrap_err().to_string();
        assert!(error.contains("not a directory of yours alone"), "{error}");
    }
}
