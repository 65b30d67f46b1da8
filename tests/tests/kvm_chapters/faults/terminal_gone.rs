//! The terminal goes away, as when its window is closed or a connection breaks.

use std::fs;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::openpty;
use nix::sys::signal::Signal;
use tests::{Finished, assert_ends, await_vcpus, finish, program, signal};

/// Starts a chapter as the first process of a terminal of its own, which goes when that end is closed.
fn start(chapter: &str, arguments: &[&str]) -> (Child, OwnedFd) {
    let terminal = openpty(None, None).unwrap();
    // The program must not have our end, too.
    fcntl(&terminal.master, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
    let child = Command::new("setsid")
        .arg("--ctty")
        .arg(program(chapter))
        .args(arguments)
        .stdin(Stdio::from(terminal.slave))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("util-linux has setsid");
    (child, terminal.master)
}

#[test]
fn when_the_terminal_goes_the_vm_ends() {
    for (chapter, guests) in [
        ("ch06-uart-input", &["echo"][..]),
        ("ch07-hypercall", &["spin"]),
        ("ch08-multi-vcpu", &["ask", "spin", "spin"]),
        ("ch11-interrupts", &["typist"]),
    ] {
        let (child, terminal) = start(chapter, guests);
        await_vcpus(child.id(), guests.len());
        drop(terminal);
        assert_gone(&finish(child, b""), guests.contains(&"spin"));
    }
}

/// A guest that reads may see the end of its input before the signal reaches us, and end by itself.
#[track_caller]
fn assert_gone(finished: &Finished, is_busy: bool) {
    let (status, end) = match finished.code() {
        0 if !is_busy && finished.stderr.windows(6).any(|it| it == b"halted") => {
            (0, ": halted after ")
        }
        0 if !is_busy => (0, ": exited with status 0 after "),
        _ => (130, ": interrupted after "),
    };
    assert_ends(finished, status, &[end]);
}

#[test]
fn when_the_terminal_goes_the_disk_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.tar");
    let (mut child, terminal) = start("ch12-os-1k", &["--disk", tests::text(&disk)]);
    nix::unistd::write(&terminal, b"write notes Hello\recho written\r").unwrap();
    let stdout = child.stdout.take().unwrap();
    let (stdout, _) = crate::os_1k::read_until(stdout, |seen| seen.ends_with("\nwritten\n> "));
    drop(terminal);
    assert_gone(&finish(child, b""), false);
    drop(stdout);
    let saved = crate::disk::files(&fs::read(&disk).unwrap());
    assert!(saved.contains(&("notes".to_owned(), b"Hello\n".to_vec())));
}

fn await_stop(child: &Child) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let stat = || fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    while !stat().contains(") T ") {
        assert!(Instant::now() < deadline, "it does not stop");
        sleep(Duration::from_millis(5));
    }
}

/// A signal that comes while it is stopped waits, and ends it when it goes on.
#[test]
fn ended_while_it_is_stopped() {
    for (chapter, guests) in
        [("ch06-uart-input", &["echo"][..]), ("ch08-multi-vcpu", &["ask", "spin", "spin"])]
    {
        for number in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP] {
            let (child, terminal) = start(chapter, guests);
            await_vcpus(child.id(), guests.len());
            signal(&child, Signal::SIGTSTP);
            await_stop(&child);
            signal(&child, number);
            signal(&child, Signal::SIGCONT);
            assert_ends(&finish(child, b""), 130, &[": interrupted after "]);
            drop(terminal);
        }
    }
}
