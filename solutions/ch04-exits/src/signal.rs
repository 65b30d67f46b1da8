//! Ctrl-C and its like: how a guest that never exits is stopped.
#![expect(unsafe_code, reason = "a signal handler can reach the vCPU only through a raw pointer")]

use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering::SeqCst};

use anyhow::{Context, Result};
use kvm_bindings::kvm_run;
use kvm_ioctls::VcpuFd;
use libc::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, c_int, c_void, siginfo_t};
use vmm_sys_util::signal::register_signal_handler;

/// So many signals, and we hang elsewhere: perhaps in a write that nobody reads. Two may be one,
/// for `timeout` signals a program and then its process group.
const HANGS: u8 = 3;

/// The page that the vCPU shares with KVM, or null.
static KVM_RUN_PAGE: AtomicPtr<kvm_run> = AtomicPtr::new(null_mut());

/// A file that may not grow (ulimit -f) is an error like a full disk, and no reason to be killed.
pub fn ignore_file_limit() {
    // SAFETY: there is no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// From now on, the signals that end a program end `KVM_RUN` of `vcpu` instead.
pub fn catch(vcpu: &'static mut VcpuFd) -> Result<&'static mut VcpuFd> {
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        register_signal_handler(signal, on_signal).context("sigaction")?;
    }
    KVM_RUN_PAGE.store(vcpu.get_kvm_run(), SeqCst);
    Ok(vcpu)
}

/// A signal makes `KVM_RUN` return `EINTR` if it arrives during the call. One that arrives just
/// before would be missed: `immediate_exit` makes KVM return all the same. KVM API document, 5.
extern "C" fn on_signal(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    let page = KVM_RUN_PAGE.load(SeqCst);
    if !page.is_null() {
        // SAFETY: a vCPU that lives for ever keeps its page. KVM only looks whether this byte is 0.
        let count = unsafe { &mut (*page).immediate_exit };
        *count += 1;
        if *count < HANGS {
            return;
        }
    }
    // SAFETY: it may be called in a signal handler.
    unsafe { libc::_exit(c_int::from(crate::exit::INTERRUPTED)) };
}
