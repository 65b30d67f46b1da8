//! Linux in chapter 15 with our /init, its standard input a pipe: a script runs in the shell, and the
//! machine ends by itself. Several things are looked at in each boot, for each takes seconds.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::NamedTempFile;
use tests::{Finished, Run, assert_ends, cpu_seconds, finish, signal, text};

use crate::linux_boot::{assert_in_order, kernel, named_by_runner};
use crate::os_1k::read_until;

pub const CHAPTER: &str = "ch15-linux-shell";

pub const STARTED: &str = "[mini-kvm] userspace init started\n";
pub const PROMPT: &str = "mini-kvm:/# ";

const PANICKED: &str = "error: linux: panicked after ";
const POWERED_OFF: &str = "linux: powered off after ";

const MIB: u64 = 1 << 20;

/// Runs this script in the shell; fails unless the VMM ends with this status.
#[track_caller]
fn run(arguments: &[&str], script: &str, status: i32, message: &[&str]) -> Finished {
    kernel();
    named_by_runner("MINI_KVM_INITRD");
    let finished = Run { input: script.as_bytes(), ..Run::new(CHAPTER, arguments) }.finish();
    assert_ends(&finished, status, message);
    finished
}

/// What was printed, with the ends of lines that files have.
fn printed(finished: &Finished) -> String {
    String::from_utf8_lossy(&finished.stdout).replace('\r', "")
}

/// What the shell answers to each line of `script` up to the last, which ends it; what comes then is
/// given whole.
#[track_caller]
fn answers(finished: &Finished, script: &str) -> (Vec<String>, String) {
    let printed = printed(finished);
    let (_, session) = printed.split_once(STARTED).unwrap_or_else(|| panic!("{finished}"));
    let mut rest = session;
    let mut answers = Vec::new();
    for line in script.lines() {
        let echo = format!("{PROMPT}{line}");
        let (answer, after) =
            rest.split_once(&echo).unwrap_or_else(|| panic!("no {echo:?} in {rest:?}: {finished}"));
        answers.push(answer.trim_start_matches('\n').to_owned());
        rest = after;
    }
    assert_eq!(answers.remove(0), "", "before the first prompt: {finished}");
    (answers, rest.to_owned())
}

#[test]
fn a_script_runs_and_powers_the_machine_off() {
    const SCRIPT: &str = "uname -s -n -m\n\
        ls /\n\
        cat /proc/cpuinfo | head -3\n\
        ls /nothing\n\
        echo $?\n\
        false; echo $? > /tmp/status; cat /tmp/status\n\
        name=KVM; echo \"Hello, $name!\" | cat\n\
        nosuchcommand\n\
        echo $?\n\
        cat /proc/cmdline\n\
        dmesg | head -20\n\
        cat /proc/interrupts\n\
        cat /sys/class/tty/console/active\n\
        cat /sys/devices/system/clockevents/clockevent0/current_device\n\
        poweroff\n";
    let finished = run(&["--memory", "300M"], SCRIPT, 0, &[POWERED_OFF, "COM1 transmit\n"]);
    let (answers, _) = answers(&finished, SCRIPT);
    let answers: Vec<_> = answers.iter().map(String::as_str).collect();
    let [
        uname,
        ls,
        cpu,
        missing,
        one,
        status,
        hello,
        unknown,
        not_found,
        words,
        log,
        counts,
        tty,
        timer,
    ] = answers[..]
    else {
        panic!("{answers:?}")
    };
    assert_eq!(uname, "Linux mini-kvm x86_64\n");
    assert_eq!(ls, "bin  dev  init  proc  root  sys  tmp\n");
    let cpu: Vec<_> = cpu.lines().collect();
    assert_eq!((cpu.len(), cpu[0]), (3, "processor\t: 0"));
    assert!(cpu[1].starts_with("vendor_id\t: ") && cpu[2].starts_with("cpu family\t: "), "{cpu:?}");
    assert_eq!(missing, "ls: /nothing: No such file or directory\n");
    assert_eq!([one, status, hello], ["1\n", "1\n", "Hello, KVM!\n"]);
    assert!(unknown.contains("nosuchcommand"), "{unknown}");
    assert_eq!(not_found, "127\n");
    assert!(words.starts_with("console=ttyS0 ") && words.ends_with('\n'), "{words}");
    assert_in_order(
        log,
        &[
            "Linux version ",
            format!("Command line: {words}").trim_end(),
            "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable",
            "BIOS-e820: [mem 0x0000000000100000-0x0000000012bfffff] usable",
            "Hypervisor detected: KVM",
            "kvm-clock: ",
        ],
    );
    // The shell's output is by interrupt: 4, and not few.
    let serial = counts.lines().find(|line| line.trim_start().starts_with("4:"));
    let serial = serial.unwrap_or_else(|| panic!("{counts}"));
    let count: u32 = serial.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(count > 50 && serial.contains("ttyS0"), "{serial}");
    assert_eq!(tty, "ttyS0\n");
    // Told of by ACPI. The PIT's costs an idle machine ten times the exits.
    assert_eq!(timer, "lapic-deadline\n");
}

/// A program gets the rest, and what has no newline, too; then Ctrl-D is for it and for the shell.
#[test]
fn the_end_of_the_input_ends_the_program_and_then_the_shell() {
    let numbers: String = (0..500).map(|number| format!("{number}\n")).collect();
    let script = format!("cat > /tmp/rest; cat /tmp/rest\n{numbers}last word");
    let finished = run(&[], &script, 0, &[POWERED_OFF]);
    let printed = printed(&finished);
    // Typed ahead, it is shown or not.
    let (_, rest) = printed.rsplit_once("\n0\n").unwrap_or_else(|| panic!("{finished}"));
    let rest = format!("0\n{rest}");
    assert!(rest.starts_with(&format!("{numbers}last word\n")), "something is lost: {finished}");
    assert!(!rest.contains('\x04'), "Ctrl-D is in the file: {finished}");
    assert_eq!(printed.matches(STARTED).count(), 1, "{finished}");
}

#[test]
fn a_shell_that_waits_uses_no_cpu() {
    kernel();
    named_by_runner("MINI_KVM_INITRD");
    let mut child = Run::new(CHAPTER, &[]).start();
    let stdin = child.stdin.take(); // kept open: the input has no end
    let (stdout, _) = read_until(child.stdout.take().unwrap(), |seen| seen.ends_with(PROMPT));
    sleep(Duration::from_secs(2)); // the kernel, too, has things to finish
    let (before, since) = (cpu_seconds(child.id()), Instant::now());
    sleep(Duration::from_secs(5));
    let share = (cpu_seconds(child.id()) - before) / since.elapsed().as_secs_f64();
    signal(&child, Signal::SIGINT);
    drop(stdout);
    assert_ends(&finish(child, b""), 130, &["linux: interrupted after "]);
    drop(stdin);
    // In the nest an exit costs 50 times what it costs elsewhere.
    assert!(share < 0.10, "{share:.3} of a CPU");
}

#[test]
fn the_distributions_full_kernel_boots_to_the_same_shell() {
    const SCRIPT: &str = "uname -n\nuname -r\nls /\nexit 3\n";
    let full = named_by_runner("MINI_KVM_KERNEL_FULL");
    let finished = run(&["--kernel", text(&full)], SCRIPT, 0, &[POWERED_OFF]);
    let (answers, _) = answers(&finished, SCRIPT);
    assert_eq!(answers[0], "mini-kvm\n");
    assert!(!answers[1].contains("cloud"), "{answers:?}");
    assert_eq!(answers[2], "bin  dev  init  proc  root  sys  tmp\n");
}

#[test]
fn a_kernel_that_panics_has_crashed() {
    // The kernel does not let its first process be killed.
    const SCRIPT: &str = "kill -9 1\necho alive\necho c > /proc/sysrq-trigger\n";
    let finished = run(&[], SCRIPT, 65, &[PANICKED]);
    let reason = "Kernel panic - not syncing: sysrq triggered crash";
    // Whether the terminal's echo of the last line comes out before that is a race.
    assert_in_order(&printed(&finished), &["echo alive", "alive", reason]);
}

#[test]
fn without_an_init_the_kernel_panics() {
    const PANIC: &str = "Kernel panic - not syncing: ";
    let help = Run::new(CHAPTER, &["--help"]).finish();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, words) = help.split_once("[default: \"console=").unwrap();
    let words = words.split_once('"').unwrap().0;
    let no_init = format!("console={words} rdinit=/nothing");
    let finished = run(&["--cmdline", &no_init], "", 65, &[PANICKED]);
    assert!(printed(&finished).contains(PANIC), "{finished}");
    assert!(!printed(&finished).contains(STARTED), "{finished}");

    // No initrd at all, and one that is none.
    let mut command = Run::new(CHAPTER, &[]).command();
    let output = command.env_remove("MINI_KVM_INITRD").output().unwrap();
    let (log, said) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(65), "{log}{said}");
    assert!(log.contains("Kernel panic - not syncing: VFS: "), "{log}");
    assert!(said.contains(PANICKED), "{said}");
}

/// The emergency way to reboot is none by the panic's, nor is it an error.
#[test]
fn a_reboot_ends_the_machine() {
    let script = "echo working\necho b > /proc/sysrq-trigger\n";
    let finished = run(&[], script, 0, &["linux: reset after "]);
    assert!(printed(&finished).contains("\nworking\n"), "{finished}");
}

/// Linux works with the devices of an old PC, too, and cannot switch those off.
#[test]
fn without_acpi_the_machine_ends_by_a_reboot() {
    let words = "console=ttyS0 loglevel=3 reboot=k,panic_warm panic=-1 acpi=off";
    let script = "cat /sys/devices/system/clockevents/clockevent0/current_device\nexit\n";
    let finished = run(&["--cmdline", words], script, 0, &["linux: reset after "]);
    assert_eq!(answers(&finished, script).0[0], "pit\n");
}

/// Our initrd, and behind it an archive with one file: /tmp/large, of this many zeros.
fn large_initrd(file_bytes: u64) -> NamedTempFile {
    let initrd = NamedTempFile::new().unwrap();
    fs::copy(named_by_runner("MINI_KVM_INITRD"), initrd.path()).unwrap();
    let mut file = File::options().append(true).open(initrd.path()).unwrap();
    let at = file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(&vec![0; (at.next_multiple_of(4) - at) as usize]).unwrap();
    // The format "newc": cpio(5).
    let mut entry = |name: &str, mode: u32, bytes: u64| {
        let name_bytes = name.len() + 1;
        let fields = [7, mode, 0, 0, 1, 0, bytes as u32, 0, 0, 0, 0, name_bytes as u32, 0];
        let fields: String = fields.iter().map(|field| format!("{field:08x}")).collect();
        let mut entry = format!("070701{fields}{name}\0").into_bytes();
        entry.resize(entry.len().next_multiple_of(4), 0);
        file.write_all(&entry).unwrap();
        let end = file.seek(SeekFrom::End(0)).unwrap() + bytes.next_multiple_of(4);
        file.set_len(end).unwrap();
    };
    entry("tmp/large", 0o100_644, file_bytes);
    entry("TRAILER!!!", 0, 0);
    initrd
}

/// As large as some kernels are when they have unpacked themselves: if both began at a fixed address,
/// one would be in the other.
#[test]
fn a_large_initrd_is_all_there() {
    const BYTES: u64 = 63 * MIB;
    const SCRIPT: &str = "ls -l /tmp/large\nls /\nexit\n";
    let initrd = large_initrd(BYTES);
    assert!(initrd.as_file().metadata().unwrap().len() > 64 * MIB);
    let arguments = ["--memory", "512M", "--initrd", text(initrd.path())];
    let finished = run(&arguments, SCRIPT, 0, &[POWERED_OFF]);
    let (answers, _) = answers(&finished, SCRIPT);
    let size = answers[0].split_whitespace().nth(4).unwrap_or_default();
    assert_eq!(size, BYTES.to_string(), "{finished}");
    assert_eq!(answers[1], "bin  dev  init  proc  root  sys  tmp\n");
}

#[test]
fn linux_and_another_guest_run_side_by_side() {
    let finished = run(
        &["linux", "hello"],
        "echo Only the first can hear you.\nexit\n",
        0,
        &["[0 linux]: powered off after ", "[1 hello]: halted after 13 exits"],
    );
    let printed = printed(&finished);
    for line in [
        "[1 hello] Hello, KVM!\n",
        "[0 linux] [mini-kvm] userspace init started\n",
        "[0 linux] Only the first can hear you.\n",
    ] {
        assert!(printed.contains(line), "no {line:?} in {finished}");
    }
}
