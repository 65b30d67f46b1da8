//! The shell: `sh`, `sh -c COMMANDS [NAME [ARGUMENT]...]`, `sh FILE [ARGUMENT]...`.

mod builtins;
mod editor;
mod expand;
mod glob;
mod input;
mod keys;
mod lexer;
mod parse;
mod redirect;
mod run;
mod variables;

use std::env;
use std::io::{IsTerminal, Write, stdin, stdout};

use nix::sys::signal::{SigSet, Signal};

use self::input::{Input, Line};
use self::parse::Flaw;
use self::variables::Variables;
use crate::failure::{Failure, reason, say};
use crate::tools;

/// What a shell knows while it runs.
pub struct Shell {
    variables: Variables,
    /// `$0`, `$1` and so on.
    arguments: Vec<String>,
    /// `$$`, also in the processes that it forks.
    id: u32,
    /// `$?`: how the last command ended.
    status: u8,
    exiting: bool,
    /// The user pressed Ctrl-C: the rest of the line is not to run.
    interrupted: bool,
}

pub fn main(arguments: Vec<String>) -> u8 {
    let (mut input, arguments) = match parse_arguments(arguments) {
        Ok(parsed) => parsed,
        Err(failure) => return tools::settle("sh", Err(failure)),
    };
    if input.is_terminal() {
        // What the user's keys send is for the commands, which unblock it for themselves.
        let signals: SigSet =
            [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP].into_iter().collect();
        // It fails for a number that is no signal.
        let _ = signals.thread_block();
    }
    let mut shell = Shell {
        variables: Variables::from_environment(),
        arguments,
        id: std::process::id(),
        status: 0,
        exiting: false,
        interrupted: false,
    };
    let result = shell.run_all(&mut input);
    tools::settle("sh", result.map(|()| shell.status))
}

/// Where the commands come from, and `$0` and so on.
fn parse_arguments(mut arguments: Vec<String>) -> Result<(Input, Vec<String>), Failure> {
    let ours = || vec!["sh".to_owned()];
    match arguments.first().map(String::as_str) {
        None if stdin().is_terminal() => Ok((Input::terminal()?, ours())),
        None => Ok((Input::Piped, ours())),
        Some("-c") if arguments.len() > 1 => {
            let mut rest = arguments.split_off(1);
            let commands = rest.remove(0);
            Ok((Input::text(commands), if rest.is_empty() { ours() } else { rest }))
        }
        Some(option) if option.starts_with('-') => {
            Err(Failure::usage("usage: sh [-c COMMANDS | FILE] [ARGUMENT]..."))
        }
        Some(file) => Ok((Input::file(file).map_err(not_found)?, arguments)),
    }
}

fn not_found(failure: Failure) -> Failure {
    Failure { status: 127, ..failure }
}

impl Shell {
    /// Runs all commands of the input.
    fn run_all(&mut self, input: &mut Input) -> Result<(), Failure> {
        // Lines that only together are commands.
        let mut text = String::new();
        while !self.exiting {
            let prompt = if text.is_empty() { self.prompt() } else { "> ".to_owned() };
            match input.line(&prompt)? {
                Line::Is(line) => text += &line,
                Line::Interrupted => {
                    text.clear();
                    self.status = 130;
                    continue;
                }
                Line::End if text.is_empty() => break,
                Line::End => {
                    self.syntax_error("unexpected end");
                    break;
                }
            }
            match parse::parse(&text) {
                Err(Flaw::Incomplete) => continue,
                Err(Flaw::Wrong(message)) => {
                    self.syntax_error(&message);
                    if !input.is_terminal() {
                        break;
                    }
                }
                Ok(list) => self.run(&list),
            }
            text.clear();
            if std::mem::take(&mut self.interrupted) {
                if !input.is_terminal() {
                    break;
                }
                // After the ^C that the terminal has shown.
                writeln!(stdout())?;
            }
        }
        Ok(())
    }

    fn syntax_error(&mut self, message: &str) {
        say(format!("sh: syntax error: {message}"));
        self.status = 2;
    }

    /// `PS1`, with the working directory for `\w`.
    fn prompt(&self) -> String {
        let prompt = self.variables.get("PS1").unwrap_or("$ ");
        let directory = match env::current_dir() {
            Ok(directory) => directory.display().to_string(),
            Err(error) => reason(&error),
        };
        prompt.replace(r"\w", &directory)
    }

    /// The value of a variable, or of a special parameter.
    fn lookup(&self, name: &str) -> Option<String> {
        match name {
            "?" => Some(self.status.to_string()),
            "$" => Some(self.id.to_string()),
            "#" => Some((self.arguments.len() - 1).to_string()),
            name => match name.parse::<usize>() {
                Ok(index) => self.arguments.get(index).cloned(),
                Err(_) => self.variables.get(name).map(str::to_owned),
            },
        }
    }
}
