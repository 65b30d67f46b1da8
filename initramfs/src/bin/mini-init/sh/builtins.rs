//! The commands that the shell runs by itself: they change it, or are so small that another process
//! would be a waste.

use std::env;
use std::io::{Write, stdout};

use super::Shell;
use super::lexer::is_name;
use crate::failure::{Failure, Named};
use crate::tools::{self, Tool};

const HELP: &str = "\
cmd | cmd    cmd && cmd    cmd || cmd    cmd ; cmd    # comment
cmd < file   cmd > file    cmd >> file   cmd 2> file  cmd 2>&1
NAME=value   $NAME ${NAME} $? $$ $0..$9  'as it is'   \"with $NAME\"   * ?
in the shell: cd exit export help unset :
";

/// A builtin: it gets its arguments, without its name.
pub type Builtin = fn(&mut Shell, &[String]) -> Result<u8, Failure>;

pub fn find(name: &str) -> Option<Builtin> {
    Some(match name {
        ":" => |_, _| Ok(0),
        "cd" => cd,
        "exit" => exit,
        "export" => export,
        "help" => help,
        "unset" => unset,
        _ => return None,
    })
}

/// The utilities that the shell runs in its own process.
pub fn find_tool(name: &str) -> Option<Tool> {
    match name {
        "echo" | "false" | "pwd" | "true" => tools::find(name),
        _ => None,
    }
}

fn cd(shell: &mut Shell, arguments: &[String]) -> Result<u8, Failure> {
    let directory = match arguments {
        [] => shell.variables.get("HOME").unwrap_or("/"),
        [directory] => directory,
        _ => return Err(Failure::usage("usage: cd [DIRECTORY]")),
    };
    env::set_current_dir(directory).named(directory)?;
    Ok(0)
}

fn exit(shell: &mut Shell, arguments: &[String]) -> Result<u8, Failure> {
    let status = match arguments {
        [] => shell.status,
        [status] => status
            .parse()
            .map_err(|_| Failure::usage(format!("{status}: not a number from 0 to 255")))?,
        _ => return Err(Failure::usage("usage: exit [STATUS]")),
    };
    shell.exiting = true;
    Ok(status)
}

fn export(shell: &mut Shell, arguments: &[String]) -> Result<u8, Failure> {
    if arguments.is_empty() {
        let mut out = stdout().lock();
        for (name, value) in shell.variables.exported() {
            writeln!(out, "export {name}='{}'", value.replace('\'', r"'\''"))?;
        }
    }
    for argument in arguments {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (argument.as_str(), None),
        };
        require_name(name)?;
        if let Some(value) = value {
            shell.variables.set(name, value.to_owned());
        }
        shell.variables.export(name);
    }
    Ok(0)
}

fn unset(shell: &mut Shell, arguments: &[String]) -> Result<u8, Failure> {
    for name in arguments {
        require_name(name)?;
        shell.variables.unset(name);
    }
    Ok(0)
}

fn help(_: &mut Shell, _: &[String]) -> Result<u8, Failure> {
    let mut out = stdout().lock();
    out.write_all(HELP.as_bytes())?;
    writeln!(out, "in /bin: {}", initramfs::COMMANDS.join(" "))?;
    Ok(0)
}

fn require_name(name: &str) -> Result<(), Failure> {
    if is_name(name) {
        return Ok(());
    }
    Err(Failure::new(format!("{name}: not the name of a variable")))
}
