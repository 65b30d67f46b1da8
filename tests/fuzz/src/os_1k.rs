//! The 1K OS's code with sanitizers, in a process of its own: it reads cases, and answers as long as no
//! promise is broken.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Made by the build, or else the reason why not.
const PROGRAM: &str = concat!(env!("OUT_DIR"), "/harness");
const ERROR: &str = include_str!(concat!(env!("OUT_DIR"), "/harness-error"));

struct Harness {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    errors: ChildStderr,
}

static HARNESS: Mutex<Option<Harness>> = Mutex::new(None);

/// Gives a case to the part of the OS that has this letter.
pub fn run(part: u8, case: &[u8]) {
    assert!(ERROR.is_empty(), "{ERROR}");
    let mut harness = HARNESS.lock().unwrap_or_else(PoisonError::into_inner);
    let running = harness.get_or_insert_with(|| Harness::start().expect(PROGRAM));
    if let Err(error) = running.run(part, case) {
        let mut said = String::new();
        let read = running.errors.read_to_string(&mut said);
        let status = running.child.wait();
        *harness = None;
        drop(harness);
        panic!("the 1K OS's code has ended ({error}, {status:?}, {read:?}):\n{said}");
    }
}

impl Harness {
    fn start() -> io::Result<Self> {
        let mut child = Command::new(PROGRAM)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env("ASAN_OPTIONS", "detect_leaks=0:max_allocation_size_mb=64")
            .env("UBSAN_OPTIONS", "print_stacktrace=1")
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take()).zip(child.stderr.take());
        let ((input, output), errors) = pipes.expect("they are pipes");
        Ok(Self { child, input, output, errors })
    }

    fn run(&mut self, part: u8, case: &[u8]) -> io::Result<()> {
        let count = u32::try_from(case.len() + 1).map_err(io::Error::other)?;
        let message = [&count.to_ne_bytes(), &[part][..], case].concat();
        self.input.write_all(&message)?;
        self.output.read_exact(&mut [0])
    }
}
