//! A second serial port, the host's files, and a status. A boot takes seconds, so each is for much.

mod shared;

use std::fs;
use std::time::Duration;

use crate::Check;
use crate::answer::{Answer, text};
use crate::ran::Ran;
use crate::verdict::Result;

pub const CHECKS: &[(&str, Check)] =
    &[("com2", com2), ("share", shared::share), ("status", status)];

/// For a boot in the nest of a busy machine.
const BOOT_TIME: Duration = Duration::from_secs(300);

const PROMPT: &str = "mini-kvm:/# ";

/// Runs a script in the shell of Linux.
fn boot(answer: &Answer, arguments: &[&str], script: &str) -> Result<Ran> {
    answer.run(arguments).input(script.as_bytes()).within(BOOT_TIME).finish()
}

/// The machine was switched off, and the VMM ended with this status.
fn is_off(ran: &Ran, status: i32) -> Result<()> {
    ran.status(status)?.stderr_has("linux: powered off after ")?;
    Ok(())
}

/// What the shell answered to a command.
fn reply(ran: &Ran, command: &str) -> Result<String> {
    let shown = ran.stdout_text().replace('\r', "");
    let asked = format!("{PROMPT}{command}\n");
    let after = shown.split_once(&asked).map(|(_, after)| after);
    match after.and_then(|after| after.split_once(PROMPT)) {
        Some((reply, _)) => Ok(reply.to_owned()),
        None => ran.fail(&format!(
            "the shell did not run {command:?}, or came to no end of it:\n{}",
            tail(&shown)
        )),
    }
}

fn com2(answer: &mut Answer) -> Result<()> {
    // Much longer than the FIFO, so that it takes interrupts; and shorter than what the file had.
    let lines: Vec<String> = (0..answer.random.u8(8..14))
        .map(|_| (0..answer.random.u8(40..80)).map(|_| answer.random.alphanumeric()).collect())
        .collect();
    let file = answer.file("com2", &vec![b'x'; 20_000])?;
    let word: String = (0..9).map(|_| answer.random.alphabetic()).collect();
    let mut script: String =
        lines.iter().map(|line| format!("echo {line} > /dev/ttyS1\n")).collect();
    script += &format!("echo {word} | cat\ncat /proc/interrupts > /dev/ttyS1\npoweroff\n");
    let ran = boot(answer, &["--com2", text(&file)], &script)?;
    is_off(&ran, 0)?;
    let expected: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let written = fs::read(&file)?;
    let rest = match written.strip_prefix(expected.as_bytes()) {
        Some(rest) => String::from_utf8_lossy(rest),
        None => {
            return ran.fail(&format!(
                "what was written to /dev/ttyS1 is not in the file: it should begin with\n{}\nand \
                 begins with\n{}",
                expected.escape_default(),
                written[..written.len().min(expected.len())].escape_ascii()
            ));
        }
    };
    let interrupts = rest.lines().find(|line| line.trim_start().starts_with("3:"));
    if !interrupts.is_some_and(|line| line.contains("ttyS1")) {
        return ran.fail(&format!("/proc/interrupts has no IRQ 3 for ttyS1:\n{rest}"));
    }
    if !rest.ends_with('\n') {
        return ran.fail(&format!("the last line is not all in the file:\n{}", tail(&rest)));
    }
    if reply(&ran, &format!("echo {word} | cat"))? != format!("{word}\n") {
        return ran.fail("the console is not what it was");
    }

    // The kernel's own log, which nobody waits for.
    let words = "console=ttyS1 loglevel=6 reboot=k,panic_warm panic=-1 rdinit=/nothing";
    let ran = boot(answer, &["--com2", text(&file), "--cmdline", words], "")?;
    ran.status(65)?.stderr_has("linux: panicked after ")?.stdout("")?;
    let log = String::from_utf8_lossy(&fs::read(&file)?).into_owned();
    if !log.starts_with("[    0.0") || !log.contains("Kernel panic - not syncing: ") {
        return ran.fail(&format!(
            "with console=ttyS1 the file should have the kernel's log, and has\n{}",
            tail(&log)
        ));
    }

    let missing = answer.scratch("no-such-folder/file");
    for bad in [missing, answer.scratch("")] {
        let ran = answer.run(["--com2", text(&bad)]).fault("open:2").finish()?;
        ran.stdout("")?.status(74)?;
        if !ran.stderr_text().starts_with(&format!("error: {}: ", bad.display())) {
            return ran
                .fail(&format!("the message does not begin with the path: {}", ran.stderr_text()));
        }
    }
    is_for_linux_alone(answer, &["--com2", text(&file)])
}

fn status(answer: &mut Answer) -> Result<()> {
    let [one, other] = [(); 2].map(|()| answer.random.u8(1..64));
    let file = answer.scratch("with-status");
    let script = format!("echo begin > /dev/ttyS1\necho {one} > /dev/ttyS1\nfalse\npoweroff\n");
    let ran = boot(answer, &["--status", "--com2", text(&file)], &script)?;
    is_off(&ran, i32::from(one))?;
    let written = fs::read(&file).unwrap_or_default();
    if written != format!("begin\r\n{one}\r\n").as_bytes() {
        return ran.fail(&format!("the file has {:?}", written.escape_ascii().to_string()));
    }

    // A number that is not in the last line, or is none that a status can be.
    let bad = [
        format!("echo {other} > /dev/ttyS1\necho 64"),
        format!("echo {other} > /dev/ttyS1\necho {other} {one}"),
        format!("echo {other} > /dev/ttyS1\necho -{other}"),
        format!("echo {other} > /dev/ttyS1\necho ''"),
        format!("echo {other} > /dev/ttyS1\necho 256"),
    ];
    let bad = &bad[answer.random.usize(..bad.len())];
    let ran = boot(answer, &["--status"], &format!("{bad} > /dev/ttyS1\nexit\n"))?;
    is_off(&ran, 65)?;
    let ran = boot(answer, &["--status"], &format!("echo {other}\nexit\n"))?;
    is_off(&ran, 0)?;
    is_for_linux_alone(answer, &["--status"])
}

fn is_for_linux_alone(answer: &Answer, option: &[&str]) -> Result<()> {
    for guests in [&["hello"][..], &["linux", "hello"], &["hello64"]] {
        let ran = answer.run([option, guests].concat()).fault("open:2").finish()?;
        ran.stdout("")?.status(64)?;
    }
    Ok(())
}

/// The last lines, which say where something stopped.
fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}
