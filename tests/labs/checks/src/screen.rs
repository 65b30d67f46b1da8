//! The answer's program on a terminal on which it draws, and what is to be seen there.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::Command;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rexpect::process::PtyProcess;
use rustix::termios::{Winsize, tcsetwinsize};

use crate::answer::Answer;
use crate::patience::Patience;
use crate::typed::{be_quiet_about_panics, shown};
use crate::verdict::{Result, Stop, fail};

/// Long enough for the nest on a busy machine; what is awaited comes sooner.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the shell says when the program has ended, if that left the terminal as it was.
const ENDED: &str = "ended with status ";

/// Ways back from the alternate screen.
const LEAVE: [&[u8]; 2] = [b"\x1b[?1049l", b"\x1b[?47l"];

/// The question where the cursor is. ECMA-48, 8.3.35, "DSR".
const WHERE: &[u8] = b"\x1b[6n";

/// What is to be run on a terminal of which size.
pub struct Script<'a> {
    /// The program's arguments. It runs in the folder for files: names are short there.
    pub arguments: &'a [&'a str],
    /// What the shell is to redirect: `</dev/null`.
    pub redirections: &'a str,
    /// The terminal's height and width.
    pub size: (u16, u16),
}

/// A program that runs on a terminal of its own.
pub struct Screen {
    _process: PtyProcess,
    terminal: File,
    output: Receiver<Vec<u8>>,
    /// All that was ever sent to the terminal.
    sent: Vec<u8>,
    parser: vt100::Parser,
    patience: Rc<Patience>,
    line: String,
}

impl Screen {
    /// Starts it.
    pub fn start(answer: &Answer, script: &Script) -> Result<Self> {
        let Script { arguments, redirections, size: (rows, columns) } = *script;
        let job = answer.job();
        let mut shell = Command::new("sh");
        // Ctrl-C is for the program.
        shell.arg("-c").arg(format!(
            r#"trap : INT; cd "$0"; stty rows {rows} cols {columns}; before=$(stty -g)
            "$@" {redirections}
            status=$?; test "$before" = "$(stty -g)" || echo the settings were not restored
            echo "{ENDED}$status""#
        ));
        shell.arg(answer.scratch("")).arg(&job.program).args(arguments);
        shell.envs(job.environment.iter().map(|(name, value)| (name, value)));
        shell.env("TERM", "xterm-256color").env("NO_COLOR", "1");
        be_quiet_about_panics(&mut shell);
        // `anstream` has colours on any terminal where one of these is set.
        for variable in ["CI", "CLICOLOR", "CLICOLOR_FORCE"] {
            shell.env_remove(variable);
        }
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let line = format!(
            "$ cd {}\n$ {} {redirections}    (on a terminal of {rows} rows and {columns} columns)",
            answer.scratch("").display(),
            shown(&job.command, &arguments)
        );
        let broken = |error| Stop::Broken(format!("a terminal: {error}"));
        let mut process = PtyProcess::new(shell).map_err(broken)?;
        process.set_kill_timeout(Some(1000));
        let terminal = process.get_file_handle().map_err(broken)?;
        let mut reader = terminal.try_clone()?;
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // On Linux, that nobody has it open any longer is an error.
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        let parser = vt100::Parser::new(nonzero(rows), nonzero(columns), 0);
        let patience = Rc::clone(&answer.patience);
        Ok(Self { _process: process, terminal, output, sent: Vec::new(), parser, patience, line })
    }

    /// Waits until all `is_right` with what is to be seen; else it says what is wrong.
    pub fn await_frame(
        &mut self,
        is_right: impl Fn(&vt100::Screen) -> std::result::Result<(), String>,
    ) -> Result<()> {
        let deadline = Instant::now() + self.patience.of(PATIENCE);
        loop {
            let Err(wrong) = is_right(self.parser.screen()) else { return Ok(()) };
            match self.receive(deadline) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.patience.note_hang();
                    return self.fail(&wrong);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return self.fail(&format!("it is no longer there: {wrong}"));
                }
            }
        }
    }

    /// Looks for so long whether it goes on: a failure if it does not.
    pub fn stays(&mut self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        loop {
            match self.receive(deadline) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) if self.parser.screen().alternate_screen() => {
                    return Ok(());
                }
                Err(_) => return self.fail("the panes did not stay until a key was pressed"),
            }
        }
    }

    /// Types keys.
    pub fn type_keys(&mut self, keys: &str) -> Result<()> {
        Ok(self.terminal.write_all(keys.as_bytes())?)
    }

    /// Makes the window this high and wide.
    pub fn resize(&mut self, (rows, columns): (u16, u16)) -> Result<()> {
        self.parser.screen_mut().set_size(nonzero(rows), nonzero(columns));
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.terminal, size).map_err(|error| Stop::Broken(error.to_string()))?;
        self.line += &format!("\n(then {rows} rows and {columns} columns)");
        Ok(())
    }

    /// Waits for its end, which has to have this status and to leave the terminal as it was. Gives what
    /// it wrote after it had left the alternate screen.
    pub fn await_status(&mut self, expected: i32) -> Result<String> {
        let deadline = Instant::now() + self.patience.of(PATIENCE);
        loop {
            match self.receive(deadline) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.patience.note_hang();
                    return self.fail("it does not end");
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let left = |leave: &&[u8]| {
            let at = self.sent.windows(leave.len()).rposition(|bytes| bytes == *leave)?;
            Some(at + leave.len())
        };
        let Some(left) = LEAVE.iter().filter_map(left).max() else {
            return self.fail("it never left the alternate screen");
        };
        let after = anstream::adapter::strip_bytes(&self.sent[left..]).into_vec();
        let after = String::from_utf8_lossy(&after).replace("\r\n", "\n");
        if self.parser.screen().hide_cursor() {
            return self.fail("the cursor is still hidden");
        }
        let Some((after, status)) = after.rsplit_once(ENDED) else {
            return self.fail("the shell is gone, too");
        };
        if status.trim_end() != expected.to_string() {
            return self.fail(&format!("ended with status {}, not {expected}", status.trim_end()));
        }
        Ok(after.to_owned())
    }

    /// Fails the task for this reason, and shows what is to be seen.
    pub fn fail<T>(&self, why: &str) -> Result<T> {
        let (_, columns) = self.parser.screen().size();
        let rows = self.parser.screen().rows(0, columns.get());
        let picture: String = rows.map(|row| format!("\n  |{row}")).collect();
        fail(format!(
            "{}\n{why}\nThe screen:{}",
            self.line,
            picture.trim_end_matches(['\n', ' ', '|'])
        ))
    }

    fn receive(&mut self, deadline: Instant) -> std::result::Result<(), RecvTimeoutError> {
        let bytes = self.output.recv_timeout(deadline.saturating_duration_since(Instant::now()))?;
        self.parser.process(&bytes);
        let known = self.sent.len().saturating_sub(WHERE.len() - 1);
        self.sent.extend(bytes);
        // A terminal that is asked answers as if somebody typed.
        for _ in self.sent[known..].windows(WHERE.len()).filter(|bytes| *bytes == WHERE) {
            let (row, column) = self.parser.screen().cursor_position();
            let answer = format!("\x1b[{};{}R", row + 1, column + 1);
            // If the program is gone, nobody wants to know.
            let _ = self.terminal.write_all(answer.as_bytes());
        }
        Ok(())
    }
}

fn nonzero(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::job;

    /// Draws, waits for a line, and goes back.
    const PROGRAM: &str = r"printf '\033[?1049h\033[2;3Hdrawn'
read line
printf '\033[?1049l'; echo got $line $(stty size); exit 3";

    fn row(screen: &vt100::Screen, row: usize) -> String {
        screen.rows(0, screen.size().1.get()).nth(row).unwrap_or_default()
    }

    #[test]
    fn what_is_drawn_is_seen_and_what_follows_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let (job, _) = job(folder.path(), PROGRAM);
        let answer = Answer::new(&job, "x").unwrap();
        let script = Script { arguments: &["a"], redirections: "", size: (10, 40) };
        let mut screen = Screen::start(&answer, &script).unwrap();
        let is_drawn = |screen: &vt100::Screen| match &*row(screen, 1) {
            "  drawn" if screen.alternate_screen() => Ok(()),
            other => Err(format!("not drawn: {other:?}")),
        };
        screen.await_frame(is_drawn).unwrap();
        screen.stays(Duration::from_millis(50)).unwrap();
        screen.resize((12, 34)).unwrap();
        screen.type_keys("keys\n").unwrap();
        assert_eq!(screen.await_status(3).unwrap(), "got keys 12 34\n");
        let Err(Stop::Failed(why)) = screen.await_frame(is_drawn) else { panic!() };
        assert!(why.contains("$ cargo run -p ch00-x -- a "), "{why}");
        assert!(why.contains("10 rows and 40 columns)\n(then 12 rows and 34 columns)\n"), "{why}");
        assert!(why.contains("it is no longer there: not drawn"), "{why}");
    }

    #[test]
    fn a_terminal_that_is_not_restored_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (job, _) = job(folder.path(), r"printf '\033[?1049h\033[?1049l'; stty -icanon");
        let answer = Answer::new(&job, "x").unwrap();
        let script = Script { arguments: &[], redirections: "", size: (10, 40) };
        let mut screen = Screen::start(&answer, &script).unwrap();
        assert_eq!(screen.await_status(0).unwrap(), "the settings were not restored\n");
    }
}
