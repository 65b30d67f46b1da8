//! A stock kernel in chapter 14: it boots, and what it was told is what it finds. Its log differs
//! from kernel to kernel; a few lines on the way do not.

use std::env;
use std::path::PathBuf;

use tests::{Finished, Run, assert_ends};

use crate::snapshots::check_finished;

pub const CHAPTER: &str = "ch14-linux-boot";

/// A file that cargo's runner names in the environment.
#[track_caller]
pub fn named_by_runner(variable: &str) -> PathBuf {
    let Some(path) = env::var_os(variable) else {
        panic!("{variable} is not set: run `cargo xtask linux`")
    };
    path.into()
}

pub fn kernel() -> PathBuf {
    named_by_runner("MINI_KVM_KERNEL")
}

/// Fails unless each of `milestones` is in `log`, in a line after that of the one before.
#[track_caller]
pub fn assert_in_order(log: &str, milestones: &[&str]) {
    let mut lines = log.lines();
    for milestone in milestones {
        assert!(
            lines.any(|line| line.contains(milestone)),
            "no {milestone:?}, or not in this place: {log}"
        );
    }
}

/// What the log of any kernel has, in this order.
const MILESTONES: [&str; 12] = [
    "Linux version ",
    // As --help shows it.
    " Command line: console=ttyS0 earlycon=uart,io,0x3f8 reboot=k panic=-1",
    "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable",
    "BIOS-e820: [mem 0x0000000000100000-0x000000000fffffff] usable",
    "earlycon: uart0 at I/O port 0x3f8",
    "Hypervisor detected: KVM",
    "kvm-clock: Using msrs ",
    "Booting paravirtualized kernel on KVM",
    "bootconsole [uart0] disabled",
    "ttyS0 at I/O 0x3f8 (irq = 4, base_baud = 115200) is a 16550A",
    "VFS: Cannot open root device ",
    "Kernel panic - not syncing: VFS: Unable to mount root fs on ",
];

/// What differs from kernel to kernel in these lines, and from boot to boot.
const VARYING: [(&str, &str); 6] = [
    (r"(?m)^\[ *\d+\.\d+\] ", "[time] "),
    (r"Linux version [^\n]+", "Linux version [...]"),
    ("printk: legacy ", "printk: "),
    (r"Cannot open root device [^\n]+", "Cannot open root device [...]"),
    (r"after \d+ exits", "after [some] exits"),
    (r" +\d+  (COM1|keyboard|other)", "   [some]  $1"),
];

/// The lines with a milestone in them, and `...` for the others.
fn shortened(log: &str) -> String {
    let mut short = String::new();
    for line in log.lines() {
        // When the second console takes over, both print the same.
        let is_new = || !short.contains(line);
        if MILESTONES.iter().any(|milestone| line.contains(milestone)) && is_new() {
            short += &format!("{line}\n");
        } else if !short.ends_with("...\n") {
            short += "...\n";
        }
    }
    short
}

/// One boot, for it takes its time.
#[test]
fn a_kernel_boots_until_it_misses_a_root_file_system() {
    kernel();
    let run = Run::new(CHAPTER, &[]);
    let finished = run.finish();
    assert_ends(&finished, 0, &["linux: reset after ", "COM1 transmit\n"]);
    let log = String::from_utf8_lossy(&finished.stdout).into_owned();
    assert_in_order(&log, &MILESTONES);
    assert_eq!(log.matches("BIOS-e820:").count(), 2, "{log}");
    assert_eq!(log.matches("Kernel panic").count(), 1, "{log}");
    assert!(!log.contains("Oops") && !log.contains("BUG:"), "{log}");
    let finished = Finished { stdout: shortened(&log).into_bytes(), ..finished };
    check_finished("ch14_boot", &run, finished, &VARYING);
}
