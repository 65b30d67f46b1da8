//! Running a chapter as a user would, for the tests in `tests/`.
#![expect(clippy::missing_panics_doc, reason = "a test panics when something is wrong")]

use std::borrow::Cow;
use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::mem;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use wait_timeout::ChildExt;

/// Much longer than any run takes, even on a busy machine inside the nest.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// Where the executable of a chapter, or another of the workspace's programs, is.
pub fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("the kernel knows our own path");
    let target = test.ancestors().nth(2).expect("a test is at target/PROFILE/deps/NAME");
    let program = target.join(name);
    assert!(program.is_file(), "{} has not been built: cargo build", program.display());
    program
}

/// The `xtask` of this workspace, built now if need be, for tests that run on the host.
pub fn xtask() -> PathBuf {
    let target = target();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "xtask", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target)
        .status()
        .expect("cargo can be run");
    assert!(built.success(), "xtask does not build");
    target.join("debug/xtask")
}

/// The target directory.
pub fn target() -> PathBuf {
    let test = env::current_exe().expect("the kernel knows our own path");
    test.ancestors().nth(3).expect("a test is at target/PROFILE/deps/NAME").to_owned()
}

/// A chapter's command line, to be run.
pub struct Run<'a> {
    /// The package's name.
    pub chapter: &'a str,
    /// Its program, if it is not the one of the workspace: a broken one, say.
    pub program: Option<&'a Path>,
    /// What follows it.
    pub arguments: &'a [&'a str],
    /// What it reads on standard input.
    pub input: &'a [u8],
    /// What is wrong with KVM: `KVM_FAULT` of the shim.
    pub fault: Option<&'a str>,
}

impl<'a> Run<'a> {
    /// With no input, and a KVM in order.
    pub fn new(chapter: &'a str, arguments: &'a [&'a str]) -> Self {
        Self { chapter, program: None, arguments, input: b"", fault: None }
    }

    /// The command, not yet started.
    pub fn command(&self) -> Command {
        let mut command = match self.program {
            Some(program) => Command::new(program),
            None => Command::new(program(self.chapter)),
        };
        command.args(self.arguments).env("NO_COLOR", "1");
        if let Some(fault) = self.fault {
            set_fault(&mut command, fault);
        }
        command
    }

    /// Runs it to its end.
    pub fn finish(&self) -> Finished {
        finish(self.start(), self.input)
    }

    /// Starts it, with pipes on all three streams.
    pub fn start(&self) -> Child {
        self.command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a chapter can be started")
    }
}

/// The library that makes KVM fail: `tests/shim/kvm_faults.c`.
pub fn fault_library() -> &'static Path {
    Path::new(concat!(env!("KVM_FAULTS_DIR"), "/kvm_faults.so"))
}

/// Makes KVM fail for the program: `fault` is `KVM_FAULT` of the shim.
pub fn set_fault(command: &mut Command, fault: &str) {
    // By its name alone, for a path in LD_PRELOAD ends at a space.
    command.env("LD_LIBRARY_PATH", env!("KVM_FAULTS_DIR"));
    command.env("LD_PRELOAD", "kvm_faults.so").env("KVM_FAULT", fault);
}

impl fmt::Display for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.input.is_empty() {
            write!(f, "printf '{}' | ", self.input.escape_ascii())?;
        }
        if let Some(fault) = self.fault {
            write!(f, "KVM_FAULT={fault} ")?;
        }
        write!(f, "{}", self.chapter)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

/// An argument as a shell wants it.
pub fn quoted(argument: &str) -> Cow<'_, str> {
    let is_word = |c: char| c.is_alphanumeric() || "-_./:=,".contains(c);
    if !argument.is_empty() && argument.chars().all(is_word) {
        return argument.into();
    }
    format!("'{}'", argument.replace('\'', r"'\''")).into()
}

/// What a finished program leaves behind.
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it wrote to standard output.
    pub stdout: Vec<u8>,
    /// All that it wrote to standard error.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// The exit status; a program that died of a signal has none, and fails the test.
    pub fn code(&self) -> i32 {
        assert_eq!(self.status.signal(), None, "died of a signal: {self}");
        self.status.code().expect("it was not a signal")
    }

    /// The same, with what vCPUs wrote side by side one after the other: their order is free, the
    /// order of what one of them wrote is not.
    #[must_use]
    pub fn sorted_by_vcpu(self) -> Self {
        let Self { status, stdout, stderr } = self;
        Self { status, stdout: sort_by_vcpu(&stdout), stderr: sort_by_vcpu(&stderr) }
    }

    /// What each of `guests` printed, line by line, without the tags; a line that has not the tag
    /// of one of them fails the test.
    pub fn lines_by_vcpu(&self, guests: &[&str]) -> Vec<Vec<&str>> {
        let output = str::from_utf8(&self.stdout).expect("no guest prints anything but ASCII");
        let mut lines = vec![Vec::new(); guests.len()];
        for line in output.split_inclusive('\n') {
            let whole = line.strip_suffix('\n').expect("the last line has an end, too");
            let (id, printed) = (0..guests.len())
                .find_map(|id| Some((id, whole.strip_prefix(&format!("[{id} {}] ", guests[id]))?)))
                .unwrap_or_else(|| panic!("whose line is {whole:?}? {self}"));
            lines[id].push(printed);
        }
        lines
    }
}

fn sort_by_vcpu(output: &[u8]) -> Vec<u8> {
    let mut vcpu = None;
    let mut lines: Vec<_> = output
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| {
            // An indented line goes with the one before, as in a crash report.
            if !line.starts_with(b" ") {
                vcpu = match line.strip_prefix(b"error: ").unwrap_or(line) {
                    [b'[', id @ b'0'..=b'9', b' ', ..] => Some(*id),
                    _ => None,
                };
            }
            (vcpu, line)
        })
        .collect();
    lines.sort_by_key(|(vcpu, _)| *vcpu);
    lines.into_iter().flat_map(|(_, line)| line).copied().collect()
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stdout, stderr) = (&self.stdout, &self.stderr);
        match self.status.code() {
            Some(code) => writeln!(f, "status: {code}")?,
            None => writeln!(f, "{}", self.status)?,
        }
        write!(f, "--- stdout\n{}", String::from_utf8_lossy(stdout))?;
        // Where the last line has no end, the snapshot says so, as a diff does.
        if !stdout.is_empty() && !stdout.ends_with(b"\n") {
            writeln!(f, "\n(no newline at the end)")?;
        }
        write!(f, "--- stderr\n{}", String::from_utf8_lossy(stderr))
    }
}

/// Feeds `child`, waits for its end and collects its output. One that hangs is killed and fails
/// the test.
pub fn finish(child: Child, input: &[u8]) -> Finished {
    finish_within(child, input, HANGS_AFTER, usize::MAX).unwrap_or_else(|problem| match problem {
        Unfinished::Hangs(_) => panic!("still running after {HANGS_AFTER:?}"),
        Unfinished::PrintsTooMuch(_) => unreachable!("there is no such limit"),
    })
}

/// What a program printed that did not end as it should, and was killed.
pub enum Unfinished {
    /// It was still running, or something that it started held its streams.
    Hangs(Printed),
    /// It printed more than it may to one of its streams.
    PrintsTooMuch(Printed),
}

/// What a program has printed so far.
pub struct Printed {
    /// To standard output.
    pub stdout: Vec<u8>,
    /// To standard error.
    pub stderr: Vec<u8>,
}

/// Feeds `child`, waits for its end and collects its output, but not for ever, nor without bounds.
///
/// # Errors
///
/// If it uses up its time, or prints more than `bytes_max` to a stream.
pub fn finish_within(
    mut child: Child,
    input: &[u8],
    time: Duration,
    bytes_max: usize,
) -> Result<Finished, Unfinished> {
    let deadline = Instant::now() + time;
    let (sender, ends) = channel();
    let stdout = drain(child.stdout.take(), bytes_max, sender.clone());
    let stderr = drain(child.stderr.take(), bytes_max, sender);
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_vec();
        // A program may end without reading all of it, or never read it.
        thread::spawn(move || stdin.write_all(&input));
    }
    let take = |bytes: &Mutex<Vec<u8>>| mem::take(&mut *bytes.lock().expect("readers never panic"));
    let printed = || Printed { stdout: take(&stdout), stderr: take(&stderr) };
    let kill = |child: &mut Child| {
        child.kill().and_then(|()| child.wait()).expect("a child can be killed");
    };

    for _ in [&stdout, &stderr] {
        let is_whole = ends.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        if is_whole != Ok(true) {
            kill(&mut child);
            return Err(match is_whole {
                Ok(_) => Unfinished::PrintsTooMuch(printed()),
                Err(_) => Unfinished::Hangs(printed()),
            });
        }
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let Some(status) = child.wait_timeout(left).expect("a child can be waited for") else {
        kill(&mut child);
        return Err(Unfinished::Hangs(printed()));
    };
    let Printed { stdout, stderr } = printed();
    Ok(Finished { status, stdout, stderr })
}

/// Reads a stream to its end in a thread of its own, and then tells whether that is all there was.
fn drain(
    stream: Option<impl Read + Send + 'static>,
    bytes_max: usize,
    end: Sender<bool>,
) -> Arc<Mutex<Vec<u8>>> {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&bytes);
    thread::spawn(move || {
        let mut is_whole = true;
        if let Some(mut stream) = stream {
            let mut buffer = [0; 64 << 10];
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => {
                        let mut all = all.lock().expect("nobody panics who holds it");
                        if all.len() + count > bytes_max {
                            is_whole = false;
                            break;
                        }
                        all.extend(&buffer[..count]);
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => panic!("a pipe can be read: {error}"),
                }
            }
        }
        // If nobody waits any more, nobody wants to know.
        let _ = end.send(is_whole);
    });
    bytes
}

/// Fails unless that is the status, and all of `message` is on standard error.
#[track_caller]
pub fn assert_ends(finished: &Finished, status: i32, message: &[&str]) {
    assert_eq!(finished.code(), status, "{finished}");
    let stderr = String::from_utf8_lossy(&finished.stderr);
    assert!(!stderr.contains("panicked at"), "{finished}");
    for part in message {
        assert!(stderr.contains(part), "no {part:?} in:\n{finished}");
    }
}

/// What `read` reads; a read that never ends fails the test.
pub fn patiently<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = channel();
    thread::spawn(move || sender.send(read()));
    receiver.recv_timeout(HANGS_AFTER).expect("it reads for too long")
}

/// Waits until the process `pid` runs `count` vCPUs: one that does not run yet has nothing to report.
pub fn await_vcpus(pid: u32, count: usize) {
    let deadline = Instant::now() + HANGS_AFTER;
    // KVM shares a page of each vCPU with the process.
    let created = || {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"));
        maps.map_or(0, |maps| maps.matches("anon_inode:kvm-vcpu").count())
    };
    while created() < count {
        assert!(Instant::now() < deadline, "process {pid} has only {} vCPUs", created());
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(Duration::from_millis(100)); // and now it runs the last one, too
}

/// Sends a signal to `child` alone.
pub fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().try_into().expect("a pid is a small number"));
    kill(pid, signal).expect("our own child can be signalled");
}

/// The seconds of CPU time that the process `pid` has used so far.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat =
        fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process has a stat file");
    // proc(5): utime and stime are fields 14 and 15; field 2, in parentheses, may hold spaces.
    let fields: Vec<&str> =
        stat[stat.rfind(')').expect("it ends field 2") + 1..].split_whitespace().collect();
    let ticks = |field: usize| fields[field - 3].parse::<f64>().expect("ticks are a number");
    const TICKS_PER_SECOND: f64 = 100.0; // USER_HZ, on x86 always
    (ticks(14) + ticks(15)) / TICKS_PER_SECOND
}

/// A path as text, as a command line wants it.
pub fn text(path: &Path) -> &str {
    AsRef::<OsStr>::as_ref(path).to_str().expect("our own paths are UTF-8")
}
