//! Many runs of a chapter with a fault each, for one start of it.

use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use nix::pty::openpty;
use tests::{Finished, Run, finish, set_fault, text};

/// How a run with a fault ended.
pub struct Ended {
    command: String,
    pub fault: String,
    pub finished: Finished,
    /// The terminal on its standard input is not as it was.
    spoilt_terminal: bool,
}

impl Ended {
    /// The exit status: none if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.finished.status.code()
    }

    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.finished.stderr).into_owned()
    }

    /// What has to hold whatever failed.
    #[track_caller]
    pub fn assert_sane(&self) {
        let said = self.said();
        assert!(!self.spoilt_terminal, "it left the terminal other than it was: {self}");
        assert_eq!(self.finished.status.signal(), None, "{self}");
        for word in ["panicked", "backtrace", "RUST_BACKTRACE"] {
            assert!(!said.contains(word), "{self}");
        }
    }

    /// That much, and the status, and these words.
    #[track_caller]
    pub fn assert_ends(&self, status: i32, words: &[&str]) {
        self.assert_sane();
        assert_eq!(self.code(), Some(status), "{self}");
        let said = self.said();
        for word in words {
            assert!(said.contains(word), "no {word:?}: {self}");
        }
    }

    /// Whether it had so little memory that Rust, or the C library, could not go on, and said so. The
    /// terminal has to be in order even then.
    #[track_caller]
    pub fn is_out_of_memory(&self) -> bool {
        let said = self.said();
        let refused = [
            "memory allocation of ",
            "failed to allocate an alternative stack",
            "Fatal glibc error: failed to register TLS destructor: out of memory",
            "cannot allocate memory for thread-local data: ABORT",
        ];
        let is_aborted = self.finished.status.signal() == Some(nix::libc::SIGABRT)
            && refused.iter().any(|words| said.contains(words));
        assert!(!(is_aborted && self.spoilt_terminal), "the terminal is spoilt: {self}");
        is_aborted
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KVM_FAULT='{}' {}\n{}", self.fault, self.command, self.finished)
    }
}

/// Runs `chapter` with each of these faults, on a terminal.
pub fn runs(chapter: &str, arguments: &[&str], faults: &[String]) -> Vec<Ended> {
    let run = Run::new(chapter, arguments);
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan");
    fs::write(&plan, faults.iter().map(|fault| format!("{fault}\n")).collect::<String>()).unwrap();
    let terminal = openpty(None, None).unwrap();
    let mut command = run.command();
    set_fault(&mut command, &format!("each:{}", text(&plan)));
    let child = command
        .stdin(Stdio::from(terminal.slave))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let planner = finish(child, b"");
    assert_eq!(planner.code(), 0, "{run}: {planner}");

    let ends = fs::read_to_string(folder.path().join("plan.ends")).unwrap();
    let ends: Vec<_> = ends.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(ends.len(), faults.len(), "{run}");
    let printed = |index, stream| {
        let file = folder.path().join(format!("plan.{index}.{stream}"));
        fs::read(file).unwrap_or_default() // none if it was redirected
    };
    let ended = |(index, (fault, (status, spoilt))): (usize, (&String, &(&str, &str)))| Ended {
        command: run.to_string(),
        fault: fault.clone(),
        finished: Finished {
            status: ExitStatus::from_raw(status.parse().unwrap()),
            stdout: printed(index, "out"),
            stderr: printed(index, "err"),
        },
        spoilt_terminal: *spoilt != "0",
    };
    faults.iter().zip(&ends).enumerate().map(ended).collect()
}
