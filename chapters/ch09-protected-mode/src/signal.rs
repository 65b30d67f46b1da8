//! Ctrl-C and its like: how guests that never exit are stopped.
#![expect(unsafe_code, reason = "a signal handler can reach the vCPU only through a raw pointer")]

use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU8, AtomicUsize, Ordering::SeqCst};

use anyhow::{Context, Result};
use kvm_bindings::kvm_run;
use kvm_ioctls::VcpuFd;
use libc::{SIGHUP, SIGINT, SIGQUIT, SIGRTMIN, SIGTERM, c_int, c_void, siginfo_t};
use nix::unistd::gettid;
use vmm_sys_util::signal::register_signal_handler;

use crate::{VCPUS_MAX, terminal};

/// So many signals, and we hang elsewhere: perhaps in a write that nobody reads. Two may be one,
/// for `timeout` signals a program and then its process group.
const HANGS: u8 = 3;

/// The threads that run a vCPU, and the pages that the vCPUs share with KVM, or null.
static THREADS: [AtomicI32; VCPUS_MAX] = [const { AtomicI32::new(0) }; VCPUS_MAX];
static KVM_RUN_PAGES: [AtomicPtr<kvm_run>; VCPUS_MAX] =
    [const { AtomicPtr::new(null_mut()) }; VCPUS_MAX];
static VCPU_COUNT: AtomicUsize = AtomicUsize::new(0);
/// How many signals have arrived, or 1 if we gave up without.
static REQUESTS: AtomicU8 = AtomicU8::new(0);

/// A file that may not grow (ulimit -f) is an error like a full disk, and no reason to be killed.
pub fn ignore_file_limit() {
    // SAFETY: there is no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// From now on, the signals that end a program end `KVM_RUN` instead.
pub fn catch() -> Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        register_signal_handler(signal, on_signal).context("sigaction")?;
    }
    register_signal_handler(SIGRTMIN(), on_kick).context("sigaction")
}

/// Makes `vcpu`, which this thread is going to run, one of those whose `KVM_RUN` they end.
pub fn watch(vcpu: &'static mut VcpuFd) -> &'static mut VcpuFd {
    let index = VCPU_COUNT.fetch_add(1, SeqCst);
    THREADS[index].store(gettid().as_raw(), SeqCst);
    KVM_RUN_PAGES[index].store(vcpu.get_kvm_run(), SeqCst);
    if has_arrived() {
        end_all(); // the last one did not know of us
    }
    vcpu
}

/// Whether a signal has arrived: `KVM_RUN` will return at once.
pub fn has_arrived() -> bool {
    REQUESTS.load(SeqCst) > 0
}

/// Makes `KVM_RUN` of each vCPU return `EINTR`. A signal to its thread does, if it arrives during
/// the call. One that arrives just before would be missed: `immediate_exit` makes KVM return all
/// the same. KVM API document, 5.
pub fn end_all() {
    REQUESTS.fetch_max(1, SeqCst);
    for (thread, page) in THREADS.iter().zip(&KVM_RUN_PAGES) {
        let page = page.load(SeqCst);
        if !page.is_null() {
            // SAFETY: a vCPU that lives for ever keeps its page; KVM only looks whether this byte is
            // 0, and so do we. A thread that has ended gets no signal.
            unsafe {
                AtomicU8::from_ptr(&raw mut (*page).immediate_exit).store(1, SeqCst);
                libc::tgkill(libc::getpid(), thread.load(SeqCst), SIGRTMIN());
            }
        }
    }
}

/// The signal has come to one thread: it tells the others.
extern "C" fn on_signal(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    let count = REQUESTS.fetch_add(1, SeqCst) + 1;
    end_all();
    if count == HANGS {
        terminal::restore();
        // SAFETY: it may be called in a signal handler.
        unsafe { libc::_exit(c_int::from(crate::exit::INTERRUPTED)) };
    }
}

/// That it arrived was enough.
extern "C" fn on_kick(_: c_int, _: *mut siginfo_t, _: *mut c_void) {}
