//! The nest from outside: what a command in it gets and gives is what it would get and give here.
//! These tests run on the host and ask for the nest by name, so they also test it where nobody
//! needs it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rexpect::session::{PtySession, spawn_command};

/// For what takes a second or two in a nest, on a machine that is busy with other tests.
const PATIENCE_MS: u64 = 60_000;

/// The `xtask` of this workspace, built now if need be.
static XTASK: LazyLock<PathBuf> = LazyLock::new(|| {
    let xtask = tests::xtask();
    // The first use installs and fetches, and says so; what is tested comes after.
    let first = nest(&xtask, &["true"]).output().unwrap();
    assert!(first.status.success(), "{first:?}");
    xtask
});

fn nest(xtask: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(xtask);
    command.arg("run").args(words).env("MINI_KVM", "nest").stdin(Stdio::null());
    command
}

/// A shell script in the nest.
fn script(text: &str) -> Command {
    nest(&XTASK, &["/bin/sh", "-c", text])
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn assert_output(output: &Output, stdout: &str, stderr: &str, status: i32) {
    assert_eq!(
        (text(&output.stdout), text(&output.stderr), output.status.code()),
        (stdout, stderr, Some(status))
    );
}

#[test]
fn a_command_gets_what_it_would_get_here() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("read me"), "from outside\n").unwrap();
    let output = nest(
        &XTASK,
        &[
            "/bin/sh",
            "-c",
            r#"printf '<%s>' "$@"; echo "$WORD"; pwd -P; cat 'read me'; echo inside >written
               test -r /dev/kvm && test -w /dev/kvm && echo kvm; umask; ulimit -c
               echo apart >&2; exit 42"#,
            "sh",
            "",
            "two words",
            "two\nlines",
            "--help",
            "*",
        ],
    )
    .env("WORD", "a=b \"c\"")
    .current_dir(directory.path())
    .output()
    .unwrap();
    let outside = Command::new("sh").args(["-c", "umask; ulimit -c"]).output().unwrap();
    let stdout = format!(
        "<><two words><two\nlines><--help><*>a=b \"c\"\n{}\nfrom outside\nkvm\n{}",
        directory.path().canonicalize().unwrap().display(),
        text(&outside.stdout)
    );
    assert_output(&output, &stdout, "apart\n", 42);
    let written = fs::read_to_string(directory.path().join("written")).unwrap();
    assert_eq!(written, "inside\n");
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = script("echo lost").stdout(full).output().unwrap();
    assert_output(&output, "", "error: standard output: No space left on device\n", 74);
}

#[test]
fn an_open_file_is_refused_by_name() {
    let output = nest(&XTASK, &["/bin/cat", "/dev/fd/63"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).starts_with("error: /dev/fd/63: "), "{output:?}");
}

#[test]
fn a_mebibyte_goes_through_unharmed() {
    let mut state = 1_u32;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(1 << 20)
    .collect();
    let mut child = spawn(&mut script("cat"));
    let mut input = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || input.write_all(&sent));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.stdout == bytes, "{} bytes came back", output.stdout.len());
    assert_output(&Output { stdout: Vec::new(), ..output }, "", "", 0);
}

#[test]
fn an_endless_input_is_not_read_ahead_without_end() {
    let mut child = spawn(&mut script("head -c 2; exec sleep 1000"));
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        let mut written = 0_usize;
        while let Ok(count) = input.write(&[b'y'; 4096]) {
            written += count;
        }
        written
    });
    let mut output = [0; 2];
    child.stdout.take().unwrap().read_exact(&mut output).unwrap();
    // Time enough to take far more, were it taken.
    std::thread::sleep(Duration::from_secs(2));
    kill(pid(&child), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + Signal::SIGTERM as i32));
    let written = writer.join().unwrap();
    assert!(written < 2 << 20, "{written} bytes were taken");
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap())
}

#[test]
fn a_reader_that_goes_away_ends_the_writer() {
    // `yes` ends by SIGPIPE, and what comes after it must still be heard on the other stream.
    let mut child = spawn(&mut script("yes; echo ended >&2"));
    let mut output = child.stdout.take().unwrap();
    let mut first = [0; 2];
    output.read_exact(&mut first).unwrap();
    drop(output);
    let output = child.wait_with_output().unwrap();
    assert_output(&output, "", "ended\n", 0);
}

#[test]
fn signals_reach_the_command_and_its_death_by_one_is_reported() {
    let text = "trap 'echo interrupted' INT; trap 'echo asked; kill -9 $$' TERM; echo ready
                while :; do sleep 0.1; done";
    let mut child = spawn(&mut script(text));
    let mut output = child.stdout.take().unwrap();
    let mut expect = |words: &str| {
        let mut bytes = vec![0; words.len()];
        output.read_exact(&mut bytes).unwrap();
        assert_eq!(self::text(&bytes), words);
    };
    expect("ready\n");
    kill(pid(&child), Signal::SIGINT).unwrap();
    expect("interrupted\n");
    kill(pid(&child), Signal::SIGTERM).unwrap();
    expect("asked\n");
    assert_eq!(child.wait().unwrap().code(), Some(128 + 9));
}

#[test]
fn two_nests_run_at_once_and_neither_outlives_its_command() {
    let wait = "echo $$; read word; echo $word";
    let mut children = [spawn(&mut script(wait)), spawn(&mut script(wait))];
    let mut qemus = Vec::new();
    for child in &mut children {
        // Both are up before either may end.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 2]).unwrap();
        let id = child.id();
        let of = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        qemus.push(of.trim().to_owned());
    }
    let [mut one, mut two] = children;
    // One has no chance to tidy up.
    one.kill().unwrap();
    one.wait().unwrap();
    two.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    let output = two.wait_with_output().unwrap();
    assert!(text(&output.stdout).ends_with("hello\n"), "{output:?}");
    let since = Instant::now();
    while qemus.iter().any(|qemu| Path::new("/proc").join(qemu).join("exe").exists()) {
        assert!(since.elapsed() < Duration::from_secs(10), "a QEMU lives on: {qemus:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let output = nest(&XTASK, &["/no/such/program"]).output().unwrap();
    assert_output(
        &output,
        "",
        "error: /no/such/program in the nest: cannot execute it: No such file or directory\n",
        127,
    );
}

/// A shell with job control on a terminal of its own.
fn shell() -> PtySession {
    let mut command = Command::new("bash");
    command
        .args(["--norc", "--noprofile", "--noediting", "-i"])
        .env("MINI_KVM", "nest")
        .env("PS1", PROMPT)
        .env("XTASK", &*XTASK);
    spawn_command(command, Some(PATIENCE_MS)).unwrap()
}

/// Before this is there again, what is typed goes to the command, even a dying one.
const PROMPT: &str = "prompt: ";

fn say(shell: &mut PtySession, line: &str) {
    shell.send_line(line).unwrap();
    shell.flush().unwrap();
}

fn press(shell: &mut PtySession, key: char) {
    shell.send_control(key).unwrap();
    shell.flush().unwrap();
}

fn expect(shell: &mut PtySession, words: &str) {
    shell.exp_string(words).unwrap();
}

#[test]
fn a_terminal_in_the_nest_is_like_the_one_outside() {
    let mut shell = shell();
    // What is typed is echoed, so what is waited for must not stand in it.
    say(&mut shell, "stty -echo; stty rows 33 cols 101; before=$(stty -g); echo 'be'gun");
    expect(&mut shell, "begun\r\n");
    let script = r#"stty size; test "$(stty -g)" = "$0" && echo same modes
        trap 'echo size $(stty size)' WINCH
        echo to stderr >&2; while read -r word; do echo got $word; done; echo end of input
        sleep 1000"#;
    say(
        &mut shell,
        &format!("\"$XTASK\" run /bin/sh -c '{}' \"$before\"", script.replace('\'', r"'\''")),
    );
    expect(&mut shell, "33 101\r\nsame modes\r\nto stderr\r\n");
    say(&mut shell, "hello");
    expect(&mut shell, "got hello\r\n");

    press(&mut shell, 'z');
    expect(&mut shell, "Stopped");
    expect(&mut shell, PROMPT);
    say(&mut shell, r#"test "$(stty -g)" = "$before" && echo restored while stopped; fg"#);
    expect(&mut shell, "restored while stopped\r\n");
    say(&mut shell, "again");
    expect(&mut shell, "got again\r\n");

    press(&mut shell, 'd');
    expect(&mut shell, "end of input\r\n");
    press(&mut shell, 'c');
    expect(&mut shell, PROMPT);
    say(&mut shell, r#"echo status $?; test "$(stty -g)" = "$before" && echo restored"#);
    expect(&mut shell, "status 130\r\n");
    expect(&mut shell, "restored\r\n");

    // With its standard output elsewhere, the terminal is still where keys and errors are, and
    // expands newlines for all who write there.
    say(
        &mut shell,
        "\"$XTASK\" run /bin/sh -c 'echo shown >&2; read x; echo $x; tty' | tr a-z A-Z",
    );
    expect(&mut shell, "shown\r\n");
    say(&mut shell, "typed");
    expect(&mut shell, "TYPED\r\n/DEV/PTS/0\r\n");
    expect(&mut shell, PROMPT);

    // With its standard input elsewhere, Ctrl-C is the terminal's own.
    say(&mut shell, "sleep 1000 | \"$XTASK\" run /bin/sh -c 'echo started; exec sleep 1000'");
    expect(&mut shell, "started\r\n");
    press(&mut shell, 'c');
    expect(&mut shell, PROMPT);
    say(&mut shell, "echo status $?; exit");
    expect(&mut shell, "status 130\r\n");
    shell.exp_eof().unwrap();
}

/// An `xtask` in a target directory of its own, where no nest was ever made, that anyone may use.
fn fresh_xtask() -> (tempfile::TempDir, PathBuf) {
    let target = tempfile::tempdir().unwrap();
    fs::create_dir(target.path().join("debug")).unwrap();
    let xtask = target.path().join("debug/xtask");
    fs::copy(&*XTASK, &xtask).unwrap();
    fs::set_permissions(target.path(), fs::Permissions::from_mode(0o777)).unwrap();
    (target, xtask)
}

fn write_script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn without_qemu_and_the_right_to_install_it_the_command_is_told() {
    const NOBODY: u32 = 65534;
    let (target, xtask) = fresh_xtask();
    let path = target.path().join("bin");
    fs::create_dir(&path).unwrap();
    write_script(&path.join("apt-get"), "echo it was run >&2; exit 1");
    let mut command = nest(&xtask, &["/bin/true"]);
    command.env("PATH", &path).current_dir("/");
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    assert_output(
        &output,
        "",
        "nest: MINI_KVM=nest; running in an emulated machine instead \
         (MINI_KVM=native: here all the same)\n\
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
    LazyLock::force(&XTASK);
    let path = tempfile::tempdir().unwrap();
    write_script(&path.path().join("qemu-system-x86_64"), "echo 'qemu: no such luck' >&2; exit 3");
    // All else as it is.
    symlink("/bin/sh", path.path().join("sh")).unwrap();
    let since = Instant::now();
    let rest = std::env::var("PATH").unwrap();
    let output = nest(&XTASK, &["/bin/true"])
        .env("PATH", format!("{}:{rest}", path.path().display()))
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
    while printed != "> " && since.elapsed() < Duration::from_millis(PATIENCE_MS) {
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
    nest(&XTASK, &[program.to_str().unwrap()]).output().unwrap()
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
