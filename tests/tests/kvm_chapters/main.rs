//! Every chapter, as its users run it. Needs a complete KVM: cargo's runner takes care of that.
#![expect(clippy::unwrap_used, reason = "a test says with a panic what went wrong")]

mod bad_input;
mod disk;
mod doctor;
mod elf;
mod exceptions;
mod faults;
mod images;
mod interactive;
mod interrupts;
mod kernel;
mod linux_bad_input;
mod linux_boot;
mod linux_hostile;
mod linux_shell;
mod linux_terminal;
mod long_mode;
mod os_1k;
mod os_1k_hostile;
mod paging;
mod panics;
mod patches;
mod protected_mode;
mod side_by_side;
mod snapshots;
mod stopping;
mod writes;
