//! Ctrl-C and its like: how a guest that never exits is stopped.
#![expect(unsafe_code, reason = "a signal handler can reach the vCPU only through a raw pointer")]

use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering::SeqCst};

use anyhow::{Context, Result};
use kvm_bindings::kvm_run;
use kvm_ioctls::VcpuFd;
use libc::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, c_int, c_void, siginfo_t};
use vmm_sys_util::signal::register_signal_handler;

use crate::terminal;

/// The page that the vCPU shares with KVM, or null.
static KVM_RUN_PAGE: AtomicPtr<kvm_run> = AtomicPtr::new(null_mut());

/// From now on, the signals that end a program end `KVM_RUN` of `vcpu` instead.
pub fn catch_signals(vcpu: &mut VcpuFd) -> Result<()> {
    KVM_RUN_PAGE.store(vcpu.get_kvm_run(), SeqCst);
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        register_signal_handler(signal, on_signal).context("sigaction")?;
    }
    Ok(())
}

/// To be called before the vCPU goes away.
pub fn forget_vcpu() {
    KVM_RUN_PAGE.store(null_mut(), SeqCst);
}

/// A signal makes `KVM_RUN` return `EINTR` if it arrives during the call. One that arrives just
/// before would be missed: `immediate_exit` makes KVM return all the same. KVM API document, 5.
extern "C" fn on_signal(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    let page = KVM_RUN_PAGE.load(SeqCst);
    // SAFETY: until `forget_vcpu`, the page is mapped; KVM itself only reads this byte.
    if !page.is_null() && unsafe { (&raw mut (*page).immediate_exit).replace(1) } == 0 {
        return;
    }
    // The second time: we hang elsewhere, perhaps in a write that nobody reads.
    terminal::restore();
    // SAFETY: it may be called in a signal handler.
    unsafe { libc::_exit(c_int::from(crate::exit::INTERRUPTED)) };
}
