//! `/init`, the first process: prepares the machine and gives its user a shell. When the shell ends,
//! so does the machine.
#![expect(unsafe_code, reason = "the shell's session begins between fork and exec")]

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::ioctl_write_int_bad;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{Pid, setsid};

use crate::failure::{Failure, Named, say};
use crate::{power, terminal};

/// What is mounted where: `/dev` with the devices that the kernel has found.
const FILE_SYSTEMS: [(&str, &str); 3] =
    [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")];

/// What the shell's commands find in their environment. The prompt is for bash, too.
const ENVIRONMENT: [(&str, &str); 4] =
    [("HOME", "/"), ("PATH", "/bin"), ("PS1", r"mini-kvm:\w# "), ("TERM", "linux")];

/// How the shell ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Exit,
    Signal(&'static str),
}

pub fn main() -> u8 {
    if std::process::id() != 1 {
        say("init: this is for the first process of a machine");
        return 2;
    }
    terminal::stop_echo();
    // Without a console there is nobody to tell; the machine goes on all the same.
    let _ = writeln!(io::stdout(), "[mini-kvm] userspace init started");
    prepare();
    run_shells();
    if let Err(failure) = power::off() {
        report(&failure.message);
    }
    // The kernel panics when its first process ends; there is nothing better left to do.
    1
}

fn report(message: &str) {
    say(format!("[mini-kvm] {message}"));
}

fn prepare() {
    for (kind, target) in FILE_SYSTEMS {
        match mount(Some(kind), target, Some(kind), MsFlags::empty(), None::<&str>) {
            // Some kernels mount /dev by themselves.
            Ok(()) | Err(Errno::EBUSY) => {}
            Err(error) => report(&format!("cannot mount {target}: {}", error.desc())),
        }
    }
    if let Err(error) = nix::unistd::sethostname("mini-kvm") {
        report(&format!("cannot set the host name: {}", error.desc()));
    }
}

/// Runs a shell, and another one for each that a signal ends.
fn run_shells() {
    loop {
        let started = Instant::now();
        let end = match start_shell() {
            Ok(shell) => wait_for(shell),
            Err(failure) => return report(&failure.message),
        };
        let Ok(End::Signal(signal)) = end else { return };
        report(&format!("the shell died by {signal}; here is another one"));
        // If that is all it does, it shall not do it too often.
        sleep(Duration::from_secs(1).saturating_sub(started.elapsed()));
    }
}

fn start_shell() -> Result<Pid, Failure> {
    let bash = Path::new("/bin/bash");
    let mut command = if bash.exists() {
        // Bash takes the terminal's mode as it finds it for the mode that its commands want.
        if let Ok(terminal) = terminal::Terminal::open() {
            terminal.lines();
        }
        let mut command = Command::new(bash);
        command.args(["--noprofile", "--norc"]);
        command
    } else {
        Command::new("/bin/sh")
    };
    let program = command.get_program().to_string_lossy().into_owned();
    command.env_clear().envs(ENVIRONMENT).env("SHELL", &program);
    // SAFETY: between fork and exec, the closure makes two system calls and touches no memory.
    unsafe { command.pre_exec(take_console) };
    let child = command.spawn().named(program)?;
    Ok(Pid::from_raw(child.id().cast_signed()))
}

ioctl_write_int_bad!(tiocsctty, libc::TIOCSCTTY);

/// Makes the console, our standard input, the controlling terminal of a new session: where Ctrl-C
/// comes from.
fn take_console() -> io::Result<()> {
    setsid()?;
    // A console that is no terminal is no obstacle: there is no Ctrl-C then.
    // SAFETY: the request takes a number, and changes nothing in our memory.
    let _ = unsafe { tiocsctty(libc::STDIN_FILENO, 0) };
    Ok(())
}

/// Waits for the shell to end. Meanwhile the children of dead parents become ours, and end here.
fn wait_for(shell: Pid) -> Result<End, Errno> {
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, _)) if pid == shell => return Ok(End::Exit),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == shell => {
                return Ok(End::Signal(signal.as_str()));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::zombie_processes, reason = "waiting for it is what is tested")]
    fn end_of(script: &str) -> End {
        let shell = Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
        wait_for(Pid::from_raw(shell.id().cast_signed())).unwrap()
    }

    #[test]
    fn how_a_shell_ends() {
        // One test, for there is one set of children.
        assert_eq!(end_of("exit 3"), End::Exit);
        assert_eq!(end_of("kill -KILL $$"), End::Signal("SIGKILL"));
        assert_eq!(end_of("(exit 1) & exit 0"), End::Exit);
    }
}
