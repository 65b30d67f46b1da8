//! The answer's program on a terminal.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use labs::protocol::Job;
use rexpect::session::{PtySession, spawn_command};
use vt100::{Parser, Screen};

use crate::ran::shown;
use crate::verdict::{Result, Stop, fail};

/// Long enough for the nest on a busy machine; what is awaited comes sooner.
const PATIENCE_MS: u64 = 60_000;

/// What is to be run on a terminal, and how large that is.
pub struct Script<'a> {
    /// The answer.
    pub job: &'a Job,
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
    line: String,
    /// What a terminal would show. It sees what [`Terminal::await_screen`] reads, and nothing else.
    screen: Parser,
}

impl Terminal {
    /// Starts it.
    pub fn start(script: &Script) -> Result<Self> {
        let Script { job, arguments, rows, columns } = script;
        let mut shell = Command::new("sh");
        // The size is set from within, before the program can ask for it. Ctrl-C is for the program.
        let size =
            format!(r#"trap : INT; stty rows {rows} cols {columns}; "$@"; echo "status=$?""#);
        shell.args(["-c", &size, "sh"]).arg(&job.program).args(arguments);
        shell.envs(job.environment.iter().map(|(name, value)| (name, value)));
        shell.env("TERM", "xterm-256color").env("NO_COLOR", "1");
        // `anstream` has colours on any terminal where one of these is set.
        for variable in ["CI", "CLICOLOR", "CLICOLOR_FORCE"] {
            shell.env_remove(variable);
        }
        let line = format!("$ {}    (on a terminal)", shown(&job.command, arguments));
        let session = spawn_command(shell, Some(PATIENCE_MS))
            .map_err(|error| Stop::Broken(format!("a terminal: {error}")))?;
        Ok(Self { session, line, screen: Parser::new(*rows, *columns, 0) })
    }

    /// Waits until it shows this, and gives what it showed before.
    pub fn await_text(&mut self, text: &str) -> Result<String> {
        self.session
            .exp_string(text)
            .or_else(|error| fail(format!("{}\nno {text:?} on the terminal: {error}", self.line)))
    }

    /// Waits until the screen, as one would see it, is like this. `what` says it in words. A check
    /// that looks at the screen looks at nothing else, until the program leaves its alternate screen.
    pub fn await_screen(&mut self, what: &str, is_it: impl Fn(&Screen) -> bool) -> Result<()> {
        let deadline = Instant::now() + Duration::from_millis(PATIENCE_MS);
        loop {
            // rexpect makes a character of each byte, whatever the encoding.
            while let Some(byte) = self.session.try_read() {
                self.screen.process(&[byte as u32 as u8]);
            }
            if is_it(self.screen.screen()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let rows = self.screen.screen().rows(0, u16::MAX);
                let rows: String = rows.map(|row| format!("\n  | {}", row.trim_end())).collect();
                return fail(format!("{}\nthe screen does not show {what}:{rows}", self.line));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes the terminal this large, as somebody does who pulls at its corner.
    pub fn resize(&mut self, (rows, columns): (u16, u16)) -> Result<()> {
        let terminal = self.session.process().get_file_handle();
        let terminal = terminal.map_err(|error| Stop::Broken(format!("a terminal: {error}")))?;
        let size = ["rows", &rows.to_string(), "cols", &columns.to_string()];
        let status = Command::new("stty").args(size).stdin(terminal).status()?;
        if !status.success() {
            return Err(Stop::Broken(format!("stty: {status}")));
        }
        self.screen.screen_mut().set_size(rows, columns);
        Ok(())
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

    #[test]
    fn the_screen_is_what_one_would_see_at_any_size() {
        let folder = tempfile::tempdir().unwrap();
        let script = r"trap 'stty size' WINCH; printf 'wrong\r\033[2;5Hright \342\224\202'; \
            while ! read line; do :; done; stty size";
        let (job, _) = job(folder.path(), script);
        let mut terminal = Answer::new(&job, "x").unwrap().terminal([""; 0], (10, 40)).unwrap();
        let second = |row: &str| {
            let row = row.to_owned();
            move |screen: &Screen| screen.rows(0, 40).nth(1).is_some_and(|it| it == row)
        };
        terminal.await_screen("a bar", second("    right \u{2502}")).unwrap();
        terminal.resize((12, 30)).unwrap();
        terminal.type_keys("\r").unwrap();
        terminal.await_screen("its size", |screen| screen.contents().contains("12 30")).unwrap();
    }
}
