//! The program of `tests/chaos`, running where KVM is complete, and what it reports.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::figures::Figures;
use crate::{places, programs, status};

/// How the words of a nest begin that failed.
const NEST_FAILED: &str = "error: the nest ";

/// What is to be run.
pub struct Plan {
    pub program: PathBuf,
    pub kernel: PathBuf,
    /// Where cases go that break a VMM.
    pub keep: PathBuf,
    pub seed: u64,
    /// All, if there are none.
    pub chapters: Vec<String>,
    pub time: Duration,
    /// Where in the sequence to begin.
    pub first: u64,
    /// How many runs each chapter has at least.
    pub least: u64,
}

impl Plan {
    /// What is asked of the program, whatever it is to do with it.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--seed".to_owned(), self.seed.to_string()];
        for chapter in &self.chapters {
            arguments.extend(["--chapter".to_owned(), chapter.clone()]);
        }
        arguments
    }

    /// What the program says is wrong with this. It knows the chapters, and can tell without KVM.
    pub fn mistake(&self) -> Result<Option<String>> {
        let mut show = self.command(&self.program);
        let output = show.args(self.arguments()).arg("--show").output().context("the runs")?;
        let is_usage = output.status.code() == Some(i32::from(status::USAGE));
        Ok(is_usage.then(|| String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env(crate::linux::Piece::Kernel.variable(), &self.kernel).stdin(Stdio::null());
        command
    }
}

/// A run after which there was no nest.
pub struct Death {
    pub index: u64,
    pub chapter: String,
    number: String,
    pub words: String,
}

impl Death {
    /// Writes its case to a file: the program makes it again, for which it needs no KVM.
    pub fn keep(&self, plan: &Plan, folder: &Path) -> Result<PathBuf> {
        let mut show = plan.command(&plan.program);
        show.args(plan.arguments()).args(["--show", "--first", &self.index.to_string()]);
        let case = programs::output_of(&mut show)?;
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let name = format!("{}-nest-died-{}-{}.case", self.chapter, plan.seed, self.number);
        let path = folder.join(name);
        let words: String = self.words.lines().map(|line| format!("# {line}\n")).collect();
        places::write_whole(&path, &[words.as_bytes(), &case].concat())?;
        Ok(path)
    }
}

#[cfg(test)]
impl Death {
    pub fn of_test(chapter: &str, words: &str) -> Self {
        Self { index: 0, chapter: chapter.into(), number: "0".into(), words: words.into() }
    }
}

/// A program that runs, and what it says on standard error.
pub struct Session {
    child: Child,
    lines: BufReader<ChildStdout>,
    words: File,
}

impl Session {
    pub fn start(plan: &Plan) -> Result<Self> {
        let xtask = places::this_program()?;
        let words = tempfile::tempfile().context("a temporary file")?;
        let mut child = plan
            .command(&xtask)
            // A nest of its own: what such guests leave behind in there is not for others.
            .env("MINI_KVM_NEST_IDLE", "0")
            .arg("run")
            .arg(&plan.program)
            .args(plan.arguments())
            .args(["--seconds", &plan.time.as_secs().to_string()])
            .args(["--first", &plan.first.to_string(), "--least", &plan.least.to_string()])
            .arg("--keep")
            .arg(&plan.keep)
            .stdout(Stdio::piped())
            .stderr(words.try_clone()?)
            .spawn()
            .with_context(|| format!("cannot run {}", xtask.display()))?;
        let lines = BufReader::new(child.stdout.take().context("the runs' output")?);
        Ok(Self { child, lines, words })
    }

    /// Adds up what is reported until the end, or until the nest's.
    pub fn follow(mut self, figures: &mut Figures) -> Result<Option<Death>> {
        // The run that has begun and not ended.
        let mut under_way = None;
        let mut line = String::new();
        while self.lines.read_line(&mut line).context("the runs' output")? > 0 {
            let fields: Vec<_> = line.trim_end_matches('\n').split('\t').collect();
            match (fields.as_slice(), &under_way) {
                (["begin", index, chapter, number], _) => {
                    let index = index.parse().context("a number")?;
                    figures.begin(chapter);
                    under_way = Some((index, (*chapter).to_owned(), (*number).to_owned()));
                }
                (["ended", how, seconds, kib], Some((_, chapter, _))) => {
                    figures.ended(chapter, how, seconds.parse()?, kib.parse()?);
                }
                (["broken", file, what], Some((_, chapter, _))) => {
                    figures.broken(chapter, file, what);
                }
                (["smaller", file, bytes], _) => figures.smaller(file, bytes),
                _ => bail!("the runs say what they should not: {line:?}"),
            }
            line.clear();
        }
        let status = self.child.wait().context("the runs")?;
        let mut words = String::new();
        self.words.rewind().and_then(|()| self.words.read_to_string(&mut words))?;
        if matches!(status.code(), Some(0 | 1)) {
            return Ok(None);
        }
        match (words.find(NEST_FAILED), under_way) {
            (Some(at), Some((index, chapter, number))) => {
                let words = words[at..].trim_end().to_owned();
                Ok(Some(Death { index, chapter, number, words }))
            }
            _ => bail!("the runs ended too early: {status}{}", programs::indented(&words)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Its nest goes with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs cases, with our streams.
pub fn run_cases(program: &Path, kernel: &Path, cases: &[PathBuf]) -> Result<ExitCode> {
    let status = Command::new(places::this_program()?)
        .arg("run")
        .arg(program)
        .args(cases)
        .env(crate::linux::Piece::Kernel.variable(), kernel)
        .status()
        .context("the runs")?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
