//! How fast Linux boots on chapter 15, and on how many VM exits, against QEMU with KVM.
//!
//! A boot counts from the start of the process to the line that our /init prints first. At that line
//! the process is stopped and KVM's own counters of its VM are read: all exits, not only those that
//! reach user space. The machines take turns, round after round, and each is compared with ours of
//! its own round: what else this machine does meanwhile meets them all alike.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write as _};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::counters::{Counters, Kind};
use super::{cpu_time_of_children, median};
use crate::cargo::cargo;
use crate::linux::Piece;
use crate::places::Places;
use crate::{programs, runner, status};

/// What the exit status means, for `--help`.
pub const EXIT_STATUS: &str = "\
Chapter 15 is built with the release profile. All machines get the same kernel, initramfs, memory and
command line, but for the words that say which devices there are. They run where KVM is complete:
here, or else in the nest (MINI_KVM=native or MINI_KVM=nest chooses). KVM's counters are root's.

Exit status: 0 if the target is met, 1 if not.";

const CHAPTER: &str = "ch15-linux-shell";
const QEMU: &str = "qemu-system-x86_64";

/// What /init prints first.
const MARK: &[u8] = b"[mini-kvm] userspace init started";

const MEBIBYTES: &str = "256";

/// The words of the command line that all machines get: ours by default.
const WORDS: &str = "console=ttyS0 loglevel=3 reboot=k,panic_warm panic=-1";

/// Ours is to take fewer exits than this, and less time than each of the others.
const EXITS_BELOW: f64 = 7_000.0;

/// A boot that takes longer hangs: twenty times what the slowest takes in the nest.
const PATIENCE: Duration = Duration::from_secs(300);

/// A machine that boots Linux.
struct Subject {
    name: &'static str,
    /// The `-M` of QEMU; without one it is ours.
    qemu: Option<&'static str>,
    /// What this machine has told of its devices, beside [`WORDS`].
    words: &'static str,
}

static SUBJECTS: [Subject; 3] = [
    Subject { name: CHAPTER, qemu: None, words: "" },
    // Without ACPI its serial port has no interrupt: the kernel's words come, but not /init's.
    Subject { name: "QEMU -M microvm", qemu: Some("microvm"), words: "" },
    Subject { name: "QEMU -M pc", qemu: Some("pc"), words: "acpi=off" },
];

/// What all machines boot.
#[derive(clap::Args)]
pub struct Files {
    /// The kernel, a bzImage
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// The initramfs with our /init
    #[arg(long, value_name = "FILE")]
    initrd: Option<PathBuf>,
}

/// Builds what is to be measured, and has it measured where KVM is complete. Nothing compiles there.
pub fn build_and_measure(rounds: u32, files: Files) -> Result<ExitCode> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--package", "xtask", "--package", CHAPTER]);
    let built = build.stdin(Stdio::null()).status().context("cargo")?;
    ensure!(built.success(), "cargo build --release: {built}");

    let places = Places::find()?;
    let had =
        |named: Option<PathBuf>, piece: Piece| named.map_or_else(|| piece.prepare(&places), Ok);
    let (kernel, initrd) = (had(files.kernel, Piece::Kernel)?, had(files.initrd, Piece::Initrd)?);

    let this = std::env::current_exe().context("the path of this program")?;
    let target = this.parent().and_then(Path::parent).context("no target directory")?;
    let program = target.join("release/xtask");
    let mut arguments: Vec<OsString> =
        ["bench", "linux", "--here", "--rounds"].map(OsString::from).into();
    arguments.extend([rounds.to_string().into(), "--kernel".into(), kernel.into()]);
    arguments.extend(["--initrd".into(), initrd.into()]);
    runner::run(program.as_os_str(), &arguments)
}

/// Measures the program that lies beside this one, and QEMU.
pub fn measure(rounds: u32, files: Files) -> Result<ExitCode> {
    let (Some(kernel), Some(initrd)) = (files.kernel, files.initrd) else {
        bail!("--here: --kernel and --initrd say what to boot");
    };
    let this = std::env::current_exe().context("the path of this program")?;
    let beside = this.parent().context("no directory")?;
    ensure!(
        programs::find(QEMU).is_some(),
        "{QEMU} is not installed\n  cargo xtask bench linux compares with it: install the package"
    );

    Counters::check()?;

    let mut measured = SUBJECTS.each_ref().map(|_| Vec::new());
    // The first round only brings what is read into memory.
    for round in 0..=rounds {
        for (subject, boots) in SUBJECTS.iter().zip(&mut measured) {
            let boot = boot(&mut subject.command(beside, &kernel, &initrd))
                .with_context(|| subject.name)?;
            let (seconds, exits) = (boot.seconds, boot.counters.exits());
            eprintln!(
                "round {round} of {rounds}: {seconds:6.2} s {exits:6} exits  {}",
                subject.name
            );
            if round > 0 {
                boots.push(boot);
            }
        }
    }

    let (mut text, is_met) = table(&measured);
    text += &format!("{}\n", conditions(rounds, &kernel));
    io::stdout().write_all(text.as_bytes()).context("stdout")?;
    Ok(ExitCode::from(if is_met { 0 } else { status::FAILED }))
}

impl Subject {
    fn command(&self, beside: &Path, kernel: &Path, initrd: &Path) -> Command {
        let words = format!("{WORDS} {}", self.words);
        let Some(machine) = self.qemu else {
            let mut command = Command::new(beside.join(CHAPTER));
            command.args(["--memory", &format!("{MEBIBYTES}M"), "--cmdline", words.trim_end()]);
            command.arg("--kernel").arg(kernel).arg("--initrd").arg(initrd);
            return command;
        };
        let mut command = Command::new(QEMU);
        command.args(["-M", machine, "-accel", "kvm", "-cpu", "host", "-m", MEBIBYTES]);
        // Nothing but what is measured: no screen, no network card, no monitor.
        command.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
        command.args(["-serial", "stdio", "-append", words.trim_end()]);
        command.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd);
        command
    }
}

/// One boot.
struct Boot {
    /// From the start of the process to /init's line.
    seconds: f64,
    /// What it had of the CPU until then, in user mode, in the kernel and as a guest.
    cpu_seconds: f64,
    counters: Counters,
}

/// A process that goes when this is dropped.
struct Process(Child);

impl Process {
    fn end(&mut self) -> io::Result<()> {
        // It may have ended already.
        let _ = self.0.kill();
        self.0.wait().map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn boot(command: &mut Command) -> Result<Boot> {
    let words = tempfile::tempfile().context("a temporary file")?;
    // An open pipe as standard input: nothing is typed, and it does not end.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(words.try_clone()?);
    let cpu_before = cpu_time_of_children()?;
    let start = Instant::now();
    let child = command.spawn().with_context(|| programs::shown(command))?;
    let mut process = Process(child);
    let mut console = process.0.stdout.take().context("no standard output")?;

    let mut printed = Vec::new();
    while !contains(&printed, MARK) {
        let is_late = !wait(&console, PATIENCE.saturating_sub(start.elapsed()))?;
        if is_late || read_more(&mut console, &mut printed)? == 0 {
            let what =
                if is_late { "did not print /init's line in time" } else { "ended too early" };
            let said = programs::indented(&(text_of(words) + &String::from_utf8_lossy(&printed)));
            bail!("{} {what}{said}", programs::shown(command));
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let pid = process.0.id();
    // All its threads leave the guest, and what comes after the line is not counted.
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).context("cannot stop it")?;
    let counters = Counters::of_process(pid)?;
    process.end().context("cannot end it")?;
    let cpu_seconds = (cpu_time_of_children()? - cpu_before).as_secs_f64();
    Ok(Boot { seconds, cpu_seconds, counters })
}

/// Whether there is something to read before the time is over.
fn wait(file: &impl AsFd, time: Duration) -> Result<bool> {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    let time = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    Ok(poll(&mut fds, time).context("poll")? > 0)
}

fn read_more(console: &mut ChildStdout, printed: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = [0; 4096];
    let count = console.read(&mut buffer)?;
    printed.extend(&buffer[..count]);
    Ok(count)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// All that was written to a file, from its beginning.
fn text_of(mut file: fs::File) -> String {
    use std::io::Seek;
    let mut bytes = Vec::new();
    let _ = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the numbers depend on, beside the machines.
fn conditions(rounds: u32, kernel: &Path) -> String {
    let release = fs::read_to_string(kernel.with_file_name("release"));
    let release = release.as_deref().map_or("kernel of one's own", str::trim);
    let huge_pages = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    let huge_pages = huge_pages.unwrap_or_default();
    let huge_pages = chosen(&huge_pages).unwrap_or("unknown");
    format!(
        "medians of {rounds} rounds, release profile, {release}, {MEBIBYTES} MiB, \
         huge pages of the host: {huge_pages}"
    )
}

/// The word in brackets, as the kernel marks what is chosen.
fn chosen(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(word, _)| word)
}

fn table(measured: &[Vec<Boot>]) -> (String, bool) {
    let ours = &measured[0];
    let mut text = format!(
        "{:<18}{:>8}{:>8}{:>8}{:>8}{:>8}\n",
        "", "seconds", "ratio", "CPU s", "exits", "ratio"
    );
    let mut missed = Vec::new();
    for (subject, boots) in SUBJECTS.iter().zip(measured) {
        let seconds = median(boots.iter().map(|boot| boot.seconds));
        let cpu_seconds = median(boots.iter().map(|boot| boot.cpu_seconds));
        let exits = median(boots.iter().map(Boot::exits));
        let pairs = || boots.iter().zip(ours);
        let slower = median(pairs().map(|(boot, ours)| boot.seconds / ours.seconds));
        let more = median(pairs().map(|(boot, ours)| boot.exits() / ours.exits()));
        text += &format!(
            "{:<18}{seconds:>8.2}{slower:>8.2}{cpu_seconds:>8.2}{exits:>8.0}{more:>8.2}\n",
            subject.name
        );
        if subject.qemu.is_some() && slower <= 1.0 {
            missed.push(format!("not faster than {}", subject.name));
        }
        if subject.qemu.is_none() && exits >= EXITS_BELOW {
            missed.push(format!("{exits:.0} exits"));
        }
    }
    text += &by_kind(measured);
    text += &format!("target: faster than both of QEMU's, and under {EXITS_BELOW:.0} exits: ");
    text += &if missed.is_empty() { "met".to_owned() } else { missed.join(", ") };
    (text + "\n", missed.is_empty())
}

/// What the exits were for.
fn by_kind(measured: &[Vec<Boot>]) -> String {
    let mut text = format!("\n{:<18}", "exits by kind");
    for kind in Kind::ALL {
        text += &format!("{:>13}", kind.name());
    }
    text += "\n";
    for (subject, boots) in SUBJECTS.iter().zip(measured) {
        text += &format!("{:<18}", subject.name);
        for kind in Kind::ALL {
            let count = median(boots.iter().map(|boot| boot.counters.of_kind(kind) as f64));
            text += &format!("{count:>13.0}");
        }
        text += "\n";
    }
    text + "\n"
}

impl Boot {
    fn exits(&self) -> f64 {
        self.counters.exits() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(seconds: f64, exits: u64) -> Boot {
        let counters = [("exits", exits), ("io_exits", 10)];
        Boot { seconds, cpu_seconds: seconds, counters: counters.into_iter().collect() }
    }

    #[test]
    fn the_table_says_whether_the_target_is_met() {
        let met = [
            vec![boot(2.0, 4000), boot(4.0, 4100), boot(3.0, 3900)],
            vec![boot(8.0, 40000), boot(9.0, 40000), boot(9.0, 39000)],
            vec![boot(6.0, 6000), boot(6.0, 6000), boot(6.0, 6000)],
        ];
        let (text, is_met) = table(&met);
        assert!(is_met);
        assert_eq!(
            text,
            "                   seconds   ratio   CPU s   exits   ratio\n\
             ch15-linux-shell      3.00    1.00    3.00    4000    1.00\n\
             QEMU -M microvm       9.00    3.00    9.00   40000   10.00\n\
             QEMU -M pc            6.00    2.00    6.00    6000    1.50\n\
             \n\
             exits by kind               I/O  page faults  host's IRQs   IRQ window         halt         MMIO        other\n\
             ch15-linux-shell             10            0            0            0            0            0         3990\n\
             QEMU -M microvm              10            0            0            0            0            0        39990\n\
             QEMU -M pc                   10            0            0            0            0            0         5990\n\
             \n\
             target: faster than both of QEMU's, and under 7000 exits: met\n"
        );
    }

    #[test]
    fn the_table_says_what_was_missed() {
        let missed = [vec![boot(7.0, 7000)], vec![boot(8.0, 1)], vec![boot(6.0, 1)]];
        let (text, is_met) = table(&missed);
        assert!(!is_met);
        let end = "under 7000 exits: 7000 exits, not faster than QEMU -M pc\n";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn the_word_in_brackets_is_chosen() {
        assert_eq!(chosen("always [madvise] never\n"), Some("madvise"));
        assert_eq!(chosen(""), None);
    }

    #[test]
    fn a_machine_that_ends_before_the_line_is_shown_with_its_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no root; echo no kvm >&2"]);
        let error = super::boot(&mut command).err().unwrap().to_string();
        assert!(error.contains("ended too early"), "{error}");
        assert!(error.contains("no root") && error.contains("no kvm"), "{error}");
    }
}
