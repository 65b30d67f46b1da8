//! Nests for tests, and what is common to all that is done with them.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// For what takes a second or two in a nest, on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The `xtask` of this workspace, built now if need be.
pub static XTASK: LazyLock<PathBuf> = LazyLock::new(|| {
    take_signals();
    let xtask = tests::xtask();
    // The first use installs and fetches, and says so; what is tested comes after.
    let first = run(&xtask, &["true"]).env("MINI_KVM_NEST_IDLE", "0").output().unwrap();
    assert!(first.status.success(), "{first:?}");
    xtask
});

/// What is started behind a shell's `&`, or by `nohup`, ignores some signals, and so does all that it
/// starts: in the nest, too. Here they are sent to see what they do.
#[expect(unsafe_code, reason = "other handlers than the default ones could do harm")]
fn take_signals() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP] {
        // SAFETY: the default is no code of ours.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }.unwrap();
    }
}

/// A program in the nest that this `xtask` finds.
pub fn run(xtask: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(xtask);
    command.arg("run").args(words).env("MINI_KVM", "nest").stdin(Stdio::null());
    command
}

/// A shell script in a nest that lives as long as that.
pub fn script_of_its_own(text: &str) -> Command {
    let mut command = run(&XTASK, &["/bin/sh", "-c", text]);
    command.env("MINI_KVM_NEST_IDLE", "0");
    command
}

/// A target directory of its own, and the nest in it, which ends with this.
pub struct Nest {
    target: TempDir,
    pub xtask: PathBuf,
    /// For how many seconds it stays.
    pub idle: &'static str,
}

impl Nest {
    /// One that is not started yet. What it consists of is the workspace's.
    pub fn new() -> Self {
        Self::at(Path::new(""))
    }

    /// The same, with its target directory at this path in another.
    pub fn at(path: &Path) -> Self {
        let target = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let place = target.path().join(path);
        fs::create_dir_all(place.join("debug")).unwrap();
        fs::create_dir(place.join("nest")).unwrap();
        let xtask = place.join("debug/xtask");
        fs::hard_link(&*XTASK, &xtask).unwrap();
        let pieces = XTASK.ancestors().nth(2).unwrap().join("nest");
        for piece in ["kernel-full", "agent", "initramfs.cpio", "used"] {
            symlink(pieces.join(piece), place.join("nest").join(piece)).unwrap();
        }
        Self { target, xtask, idle: "300" }
    }

    /// One that several tests may use at once, if they leave it as it is. It ends when none does.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Nest>> = Mutex::new(Weak::new());
        // A test that failed has no bearing on the others.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let nest = Arc::new(Self::new());
            *shared = Arc::downgrade(&nest);
            nest
        })
    }

    pub fn run(&self, words: &[&str]) -> Command {
        let mut command = run(&self.xtask, words);
        command.env("MINI_KVM_NEST_IDLE", self.idle);
        command
    }

    pub fn script(&self, text: &str) -> Command {
        self.run(&["/bin/sh", "-c", text])
    }

    /// What a script prints that does nothing else.
    pub fn says(&self, text: &str) -> String {
        let output = self.script(text).output().unwrap();
        assert_output(&output, self::text(&output.stdout), "", 0);
        self::text(&output.stdout).to_owned()
    }

    /// A name for the machine that runs now, or is started.
    pub fn boot(&self) -> String {
        self.says(BOOT)
    }

    /// `xtask nest …`
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.xtask);
        command.arg("nest").args(words).stdin(Stdio::null());
        command.env("MINI_KVM_NEST_IDLE", self.idle);
        command
    }

    /// What `nest status` says, and its exit status.
    pub fn status(&self) -> (String, i32) {
        let output = self.command(&["status"]).output().unwrap();
        assert_eq!(text(&output.stderr), "");
        (text(&output.stdout).to_owned(), output.status.code().unwrap())
    }

    /// Its keeper and its QEMU.
    pub fn processes(&self) -> [Pid; 2] {
        let (status, code) = self.status();
        assert_eq!(code, 0, "{status}");
        ["keeper ", "QEMU "].map(|name| {
            let digits = &status[status.find(name).unwrap() + name.len()..];
            let end = digits.find(|it: char| !it.is_ascii_digit()).unwrap();
            Pid::from_raw(digits[..end].parse().unwrap())
        })
    }

    /// What is left of nests in its target directory.
    pub fn homes(&self) -> Vec<String> {
        let entries = fs::read_dir(self.target().join("nest")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("warm")).collect()
    }

    /// Its target directory.
    pub fn target(&self) -> &Path {
        self.target.path()
    }
}

impl Drop for Nest {
    fn drop(&mut self) {
        if self.xtask.exists() {
            let _ = self.command(&["down"]).output();
        }
    }
}

/// A script that prints a name for the machine.
pub const BOOT: &str = "cat /proc/sys/kernel/random/boot_id";

/// Starts a command with pipes to all of its streams.
pub fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Reads these words from a command's standard output.
pub fn expect(child: &mut Child, words: &str) {
    let mut bytes = vec![0; words.len()];
    child.stdout.as_mut().unwrap().read_exact(&mut bytes).unwrap();
    assert_eq!(text(&bytes), words);
}

pub fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap())
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[track_caller]
pub fn assert_output(output: &Output, stdout: &str, stderr: &str, status: i32) {
    assert_eq!(
        (text(&output.stdout), text(&output.stderr), output.status.code()),
        (stdout, stderr, Some(status))
    );
}

pub fn write_script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Whether a process is still there, and not only as a zombie.
pub fn is_alive(process: Pid) -> bool {
    kill(process, None::<Signal>).is_ok()
        && Path::new("/proc").join(process.to_string()).join("exe").read_link().is_ok()
}

/// Waits until these are gone.
#[track_caller]
pub fn await_end(processes: &[Pid], patience: Duration) {
    let since = Instant::now();
    while processes.iter().any(|process| is_alive(*process)) {
        assert!(since.elapsed() < patience, "one of {processes:?} lives on");
        sleep(Duration::from_millis(50));
    }
}
