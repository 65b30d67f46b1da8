//! The utilities, a file each. Each gets its arguments and returns its exit status.

mod cat;
mod dmesg;
mod echo;
mod free;
mod head;
mod hexdump;
mod kill;
mod ls;
mod mount;
mod poweroff;
mod ps;
mod pwd;
mod sleep;
mod uname;
mod uptime;

use std::fs;
use std::io::Read;

use lexopt::{Arg, Parser};

use crate::failure::{Failure, Named, say};

/// A utility: from its arguments to its exit status.
pub type Tool = fn(&[String]) -> Result<u8, Failure>;

/// The utility of that name.
pub fn find(name: &str) -> Option<Tool> {
    Some(match name {
        "cat" => cat::run,
        "dmesg" => dmesg::run,
        "echo" => echo::run,
        "false" => |_| Ok(1),
        "free" => free::run,
        "head" => head::run,
        "hexdump" => hexdump::run,
        "kill" => kill::run,
        "ls" => ls::run,
        "mount" => mount::run,
        "poweroff" => poweroff::run,
        "ps" => ps::run,
        "pwd" => pwd::run,
        "sleep" => sleep::run,
        "true" => |_| Ok(0),
        "uname" => uname::run,
        "uptime" => uptime::run,
        _ => return None,
    })
}

/// Runs a utility by its name.
pub fn run(name: &str, arguments: &[String]) -> u8 {
    if let Some(tool) = find(name) {
        return settle(name, tool(arguments));
    }
    let names = initramfs::COMMANDS.join(" ");
    say(format!("mini-init: {name}: there is no such program\n  there are: {names}"));
    127
}

/// Reports a failure; the status in any case.
pub fn settle(name: &str, result: Result<u8, Failure>) -> u8 {
    result.unwrap_or_else(|failure| {
        if !failure.message.is_empty() {
            say(format!("{name}: {}", failure.message));
        }
        failure.status
    })
}

/// Does the same with each file, and goes on after a failure, unless the output itself is gone.
fn each(name: &str, files: &[String], work: impl Fn(&str) -> Result<(), Failure>) -> u8 {
    let mut status = 0;
    for file in files {
        let failed = settle(name, work(file).map(|()| 0));
        if failed > 1 {
            return failed;
        }
        status = status.max(failed);
    }
    status
}

/// For utilities without options: their operands.
fn operands(arguments: &[String]) -> Result<Vec<String>, Failure> {
    let mut parser = Parser::from_args(arguments);
    let mut operands = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Value(value) => operands.push(text(value)),
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(operands)
}

/// For utilities that take nothing at all.
fn nothing(arguments: &[String]) -> Result<(), Failure> {
    match operands(arguments)?.first() {
        Some(operand) => Err(Failure::usage(format!("unexpected argument \"{operand}\""))),
        None => Ok(()),
    }
}

fn text(value: std::ffi::OsString) -> String {
    value.to_string_lossy().into_owned()
}

/// A file to read; `-` is the standard input.
fn open(file: &str) -> Result<Box<dyn Read>, Failure> {
    if file == "-" {
        return Ok(Box::new(std::io::stdin()));
    }
    Ok(Box::new(fs::File::open(file).named(file)?))
}

/// What the kernel tells in a file.
fn read(file: &str) -> Result<String, Failure> {
    fs::read_to_string(file).named(file)
}
