//! From a kernel that has just booted to a machine that looks like the one outside, with KVM.
#![expect(unsafe_code, reason = "KVM is asked for VMs by bare ioctls")]

use std::ffi::CString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nest_agent::PORT_NAME;
use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::unistd::{chdir, chroot};

use crate::{group, kept, root};

/// Where the root file system of the outside is, until it becomes the root.
const OUTSIDE: &str = "/outside";

/// How long a device may take to appear after its driver was loaded.
const DEVICE_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes the machine ready, and the root file system of the outside its root. Returns the way to the
/// outside.
pub fn prepare() -> Result<File> {
    let none = MsFlags::empty();
    attach("proc", "/proc", "proc", none, "")?;
    attach("sysfs", "/sys", "sysfs", none, "")?;
    attach("devtmpfs", "/dev", "devtmpfs", none, "mode=755")?;
    load_modules(Path::new("/modules"))?;
    keep_vms()?;
    let port = open_port()?;

    let options = argument("nest.9p=").context("the kernel parameter nest.9p is missing")?;
    attach("outside", OUTSIDE, "9p", none, &options)?;
    // Processes, devices and kernel settings are this machine's own; all else is the outside's.
    for (what, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        attach_over(what, place, what, "")?;
    }
    attach_over("devpts", "/dev/pts", "devpts", "mode=620,ptmxmode=666,gid=5")?;
    attach_over("tmpfs", "/dev/shm", "tmpfs", "mode=1777")?;
    attach_over("cgroup2", group::ROOT, "cgroup2", "")?;
    attach_over("tmpfs", "/dev/nest", "tmpfs", "mode=700")?;
    for place in [kept::STORE, root::PLACE] {
        let place = format!("{OUTSIDE}{place}");
        fs::create_dir(&place).with_context(|| format!("cannot make {place}"))?;
    }
    // KVM's counters; the kernel may lack them.
    let _ = attach_over("debugfs", "/sys/kernel/debug", "debugfs", "");
    link_standard_streams()?;

    chdir(OUTSIDE)?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .context("cannot move the root")?;
    chroot(".").context("cannot change the root")?;
    chdir("/")?;
    be_first()?;
    Ok(port)
}

/// Mounts something on a directory.
pub fn attach(source: &str, place: &str, kind: &str, flags: MsFlags, options: &str) -> Result<()> {
    // Outside, the directories are there, and not ours to make.
    if !place.starts_with(OUTSIDE) || place == OUTSIDE {
        fs::create_dir_all(place).with_context(|| format!("cannot make {place}"))?;
    }
    mount(Some(source), place, Some(kind), flags, Some(options))
        .with_context(|| format!("cannot mount {kind} on {place} ({options})"))
}

/// Mounts over a directory of the outside.
fn attach_over(source: &str, place: &str, kind: &str, options: &str) -> Result<()> {
    let place = format!("{OUTSIDE}{place}");
    // In a devtmpfs the directories are ours.
    if place.starts_with(&format!("{OUTSIDE}/dev/")) {
        fs::create_dir_all(&place).with_context(|| format!("cannot make {place}"))?;
    }
    attach(source, &place, kind, MsFlags::empty(), options)
}

/// `/dev/fd`, `/dev/stdin` and the like, which udev makes elsewhere.
fn link_standard_streams() -> Result<()> {
    let links =
        [("/proc/self/fd", "fd"), ("fd/0", "stdin"), ("fd/1", "stdout"), ("fd/2", "stderr")];
    for (target, name) in links {
        match std::os::unix::fs::symlink(target, format!("{OUTSIDE}/dev/{name}")) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("cannot link /dev/{name}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Loads the modules in the order of their file names.
fn load_modules(directory: &Path) -> Result<()> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .with_context(|| format!("no {}", directory.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    for path in files {
        let file = File::open(&path)?;
        finit_module(&file, c"", ModuleInitFlags::empty())
            .with_context(|| format!("cannot load the module {}", path.display()))?;
        // Its memory is better used otherwise.
        fs::remove_file(&path)?;
    }
    Ok(())
}

/// Lets everyone use KVM, and keeps VMs open as long as the nest lives: KVM patches running code
/// when its first VM comes and its last goes, its first vCPU without an in-kernel local APIC, and its
/// first with one that is not enabled yet. That takes time, and under a QEMU whose CPUs are threads
/// of their own the nest can hang: one goes on to execute the breakpoint that stood there meanwhile.
fn keep_vms() -> Result<()> {
    let path = "/dev/kvm";
    let kvm = File::options().read(true).write(true).open(path).with_context(|| {
        format!("cannot open {path}: does this QEMU emulate SVM, and has this kernel kvm-amd?")
    })?;
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    for has_apic in [false, true] {
        let vm = kvm_fd(&kvm, Create::Vm)?;
        if has_apic {
            kvm_ioctl(&vm, Create::Irqchip)?;
        }
        let vcpu = kvm_fd(&vm, Create::Vcpu)?;
        // The kernel opens these descriptors close-on-exec, so no command inherits them.
        std::mem::forget((vm, vcpu));
    }
    Ok(())
}

/// What KVM creates for us, all with the argument 0. `include/uapi/linux/kvm.h`.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
enum Create {
    Vm = 0xae01,
    Vcpu = 0xae41,
    Irqchip = 0xae60,
}

fn kvm_ioctl(fd: &impl AsRawFd, what: Create) -> Result<RawFd> {
    // SAFETY: each of these ioctls takes a number, or nothing, and no pointer; `fd` is open.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), what as libc::c_ulong, 0) };
    Errno::result(result).with_context(|| format!("KVM cannot create: {what:?}"))
}

fn kvm_fd(fd: &impl AsRawFd, what: Create) -> Result<OwnedFd> {
    let fd = kvm_ioctl(fd, what)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Opens the virtio-serial port whose name says that it is ours.
fn open_port() -> Result<File> {
    let since = Instant::now();
    while since.elapsed() < DEVICE_TIMEOUT {
        for entry in fs::read_dir("/sys/class/virtio-ports").into_iter().flatten().flatten() {
            let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
            let device = Path::new("/dev").join(entry.file_name());
            if name.trim_end() == PORT_NAME && device.exists() {
                return OpenOptions::new()
                    .read(true)
                    .write(true)
                    .custom_flags(libc::O_NONBLOCK)
                    .open(&device)
                    .with_context(|| format!("cannot open {}", device.display()));
            }
        }
        sleep(Duration::from_millis(5));
    }
    bail!("no virtio-serial port named {PORT_NAME} appeared")
}

/// The value of a kernel parameter.
pub fn argument(name: &str) -> Option<String> {
    let line = fs::read_to_string("/proc/cmdline").ok()?;
    line.split_whitespace().find_map(|word| word.strip_prefix(name)).map(str::to_owned)
}

/// Lets the agent, and what it does next, come before all that commands do: it must answer when the
/// outside asks whether the nest is alive, and when memory runs out it must not be the one to go.
fn be_first() -> Result<()> {
    fs::write("/proc/self/oom_score_adj", "-1000")
        .context("cannot be spared when memory runs out")?;
    set_priority(-15).context("cannot take precedence")
}

/// Takes that back, in a process that was forked from the agent.
pub fn be_an_ordinary_process() {
    // What was possible one way is possible the other.
    let _ = fs::write("/proc/self/oom_score_adj", "0");
    let _ = set_priority(0);
}

fn set_priority(nice: i32) -> Result<(), Errno> {
    // SAFETY: the call takes numbers only; 0 is this process.
    Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map(drop)
}

/// Writes all that is dirty to the outside, which sees it when this returns.
pub fn write_back() {
    // `sync` would do as well; this touches the root file system alone.
    if let Ok(root) = File::open("/") {
        let _ = nix::unistd::syncfs(&root);
    }
}

/// A C string of bytes that came over the wire; a zero byte ends it early.
pub fn c_string(bytes: &[u8]) -> CString {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    CString::new(&bytes[..end]).expect("it ends before its first zero byte")
}
