//! `uname [-asnrvmo]`: the kernel's name for itself and its machine.

use std::io::{Write, stdout};

use lexopt::{Arg, Parser};
use nix::sys::utsname::{UtsName, uname};

use crate::failure::{Failure, Named};

/// The options that each ask for one word, in the order in which the words appear.
const OPTIONS: &str = "snrvmo";

pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    let mut asked = String::new();
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('a') => asked.push_str(OPTIONS),
            Arg::Short(option) if OPTIONS.contains(option) => asked.push(option),
            _ => return Err(argument.unexpected().into()),
        }
    }
    if asked.is_empty() {
        asked.push('s');
    }
    let names = uname().named("uname")?;
    let words = OPTIONS.chars().filter(|option| asked.contains(*option));
    let words: Vec<_> = words.map(|option| word(&names, option)).collect();
    writeln!(stdout(), "{}", words.join(" "))?;
    Ok(0)
}

fn word(names: &UtsName, option: char) -> String {
    let word = match option {
        's' => names.sysname(),
        'n' => names.nodename(),
        'r' => names.release(),
        'v' => names.version(),
        'm' => names.machine(),
        _ => return "Linux".to_owned(),
    };
    word.to_string_lossy().into_owned()
}
