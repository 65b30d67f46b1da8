//! Runs lists of commands: builtins here, all else in processes of their own, joined by pipes.
#![expect(unsafe_code, reason = "fork is the way to a process that is not yet another program")]

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe2};

use super::parse::{Command, Pipeline, When};
use super::{Shell, builtins, expand, redirect};
use crate::failure::{Failure, Named, reason, say};
use crate::tools;

const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// The status of a command that a signal ended is this and the signal's number.
const SIGNAL: u8 = 128;

impl Shell {
    pub fn run(&mut self, list: &[Pipeline]) {
        for pipeline in list {
            let runs = match pipeline.when {
                When::Always => true,
                When::Success => self.status == 0,
                When::Failure => self.status != 0,
            };
            if runs {
                self.status = self.run_pipeline(&pipeline.commands);
            }
            if self.exiting || self.interrupted {
                return;
            }
        }
    }

    fn run_pipeline(&mut self, commands: &[Command]) -> u8 {
        if let [command] = commands {
            return self.run_alone(command);
        }
        let mut children = Vec::new();
        let started = self.start_all(commands, &mut children);
        let mut status = 0;
        // Of several statuses, the last one counts.
        for (child, name) in children {
            status = self.wait_for(child, &name);
        }
        started.map_or_else(complain, |()| status)
    }

    /// A command that is not part of a pipeline.
    fn run_alone(&mut self, command: &Command) -> u8 {
        let arguments = self.arguments(command);
        if is_internal(arguments.first()) {
            let lookup = |name: &str| self.lookup(name);
            let saved = match redirect::apply(&command.redirections, &lookup) {
                Ok(saved) => saved,
                Err(failure) => return complain(failure),
            };
            let status = self.run_internal(command, &arguments);
            saved.restore();
            return status;
        }
        match self.start(command, &arguments, None, None) {
            Ok(child) => self.wait_for(child, &arguments[0]),
            Err(failure) => complain(failure),
        }
    }

    /// Starts the commands of a pipeline, each reading what the one before it writes.
    fn start_all(
        &mut self,
        commands: &[Command],
        children: &mut Vec<(Pid, String)>,
    ) -> Result<(), Failure> {
        let mut input = None;
        for (index, command) in commands.iter().enumerate() {
            let (next_input, output) = if index + 1 < commands.len() {
                let (read, write) = pipe2(OFlag::O_CLOEXEC).named("pipe")?;
                (Some(read), Some(write))
            } else {
                (None, None)
            };
            let arguments = self.arguments(command);
            let child = self.start(command, &arguments, input, output)?;
            children.push((child, arguments.into_iter().next().unwrap_or_default()));
            input = next_input;
        }
        Ok(())
    }

    /// Runs a command in a process of its own.
    fn start(
        &mut self,
        command: &Command,
        arguments: &[String],
        input: Option<OwnedFd>,
        output: Option<OwnedFd>,
    ) -> Result<Pid, Failure> {
        // Else the child would have a copy of it, and write it once more.
        io::stdout().flush()?;
        // SAFETY: the shell has one thread, so the child gets everything in a consistent state.
        match unsafe { fork() }.named("fork")? {
            ForkResult::Parent { child } => Ok(child),
            ForkResult::Child => {
                let status = self.run_as_child(command, arguments, input, output);
                let status = status.unwrap_or_else(complain);
                let _ = io::stdout().flush();
                process::exit(status.into());
            }
        }
    }

    fn run_as_child(
        &mut self,
        command: &Command,
        arguments: &[String],
        input: Option<OwnedFd>,
        output: Option<OwnedFd>,
    ) -> Result<u8, Failure> {
        // Commands get the signals from the keyboard that the shell does not.
        SigSet::empty().thread_set_mask().named("signals")?;
        if let Some(input) = input {
            redirect::replace(0, input.as_fd()).named("pipe")?;
        }
        if let Some(output) = output {
            redirect::replace(1, output.as_fd()).named("pipe")?;
        }
        let lookup = |name: &str| self.lookup(name);
        let _never_restored = redirect::apply(&command.redirections, &lookup)?;
        if is_internal(arguments.first()) {
            return Ok(self.run_internal(command, arguments));
        }
        for (name, value) in &command.assignments {
            let value = expand::text(value, &|name| self.lookup(name));
            self.variables.set(name, value);
            self.variables.export(name);
        }
        Err(self.exec(arguments))
    }

    fn arguments(&self, command: &Command) -> Vec<String> {
        let lookup = |name: &str| self.lookup(name);
        command.words.iter().flat_map(|word| expand::arguments(word, &lookup)).collect()
    }

    /// Runs a builtin, or assignments alone, which change the shell.
    fn run_internal(&mut self, command: &Command, arguments: &[String]) -> u8 {
        let Some((name, arguments)) = arguments.split_first() else {
            for (name, value) in &command.assignments {
                let value = expand::text(value, &|name| self.lookup(name));
                self.variables.set(name, value);
            }
            return 0;
        };
        let result = match (builtins::find(name), builtins::find_tool(name)) {
            (Some(builtin), _) => builtin(self, arguments),
            (None, Some(tool)) => tool(arguments),
            (None, None) => Ok(0),
        };
        tools::settle(name, result)
    }

    /// Becomes another program. Returns only if it cannot.
    fn exec(&self, arguments: &[String]) -> Failure {
        let name = &arguments[0];
        let program = match self.find_program(name) {
            Ok(program) => program,
            Err(failure) => return failure,
        };
        // This makes SIGPIPE deadly again, too, which Rust ignores and most programs count on.
        let error = process::Command::new(program)
            .arg0(name)
            .args(&arguments[1..])
            .env_clear()
            .envs(self.variables.exported())
            .exec();
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        let status = if is_missing { NOT_FOUND } else { NOT_EXECUTABLE };
        Failure { message: format!("{name}: {}", reason(&error)), status }
    }

    /// The program that a name means: the file, if it has a slash; else the first in `PATH`.
    fn find_program(&self, name: &str) -> Result<PathBuf, Failure> {
        if name.contains('/') {
            let path = PathBuf::from(name);
            return match path.is_dir() {
                true => Err(not_executable(name, Errno::EISDIR)),
                false => Ok(path),
            };
        }
        let directories = self.variables.get("PATH").unwrap_or("/bin");
        let candidates = directories.split(':').map(|directory| Path::new(directory).join(name));
        let files: Vec<_> = candidates.filter(|candidate| candidate.is_file()).collect();
        if let Some(program) = files.iter().find(|file| is_executable(file)) {
            return Ok(program.clone());
        }
        Err(match files.first() {
            Some(_) => not_executable(name, Errno::EACCES),
            None => Failure { message: format!("{name}: not found"), status: NOT_FOUND },
        })
    }

    fn wait_for(&mut self, child: Pid, name: &str) -> u8 {
        let end = loop {
            match waitpid(child, None) {
                Err(Errno::EINTR) => {}
                end => break end,
            }
        };
        match end {
            Ok(WaitStatus::Exited(_, status)) => u8::try_from(status).unwrap_or(u8::MAX),
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                if signal == Signal::SIGINT {
                    self.interrupted = true;
                } else if signal != Signal::SIGPIPE {
                    say(format!("sh: {name}: ended by {}", signal.as_str()));
                }
                SIGNAL + signal as u8
            }
            Ok(_) => 0,
            Err(error) => complain(Failure::new(format!("{name}: {}", error.desc()))),
        }
    }
}

/// Whether there is nothing to start: no command at all, or a builtin.
fn is_internal(name: Option<&String>) -> bool {
    name.is_none_or(|name| builtins::find(name).is_some() || builtins::find_tool(name).is_some())
}

fn not_executable(name: &str, error: Errno) -> Failure {
    Failure { message: format!("{name}: {}", error.desc()), status: NOT_EXECUTABLE }
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.permissions().mode() & 0o111 != 0)
}

fn complain(failure: Failure) -> u8 {
    tools::settle("sh", Err(failure))
}
