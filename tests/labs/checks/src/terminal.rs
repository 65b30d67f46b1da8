//! The answer's program on a terminal.

use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use labs::protocol::Job;
use rexpect::session::{PtySession, spawn_command};

use crate::patience::Patience;
use crate::typed::{be_quiet_about_panics, shown, sources};
use crate::verdict::{Result, Stop, fail};

/// Long enough for the nest on a busy machine; what is awaited comes sooner.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be run on a terminal, and how large that is.
pub struct Script<'a> {
    /// The answer.
    pub job: &'a Job,
    /// What is known of its other runs.
    pub patience: &'a Rc<Patience>,
    /// The program's arguments.
    pub arguments: Vec<String>,
    /// The terminal's height.
    pub rows: u16,
    /// The terminal's width.
    pub columns: u16,
}

/// A program that runs on a terminal of its own.
pub struct Terminal {
    session: PtySession,
    patience: Rc<Patience>,
    line: String,
}

impl Terminal {
    /// Starts it.
    pub fn start(script: &Script) -> Result<Self> {
        let Script { job, patience, arguments, rows, columns } = script;
        let mut shell = Command::new("sh");
        // The size is set from within, before the program can ask for it. Ctrl-C is for the program.
        let size =
            format!(r#"trap : INT; stty rows {rows} cols {columns}; "$@"; echo "status=$?""#);
        shell.args(["-c", &size, "sh"]).arg(&job.program).args(arguments);
        shell.envs(job.environment.iter().map(|(name, value)| (name, value)));
        shell.env("TERM", "xterm-256color").env("NO_COLOR", "1");
        be_quiet_about_panics(&mut shell);
        // `anstream` has colours on any terminal where one of these is set.
        for variable in ["CI", "CLICOLOR", "CLICOLOR_FORCE"] {
            shell.env_remove(variable);
        }
        let command = shown(&job.command, arguments);
        let line = format!("$ {command}    (on a terminal){}", sources(job, arguments));
        let time = patience.of(PATIENCE).as_millis().try_into().unwrap_or(u64::MAX);
        let session = spawn_command(shell, Some(time))
            .map_err(|error| Stop::Broken(format!("a terminal: {error}")))?;
        Ok(Self { session, patience: Rc::clone(patience), line })
    }

    /// Waits until it shows this, and gives what it showed before.
    pub fn await_text(&mut self, text: &str) -> Result<String> {
        self.session.exp_string(text).or_else(|error| {
            if matches!(error, rexpect::error::Error::Timeout { .. }) {
                self.patience.note_hang();
            }
            fail(format!("{}\nno {text:?} on the terminal: {error}", self.line))
        })
    }

    /// Types keys.
    pub fn type_keys(&mut self, keys: &str) -> Result<()> {
        let typed = self.session.send(keys).and_then(|_| self.session.flush());
        typed.or_else(|error| fail(format!("{}\ncannot type {keys:?}: {error}", self.line)))
    }

    /// Waits for its end, which has to have this status, and gives what it showed before.
    pub fn await_status(&mut self, expected: i32) -> Result<String> {
        let shown = self.await_text("status=")?;
        let status = self.session.read_line().unwrap_or_default();
        if status.trim_end() == expected.to_string() {
            return Ok(shown);
        }
        fail(format!("{}\nended with status {}, not {expected}", self.line, status.trim_end()))
    }

    /// For what rexpect has and we have not: signals to the process, say.
    pub fn session(&mut self) -> &mut PtySession {
        &mut self.session
    }

    /// Fails the task for this reason, and says which run it was.
    pub fn fail<T>(&self, why: &str) -> Result<T> {
        fail(format!("{}\n{why}", self.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Answer;
    use crate::answer::tests::job;

    #[test]
    fn a_program_finds_a_terminal_of_the_size_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let (job, _) = job(folder.path(), "stty size; read line; echo got $line; exit 3");
        let answer = Answer::new(&job, "x").unwrap();
        let mut terminal = answer.terminal(["a"], (11, 33)).unwrap();
        terminal.await_text("11 33\r\n").unwrap();
        terminal.type_keys("keys\r").unwrap();
        assert!(terminal.await_status(3).unwrap().contains("got keys\r\n"));
        let Err(Stop::Failed(why)) = terminal.await_text("nothing like it") else { panic!() };
        assert!(why.starts_with("$ cargo run -p ch00-x -- a    (on a terminal)\n"), "{why}");
    }
}
