//! `cargo xtask nest`: what one may want of a nest beside running a program in it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Subcommand;

use super::Wishes;
use super::home::{self, Home};
use super::keeper;
use super::silence::Silence;
use super::visit::{self, Found, Visit};
use super::words::{Answer, Ask, Status};
use crate::places::Places;
use crate::status;

pub const AFTER_HELP: &str = "\
The first program that needs the nest starts it, and those that come later find it warm. It ends 10
minutes after the last of them; MINI_KVM_NEST_IDLE=SECONDS says otherwise to the one that starts it,
and MINI_KVM_NEST_IDLE=0 gives a program a nest of its own. It also ends when the target directory is
removed. Each user and each target directory has its own.

Exit status of status: 0 if there is a nest, or else 1.";

/// How many seconds a nest has to end.
const ENDS_WITHIN: u32 = 10;

#[derive(Subcommand)]
pub enum What {
    /// Say whether there is a nest, and what runs in it
    Status,
    /// End it, and all that runs in it
    Down,
    /// Start a shell in it, or another program
    Shell {
        /// As root in there, to look at KVM's counters and traces; your files know you as yourself
        #[arg(long)]
        root: bool,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Be the keeper of a nest
    #[command(hide = true)]
    Keep(keeper::Options),
}

pub fn run(what: What) -> Result<ExitCode> {
    match what {
        What::Status => status(),
        What::Down => down(),
        What::Shell { root, command } => shell(command, root),
        What::Keep(options) => keeper::run(options),
    }
}

fn shell(mut command: Vec<OsString>, root: bool) -> Result<ExitCode> {
    if command.is_empty() {
        let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
        command.push(shell.unwrap_or_else(|| "/bin/sh".into()));
    }
    super::run(&command[0], &command[1..], Wishes { keep: &[], root }, "you asked for it")
}

fn status() -> Result<ExitCode> {
    let mut found = false;
    for home in Home::all(&Places::find()?)? {
        match visit::find(&home)? {
            Found::Nest(mut visit) => {
                visit.link.send(&Ask::Status);
                if let Some(status) = wait_for_status(&mut visit) {
                    found = true;
                    print!("{}", shown(&status, memory(status.qemu)));
                }
            }
            Found::Stuck(_) => {
                found = true;
                println!("nest: its keeper does not answer; the next program starts another");
            }
            Found::Nothing => {}
        }
    }
    if !found {
        println!("nest: there is none; the next program that needs it starts it");
    }
    Ok(ExitCode::from(if found { 0 } else { status::FAILED }))
}

fn wait_for_status(visit: &mut Visit) -> Option<Status> {
    let mut silence = Silence::new();
    while silence.seconds < ENDS_WITHIN {
        match visit.link.receive() {
            Ok(Some(Answer::Status(status))) => return Some(status),
            Ok(Some(_)) => {}
            Ok(None) => visit.wait(),
            Err(_) => return None,
        }
        silence.count();
    }
    None
}

fn shown(status: &Status, memory: Option<u64>) -> String {
    let Status { keeper, qemu, .. } = status;
    let state = if status.up { "up" } else { "starting" };
    let mut text = format!("nest: {state} for {}", duration(status.age));
    if let Some(memory) = memory {
        text += &format!(", {memory} MiB");
    }
    text += &format!(" (processes: keeper {keeper}, QEMU {qemu})\n");
    for (name, seconds) in &status.commands {
        text += &format!("  {name}, for {}\n", duration(*seconds));
    }
    if status.commands.is_empty() {
        let left = u64::from(status.idle.saturating_sub(status.idle_since));
        text += &format!("  nothing runs: it ends in {}\n", duration(left));
    }
    text
}

/// What QEMU takes of this machine's memory, in MiB.
fn memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

/// A number of seconds as one would say it.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

fn down() -> Result<ExitCode> {
    let mut found = false;
    for home in Home::all(&Places::find()?)? {
        let Some(lock) = home.lock_file()? else { continue };
        if home::is_free(&lock)? {
            home.remove_remains(&lock);
            continue;
        }
        found = true;
        let mut keeper = None;
        match visit::find(&home)? {
            Found::Nest(mut visit) => {
                visit.link.send(&Ask::End);
                wait_for_end(&mut visit);
                keeper = Some(visit);
            }
            Found::Stuck(visit) => visit.kill_keeper(),
            // It is about to end.
            Found::Nothing => {}
        }
        wait_for_lock(&lock, &home, keeper)?;
    }
    println!("nest: {}", if found { "ended" } else { "there was none" });
    Ok(ExitCode::SUCCESS)
}

fn wait_for_end(visit: &mut Visit) {
    let mut silence = Silence::new();
    while silence.seconds < ENDS_WITHIN && visit.link.receive::<Answer>().is_ok() {
        visit.wait();
        silence.count();
    }
}

/// Waits until neither keeper nor QEMU is left, and removes what they left.
fn wait_for_lock(lock: &File, home: &Home, keeper: Option<Visit>) -> Result<()> {
    let mut silence = Silence::new();
    while !home::is_free(lock)? {
        if silence.count()
            && silence.seconds == ENDS_WITHIN / 2
            && let Some(keeper) = &keeper
        {
            keeper.kill_keeper();
        }
        if silence.seconds >= ENDS_WITHIN {
            bail!("the nest in {} does not end\n{}", home.path().display(), home.who_holds_it());
        }
        sleep(Duration::from_millis(20));
    }
    home.remove_remains(lock);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nest(commands: Vec<(String, u64)>) -> Status {
        Status { keeper: 12, qemu: 13, up: true, age: 200, idle: 600, idle_since: 20, commands }
    }

    #[test]
    fn a_status_says_what_runs_or_when_it_ends() {
        assert_eq!(
            shown(&nest(Vec::new()), Some(210)),
            "nest: up for 3 min, 210 MiB (processes: keeper 12, QEMU 13)\n  \
             nothing runs: it ends in 9 min\n"
        );
        assert_eq!(
            shown(&nest(vec![("sh".to_owned(), 7300), ("ch06-uart-input".to_owned(), 5)]), None),
            "nest: up for 3 min (processes: keeper 12, QEMU 13)\n  sh, for 2 h\n  \
             ch06-uart-input, for 5 s\n"
        );
    }
}
