//! The emulated machine: one QEMU process, and the messages that we exchange with its agent.
#![expect(unsafe_code, reason = "what QEMU's process does between fork and exec")]

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nest_agent::{FromNest, PORT_NAME, ToNest};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::Pid;

use super::link::{Gone, Link};
use super::setup::Pieces;
use crate::programs;

/// How the kernel in there caches the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Trusts what it has read, and writes late: a chapter that was started before starts in 0.2 s,
    /// where else it takes 0.7 s. For a nest that lives as long as its one command.
    Loose,
    /// Asks each time, so that an edit outside is seen at once. What makes starting slow then is told
    /// where it is mended: the agent's `kept.rs`.
    None,
}

impl Cache {
    /// How the nest's kernel mounts the outside.
    fn mount_options(self) -> String {
        // `mmap` is `none` for all that reads and writes, and lets programs map files to write them.
        let cache = match self {
            Self::Loose => "loose",
            Self::None => "mmap",
        };
        format!("trans=virtio,version=9p2000.L,msize=524288,cache={cache},access=client")
    }

    /// How many sessions at once can have the outside mounted for themselves: see the agent's
    /// `root.rs`. Each takes a device, and the kernel some hundredths of a second to find it.
    fn roots(self) -> u32 {
        match self {
            Self::Loose => 0,
            Self::None => 7,
        }
    }
}

/// What the kernel need not find out, look for, or do in an emulated machine. To find a device's
/// interrupt by ACPI takes it 0.15 s of emulation, to find it otherwise a tenth of that.
const KERNEL_PARAMETERS: &str = "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check \
    random.trust_cpu=on cryptomgr.notests=1 8250.nr_uarts=1 audit=0 apparmor=0 lsm= nokaslr \
    ipv6.disable=1 mitigations=off oops=panic pci=noacpi";

/// A running nest. It goes when this is dropped, and when this process dies.
pub struct Machine {
    qemu: Child,
    link: Link,
    /// QEMU's words, shown if something goes wrong. Neither file has a name: whatever ends us, it
    /// leaves none behind, and nothing keeps a directory from being removed.
    words: File,
    /// What the kernel and the agent wrote to their console.
    console: File,
}

impl Machine {
    /// Starts one. It holds on to `lock` as long as it lives.
    pub fn start(pieces: &Pieces, cache: Cache, lock: Option<&File>) -> Result<Self> {
        let (words, console) = (memory_file("words")?, memory_file("console")?);
        // One end of a pair of sockets is QEMU's standard input: no path that others could see or
        // that could be too long, nothing to clean up, and each side notices when the other goes.
        let (ours, theirs) = UnixStream::pair().context("cannot make sockets")?;

        let mut command = Command::new(&pieces.qemu);
        command
            .args(arguments(pieces, cache))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(console.try_clone()?)
            .stderr(words.try_clone()?);
        let parent = Pid::this();
        let lock = lock.map(AsRawFd::as_raw_fd);
        // SAFETY: the closure only makes system calls that are safe between fork and exec, and
        // allocates nothing; `lock` is open while the caller waits for the exec.
        unsafe {
            command.pre_exec(move || {
                sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
                // When its emulation fails it aborts: nobody wants 2 GiB of core.
                setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
                if let Some(lock) = lock {
                    let lock = std::os::fd::BorrowedFd::borrow_raw(lock);
                    fcntl(lock, FcntlArg::F_SETFD(FdFlag::empty()))?;
                }
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                // It might have died before we said that we mind.
                if Pid::parent() == parent { Ok(()) } else { Err(ErrorKind::BrokenPipe.into()) }
            });
        }
        let qemu =
            command.spawn().with_context(|| format!("cannot start {}", pieces.qemu.display()))?;
        // It holds QEMU's end of the sockets, whose closing tells us that QEMU is gone.
        drop(command);
        Ok(Self { qemu, link: Link::new(ours)?, words, console })
    }

    /// The next message, if there is one.
    pub fn receive(&mut self) -> Result<Option<FromNest>, Gone> {
        self.link.receive()
    }

    /// Queues a message, and sends what can be sent.
    pub fn send(&mut self, message: &ToNest) {
        self.link.send(message);
    }

    pub fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// QEMU's process.
    pub fn id(&self) -> u32 {
        self.qemu.id()
    }

    /// What is to be said when QEMU has closed its end.
    pub fn death(&mut self) -> String {
        // It is about to end, but a stuck one must not hold us up.
        let since = Instant::now();
        let status = loop {
            match self.qemu.try_wait() {
                Ok(Some(status)) => break format!("QEMU ended ({status})"),
                Ok(None) if since.elapsed() < Duration::from_secs(5) => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                _ => break "QEMU hung up".to_owned(),
            }
        };
        self.failure(&format!("the nest died: {status}"))
    }

    /// What went wrong, and the last that the machine said.
    pub fn failure(&self, what: &str) -> String {
        let (qemu, console) = (last_words(&self.words), last_words(&self.console));
        what.to_owned() + &shown(&qemu, &console)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // All that matters was written back before the commands' ends were reported.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

fn memory_file(name: &str) -> Result<File> {
    let file = memfd_create(name, MFdFlags::MFD_CLOEXEC).context("cannot make a file in memory")?;
    Ok(file.into())
}

/// The end of a log.
fn last_words(log: &File) -> String {
    let length = log.metadata().map_or(0, |data| data.len());
    let start = length.saturating_sub(64 << 10);
    let mut bytes = vec![0; (length - start) as usize];
    // QEMU shares our place in the file: read without moving it.
    let count = log.read_at(&mut bytes, start).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

/// What QEMU and the console said, for an error, and what that means.
fn shown(qemu: &str, console: &str) -> String {
    let mut text = String::new();
    if let Some(fatal) = from(qemu, &["qemu: fatal"]) {
        // All registers follow, of which those of the SSE and the FPU tell nothing.
        let registers = fatal.find("FCW=").unwrap_or(fatal.len());
        text += "\n  QEMU's last words:";
        text += &programs::all_indented(&fatal[..registers]);
        text += "\n  QEMU cannot emulate what a guest did there; a KVM that is not emulated can";
    } else if !qemu.is_empty() {
        text += &format!("\n  QEMU's last words:{}", programs::indented(qemu));
    }
    // The cause comes first, and how it ended last.
    if let Some(trouble) = from(console, TROUBLE) {
        text += &format!("\n  what its console showed last:{}", programs::all_indented(trouble));
    } else if !console.is_empty() {
        text += &format!("\n  what its console showed last:{}", programs::indented(console));
    }
    if qemu.contains("is not a valid device model") || qemu.contains("fsdev") {
        text += "\n  this QEMU lacks a device that the nest needs: install the full package";
    }
    text
}

/// How a kernel's complaints begin.
const TROUBLE: &[&str] = &["Kernel panic", "BUG:", "Oops", "general protection fault"];

/// What is said from the line on in which one of these words stands.
fn from<'a>(said: &'a str, words: &[&str]) -> Option<&'a str> {
    let at = words.iter().filter_map(|word| said.find(word)).min()?;
    let line = said[..at].rfind('\n').map_or(0, |newline| newline + 1);
    Some(&said[line..])
}

fn arguments(pieces: &Pieces, cache: Cache) -> Vec<OsString> {
    // One CPU in one thread. With several QEMU 7.2 was seen to go wrong, rarely and in ways of its own:
    // guests without a reason for a triple fault, kernel stacks overwritten. And one starts faster.
    let mut arguments: Vec<OsString> = [
        "-M pc -accel tcg,thread=single -smp 1 -cpu max,-la57 -m 2048",
        "-nodefaults -no-user-config -no-reboot -display none -monitor none",
        "-fsdev local,id=outside,path=/,security_model=none,multidevs=remap",
        "-device virtio-9p-pci,fsdev=outside,mount_tag=outside",
        "-chardev socket,id=agent,fd=0 -device virtio-serial-pci",
    ]
    .iter()
    .flat_map(|line| line.split(' '))
    .map(OsString::from)
    .collect();
    let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
    add("-device", format!("virtserialport,chardev=agent,name={PORT_NAME}").into());
    for number in 0..cache.roots() {
        let device = format!("virtio-9p-pci,fsdev=outside,mount_tag=outside-{number}");
        add("-device", device.into());
    }
    // Its standard output, but not as a terminal that it would read from as well.
    add("-chardev", "file,id=console,path=/proc/self/fd/1".into());
    add("-serial", "chardev:console".into());
    add("-kernel", pieces.kernel.clone().into());
    add("-initrd", pieces.initramfs.clone().into());
    add("-append", kernel_parameters(cache).into());
    arguments
}

fn kernel_parameters(cache: Cache) -> String {
    let (options, roots) = (cache.mount_options(), cache.roots());
    format!("{KERNEL_PARAMETERS} nest.9p={options} nest.roots={roots}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_shown_from_its_beginning() {
        let console =
            "[ 1.0] fine\n[ 2.0] BUG: unable to handle\n[ 2.1] RIP\n[ 2.2] Kernel panic\n";
        assert_eq!(from(console, TROUBLE), Some(&console[12..]));
        assert_eq!(from("Oops", TROUBLE), Some("Oops"));
        assert_eq!(from("all is well\n", TROUBLE), None);
        assert!(
            shown("", console).starts_with("\n  what its console showed last:\n  | [ 2.0] BUG")
        );
    }

    #[test]
    fn an_emulation_that_fails_is_told_from_a_qemu_that_does() {
        let fatal = "qemu: fatal: invalid tss type\nEAX=0\nEIP=1\nFCW=037f\nYMM00=0\n";
        assert_eq!(
            shown(fatal, ""),
            "\n  QEMU's last words:\n  | qemu: fatal: invalid tss type\n  | EAX=0\n  | EIP=1\n  \
             QEMU cannot emulate what a guest did there; a KVM that is not emulated can"
        );
        assert_eq!(shown("no luck\n", ""), "\n  QEMU's last words:\n  | no luck");
        assert_eq!(shown("", ""), "");
    }
}
