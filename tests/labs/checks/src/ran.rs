//! Running the answer's program, and what may be expected of it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use ::tests::{Finished, Unfinished, fault_library, finish_within, set_fault};
use labs::protocol::Job;

use crate::difference::{beginning, difference};
use crate::patience::Patience;
use crate::typed::{FAULTS, be_quiet_about_panics, shown, sources, with_fault};
use crate::verdict::{Result, Stop, fail};

/// Much longer than a run takes, even in the nest on a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Much more than any guest prints.
const BYTES_MAX: usize = 4 << 20;

/// Lines that a message quotes of what a program said.
const QUOTED_LINES: usize = 6;

/// The program with its arguments, not yet run.
pub struct Run<'a> {
    job: &'a Job,
    patience: Rc<Patience>,
    arguments: Vec<String>,
    input: Vec<u8>,
    fault: Option<String>,
    time: Duration,
}

impl<'a> Run<'a> {
    /// With no input, a KVM in order, and plenty of time.
    pub fn new(job: &'a Job, patience: &Rc<Patience>, arguments: Vec<String>) -> Self {
        let patience = Rc::clone(patience);
        Self { job, patience, arguments, input: Vec::new(), fault: None, time: TIME_LIMIT }
    }

    /// Gives it this on standard input.
    pub fn input(mut self, input: &[u8]) -> Self {
        self.input = input.to_vec();
        self
    }

    /// Makes its KVM fail: `KVM_FAULT` of `tests/shim/kvm_faults.c`.
    pub fn fault(mut self, fault: &str) -> Self {
        self.fault = Some(fault.to_owned());
        self
    }

    /// Gives it this much time instead of a minute.
    pub fn within(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Runs it to its end. That it hangs, or prints without end, fails the task.
    pub fn finish(self) -> Result<Ran> {
        let mut command = Command::new(&self.job.program);
        command
            // It shows the name that it is called by.
            .arg0(&self.job.chapter)
            .args(&self.arguments)
            .envs(self.job.environment.iter().map(|(name, value)| (name, value)))
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        be_quiet_about_panics(&mut command);
        if let Some(fault) = &self.fault {
            set_fault(&mut command, fault);
            fs::copy(fault_library(), self.job.scratch.join(FAULTS))?;
        }
        let line = self.line();
        let time = self.patience.of(self.time);
        let start = Instant::now();
        let child = command.spawn().map_err(|error| Stop::Broken(format!("{line}\n{error}")))?;
        let name = format!("{} {}", self.job.chapter, self.arguments.join(" "));
        match saying(&name, time, || finish_within(child, &self.input, time, BYTES_MAX)) {
            Ok(finished) => {
                self.patience.note_end(start.elapsed());
                let scratch = format!("{}/", self.job.scratch.display());
                Ok(Ran { line, finished, scratch })
            }
            Err(Unfinished::Hangs(printed)) => {
                self.patience.note_hang();
                fail(format!(
                    "{line}\nstill running after {} seconds, with this on standard output:{}\nand this \
                     on standard error:{}",
                    time.as_secs(),
                    beginning(&printed.stdout, QUOTED_LINES),
                    beginning(&printed.stderr, QUOTED_LINES)
                ))
            }
            Err(Unfinished::PrintsTooMuch(printed)) => {
                let first = [printed.stdout, printed.stderr].concat();
                fail(format!(
                    "{line}\nprinted more than {} MiB, and went on:{}",
                    BYTES_MAX >> 20,
                    beginning(&first, QUOTED_LINES)
                ))
            }
        }
    }

    /// As one would type it.
    fn line(&self) -> String {
        let mut line = String::from("$ ");
        if !self.input.is_empty() {
            let input = self.input.escape_ascii().to_string();
            // Neither `%` nor `'` stands for itself in there.
            let format = input.replace('%', "%%").replace(r"\'", r"\047");
            line += &format!("printf '{format}' | ");
        }
        match &self.fault {
            Some(fault) => line += &shown(&with_fault(self.job, fault), &self.arguments),
            None => line += &shown(&self.job.command, &self.arguments),
        }
        line + &sources(self.job, &self.arguments)
    }
}

/// Does something that may take this long, and if it does take long, says so on standard error.
fn saying<T>(name: &str, time: Duration, work: impl FnOnce() -> T) -> T {
    let (done, waits) = channel::<()>();
    let name = name.to_owned();
    thread::spawn(move || {
        for quarter in 1..4_u32 {
            if waits.recv_timeout(time / 4) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let so_far = (time * quarter / 4).as_secs();
            eprintln!("running for {so_far} s, of {} at most: {name}", time.as_secs());
        }
    });
    let result = work();
    drop(done);
    result
}

/// A run that came to its end.
pub struct Ran {
    line: String,
    finished: Finished,
    /// The folder of the guests, which makes lines too long to be read.
    scratch: String,
}

/// What may be expected of a run: each fails the task if it is not so.
impl Ran {
    /// Whether this is its status. Unlike the others, this is a question.
    pub fn ended_with(&self, status: i32) -> bool {
        self.finished.status.code() == Some(status)
    }

    /// It ended with this status.
    pub fn status(&self, expected: i32) -> Result<&Self> {
        match self.finished.status.code() {
            Some(status) if status == expected => Ok(self),
            Some(status) => self.fail(&format!(
                "ended with status {status}, not {expected}; standard error:{}",
                self.beginning_of_stderr()
            )),
            None => self.fail(&format!(
                "died ({}); standard error:{}",
                self.finished.status,
                self.beginning_of_stderr()
            )),
        }
    }

    /// This, to the byte, is what it printed on standard output.
    pub fn stdout(&self, expected: impl AsRef<[u8]>) -> Result<&Self> {
        let expected = expected.as_ref();
        let Some(difference) = self.difference("standard output", expected, &self.finished.stdout)
        else {
            return Ok(self);
        };
        // Why it printed something else may be on standard error.
        match self.finished.status.code() {
            Some(0) => self.fail(&difference),
            _ => self.fail(&format!(
                "{difference}\nit ended with {}; standard error:{}",
                self.finished.status,
                self.beginning_of_stderr()
            )),
        }
    }

    /// This, to the byte, is what it printed on standard error.
    pub fn stderr(&self, expected: impl AsRef<[u8]>) -> Result<&Self> {
        self.same("standard error", expected.as_ref(), &self.finished.stderr)
    }

    /// What it printed on standard error begins with these lines.
    pub fn stderr_begins(&self, expected: &str) -> Result<&Self> {
        let lines = expected.split_inclusive('\n').count();
        let printed = self.finished.stderr.split_inclusive(|byte| *byte == b'\n').take(lines);
        self.same("standard error", expected.as_bytes(), &printed.collect::<Vec<_>>().concat())
    }

    /// This is somewhere in what it printed on standard error.
    pub fn stderr_has(&self, expected: &str) -> Result<&Self> {
        if self.stderr_text().contains(expected) {
            return Ok(self);
        }
        self.fail(&format!("no {expected:?} on standard error:{}", self.beginning_of_stderr()))
    }

    /// What it printed on standard output, for a check of its own.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.finished.stdout).into_owned()
    }

    /// The same, for what is no text.
    pub fn stdout_bytes(&self) -> &[u8] {
        &self.finished.stdout
    }

    /// What it printed on standard error, for a check of its own.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.finished.stderr).into_owned()
    }

    /// Fails the task for this reason, and says which run it was.
    pub fn fail<T>(&self, why: &str) -> Result<T> {
        fail(format!("{}\n{why}", self.line))
    }

    fn same(&self, what: &str, expected: &[u8], printed: &[u8]) -> Result<&Self> {
        match self.difference(what, expected, printed) {
            None => Ok(self),
            Some(difference) => self.fail(&difference),
        }
    }

    /// The first difference, with short names of guests.
    fn difference(&self, what: &str, expected: &[u8], printed: &[u8]) -> Option<String> {
        let whole = difference(what, expected, printed)?;
        // They might differ in the folder's name alone.
        Some(difference(what, &self.short(expected), &self.short(printed)).unwrap_or(whole))
    }

    fn beginning_of_stderr(&self) -> String {
        beginning(&self.short(&self.finished.stderr), QUOTED_LINES)
    }

    /// A text in which the guests' folder is three dots: its name is in the command above.
    fn short(&self, text: &[u8]) -> Vec<u8> {
        let (folder, mut rest) = (self.scratch.as_bytes(), text);
        let mut short = Vec::new();
        while let Some((first, after)) = rest.split_first() {
            match rest.strip_prefix(folder) {
                Some(behind) => {
                    short.extend(b".../");
                    rest = behind;
                }
                None => {
                    short.push(*first);
                    rest = after;
                }
            }
        }
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::job;

    fn run(script: &str, change: impl FnOnce(Run) -> Run) -> Result<Ran> {
        let folder = tempfile::tempdir().unwrap();
        let (job, _) = job(folder.path(), script);
        change(Run::new(&job, &Rc::default(), vec!["a b".to_owned(), "--c".to_owned()])).finish()
    }

    fn why<T>(result: Result<T>) -> String {
        match result {
            Err(Stop::Failed(why)) => why,
            Err(Stop::Broken(why)) => panic!("broken: {why}"),
            Ok(_) => panic!("it passed"),
        }
    }

    #[test]
    fn arguments_input_status_and_output_are_passed_on() {
        let ran = run(r#"cat; echo "$2 $1" >&2; exit 3"#, |run| run.input(b"in\n")).unwrap();
        ran.status(3).unwrap().stdout("in\n").unwrap().stderr("--c a b\n").unwrap();
        ran.stderr_has("a b").unwrap().stderr_begins("--c a b\n").unwrap();
        let line = "$ printf 'in\\n' | cargo run -p ch00-x -- 'a b' --c\n";
        for (result, part) in [
            (ran.status(0), "ended with status 3, not 0; standard error:\n  | --c a b"),
            (ran.stdout("out\n"), "standard output, line 1:"),
            (ran.stderr(""), "standard error, line 1:"),
            (ran.stderr_has("d"), "no \"d\" on standard error:\n  | --c a b"),
        ] {
            let said = why(result);
            assert!(said.starts_with(line) && said.contains(part), "{said}");
        }
    }

    #[test]
    fn a_program_that_hangs_fails_the_task() {
        let said = why(run("echo begun; exec sleep 1000", |mut run| {
            run.time = Duration::from_millis(300);
            run
        }));
        assert!(said.contains("still running after 0 seconds"), "{said}");
        assert!(said.contains("standard output:\n  | begun"), "{said}");
    }

    #[test]
    fn a_program_that_leaves_a_child_with_its_streams_fails_the_task() {
        let said = why(run("sleep 5 & exit 0", |mut run| {
            run.time = Duration::from_millis(300);
            run
        }));
        assert!(said.contains("still running"), "{said}");
    }

    #[test]
    fn a_program_that_prints_without_end_fails_the_task() {
        let said = why(run("exec yes", |run| run));
        assert!(said.contains("printed more than 4 MiB, and went on:\n  | y\n"), "{said}");
    }

    #[test]
    fn a_program_that_never_reads_is_not_waited_for_any_longer() {
        run("exit 0", |run| run.input(&vec![b'x'; 1 << 20])).unwrap().status(0).unwrap();
    }

    #[test]
    fn a_program_that_dies_fails_the_task() {
        let said = why(run("echo oh >&2; kill -SEGV $$", |run| run).unwrap().status(0));
        assert!(said.contains("died (signal: 11") && said.contains("| oh"), "{said}");
    }

    #[test]
    fn a_program_that_is_not_there_says_nothing_about_the_answer() {
        let folder = tempfile::tempdir().unwrap();
        let (mut job, _) = job(folder.path(), "");
        job.program = folder.path().join("nothing");
        assert!(matches!(
            Run::new(&job, &Rc::default(), Vec::new()).finish(),
            Err(Stop::Broken(_))
        ));
    }

    #[test]
    fn what_hangs_once_need_not_hang_as_long_again() {
        let folder = tempfile::tempdir().unwrap();
        let (job, _) = job(folder.path(), "exec sleep 1000");
        let patience = Rc::new(Patience::default());
        let run = || Run::new(&job, &patience, Vec::new()).within(Duration::from_secs(2)).finish();
        assert!(why(run()).contains("still running after 2 seconds"));
        let start = Instant::now();
        assert!(why(run()).contains("still running after 1 seconds"));
        assert!(start.elapsed() >= Duration::from_secs(1));
    }
}
