//! What goes wrong before a command runs, and what takes its machine from it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::fixture::{Nest, PATIENCE, XTASK, assert_output, run, text, write_script};

/// An `xtask` in a target directory of its own, where no nest was ever made, that anyone may use.
fn fresh_xtask() -> (tempfile::TempDir, PathBuf) {
    let target = tempfile::tempdir().unwrap();
    fs::create_dir(target.path().join("debug")).unwrap();
    let xtask = target.path().join("debug/xtask");
    // By another process: while this one had it open to write, a fork would keep it from being run.
    let copied = Command::new("cp").arg(&*XTASK).arg(&xtask).status().unwrap();
    assert!(copied.success());
    fs::set_permissions(target.path(), fs::Permissions::from_mode(0o777)).unwrap();
    (target, xtask)
}

#[test]
fn without_qemu_and_the_right_to_install_it_the_command_is_told() {
    const NOBODY: u32 = 65534;
    let (target, xtask) = fresh_xtask();
    let path = target.path().join("bin");
    fs::create_dir(&path).unwrap();
    write_script(&path.join("apt-get"), "echo it was run >&2; exit 1");
    let mut command = run(&xtask, &["/bin/true"]);
    command.env("PATH", &path).env_remove("MINI_KVM_NEST_IDLE").current_dir("/");
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    assert_output(
        &output,
        "",
        "nest: MINI_KVM=nest; running in an emulated machine instead \
         (MINI_KVM=native: here all the same)\n\
         nest: it stays until nobody used it for 10 min (at once: cargo xtask nest down)\n\
         error: the nest needs QEMU (qemu-system-x86_64), which is not installed\n  \
         this user is not root, and there is no sudo\n  \
         as root, type: apt-get install --yes --no-install-recommends qemu-system-x86\n",
        69,
    );
}

#[test]
fn a_kernel_that_cannot_be_fetched_leaves_nothing_behind() {
    let (target, xtask) = fresh_xtask();
    let path = target.path().join("bin");
    fs::create_dir(&path).unwrap();
    write_script(&path.join("apt-cache"), "echo '  Depends: linux-image-6.1.0-1-cloud'");
    let fails = "echo half >half.deb; echo 'Temporary failure resolving it'; exit 100";
    write_script(&path.join("apt-get"), fails);
    let linux = |what: &str| {
        Command::new(&xtask).args(["linux", what]).env("PATH", &path).output().unwrap()
    };

    let output = linux("kernel-full");
    assert_eq!((text(&output.stdout), output.status.code()), ("", Some(66)));
    let said = text(&output.stderr);
    assert!(
        said.contains("error: cannot fetch the kernel linux-image-6.1.0-1-cloud: apt-get "),
        "{said}"
    );
    assert!(said.contains(": no network\n  | Temporary failure resolving it\n"), "{said}");
    assert!(said.ends_with("  or name a file of your own: MINI_KVM_KERNEL_FULL=FILE\n"), "{said}");
    let nest = target.path().join("nest");
    let left: Vec<_> = fs::read_dir(&nest).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "lock" || name == "kernel-full.log"), "{left:?}");

    // With another kernel at hand, that one is taken.
    let full = nest.join("kernel-full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("release"), "6.1.0-1").unwrap();
    let output = linux("kernel");
    let taken = full.join("vmlinuz");
    assert_eq!(
        (text(&output.stdout), output.status.code()),
        (format!("MINI_KVM_KERNEL={}\n", taken.display()).as_str(), Some(0))
    );
    let said = text(&output.stderr);
    assert!(said.contains(": no network; taking "), "{said}");
}

#[test]
fn a_qemu_that_dies_is_reported_with_its_words_and_soon() {
    let nest = Nest::new();
    let path = tempfile::tempdir().unwrap();
    write_script(&path.path().join("qemu-system-x86_64"), "echo 'qemu: no such luck' >&2; exit 3");
    let rest = std::env::var("PATH").unwrap();
    // In a nest that would stay, and in one that would not.
    for idle in ["300", "0"] {
        let since = Instant::now();
        let output = nest
            .run(&["/bin/true"])
            .env("PATH", format!("{}:{rest}", path.path().display()))
            .env("MINI_KVM_NEST_IDLE", idle)
            .output()
            .unwrap();
        assert_output(
            &output,
            "",
            "error: the nest died: QEMU ended (exit status: 3)\n  \
             QEMU's last words:\n  | qemu: no such luck\n",
            69,
        );
        assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    }
}

#[test]
fn a_qemu_that_cannot_be_executed_is_named() {
    let nest = Nest::new();
    let path = tempfile::tempdir().unwrap();
    let qemu = path.path().join("qemu-system-x86_64");
    fs::write(&qemu, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
    let rest = std::env::var("PATH").unwrap();
    let output = nest
        .run(&["/bin/true"])
        .env("PATH", format!("{}:{rest}", path.path().display()))
        .output()
        .unwrap();
    let said =
        format!("error: cannot start {}: No such file or directory (os error 2)\n", qemu.display());
    assert_output(&output, "", &said, 69);
}

#[test]
fn a_time_to_stay_that_is_none_is_refused() {
    let output = run(&XTASK, &["/bin/true"]).env("MINI_KVM_NEST_IDLE", "5m").output().unwrap();
    let said = "error: MINI_KVM_NEST_IDLE=5m: not a number of seconds\n  \
                so long the nest stays after its last command; 0: each command gets its own\n";
    assert_output(&output, "", said, 64);
}

/// Without a nest: the kernel is a Multiboot one, and any boot loader will do.
#[test]
fn the_1k_os_boots_to_its_prompt_in_qemu_itself() {
    LazyLock::force(&XTASK); // brings QEMU
    let directory = tempfile::tempdir().unwrap();
    let [disk, serial] = ["disk.tar", "serial"].map(|name| directory.path().join(name));
    fs::write(&disk, guests::DISK).unwrap();
    let mut qemu = Command::new("qemu-system-x86_64")
        .args(["-kernel", &format!("{}/multiboot/os-1k.elf", guests::ELF_DIR), "-initrd"])
        .arg(&disk)
        .args(["-m", "16", "-display", "none", "-serial"])
        .arg(format!("file:{}", serial.display()))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let since = Instant::now();
    let mut printed = String::new();
    while printed != "> " && since.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
        printed = fs::read_to_string(&serial).unwrap_or_default();
    }
    qemu.kill().unwrap();
    qemu.wait().unwrap();
    assert_eq!(printed, "> ");
}

/// Crashes the nest's kernel the first time, or each time.
fn crash(directory: &Path, program: &str) -> Output {
    let program = directory.join(program);
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    let mark = directory.join("mark");
    let text = format!(
        "#!/bin/sh\n[ -e {mark} ] && echo survived && exit 7\ntouch {mark}; sync\n\
         echo c >/proc/sysrq-trigger\nsleep 60\n",
        mark = mark.display()
    );
    write_script(&program, &text);
    let mut command = run(&XTASK, &[program.to_str().unwrap()]);
    command.env("MINI_KVM_NEST_IDLE", "0").output().unwrap()
}

#[test]
fn a_kernel_that_panics_is_reported_from_its_first_word_and_tests_are_run_again() {
    let directory = tempfile::tempdir().unwrap();
    let command = crash(directory.path(), "command");
    let said = text(&command.stderr);
    assert!(said.starts_with("error: the nest died: QEMU ended"), "{said}");
    assert!(said.contains("showed last:\n  | ["), "{said}");
    assert!(said.contains("Kernel panic - not syncing: sysrq triggered crash"), "{said}");
    assert_eq!((text(&command.stdout), command.status.code()), ("", Some(69)), "{said}");

    let directory = tempfile::tempdir().unwrap();
    let test = crash(directory.path(), "deps/kvm_test-0123");
    let said = text(&test.stderr);
    assert!(said.contains("sysrq triggered crash"), "{said}");
    assert!(said.ends_with("kvm_test-0123 once more, in another\n"), "{said}");
    assert_eq!((text(&test.stdout), test.status.code()), ("survived\n", Some(7)), "{said}");
}
