//! The answer to a lab, as a check sees it: a program to run, its sources, and a place for files.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use fastrand::Rng;
use labs::protocol::Job;

use crate::patience::Patience;
use crate::ran::Run;
use crate::terminal::{Script, Terminal};
use crate::verdict::{Result, Stop};

/// The answer whose task is checked.
pub struct Answer<'a> {
    job: &'a Job,
    /// Guests, inputs and numbers come from here, so that the same seed gives the same ones: to each
    /// task its own, whichever others are checked.
    pub random: Rng,
    /// How long its runs may take: what is known of one task is good for the next.
    pub(crate) patience: Rc<Patience>,
}

impl<'a> Answer<'a> {
    /// The answer of this job, for the check of one of its tasks.
    pub fn new(job: &'a Job, task: &str) -> io::Result<Self> {
        fs::create_dir_all(&job.scratch)?;
        // Not the hash that a `HashMap` has: it is the same each time.
        let mut hasher = DefaultHasher::new();
        (job.seed, &job.chapter, task).hash(&mut hasher);
        let random = Rng::with_seed(hasher.finish());
        Ok(Self { job, random, patience: Rc::default() })
    }

    /// The same with what is known of the program from other tasks.
    pub(crate) fn with(self, patience: &Rc<Patience>) -> Self {
        Self { patience: Rc::clone(patience), ..self }
    }

    /// The program with these arguments, to be run: `answer.run(["--list"]).finish()?`.
    pub fn run<A: AsRef<str>>(&self, arguments: impl IntoIterator<Item = A>) -> Run<'a> {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().into()).collect();
        Run::new(self.job, &self.patience, arguments)
    }

    /// The same on a terminal of this many rows and columns.
    pub fn terminal<A: AsRef<str>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        (rows, columns): (u16, u16),
    ) -> Result<Terminal> {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().into()).collect();
        let patience = &self.patience;
        Terminal::start(&Script { job: self.job, patience, arguments, rows, columns })
    }

    /// A file with these contents, for the program to read. It stays, so that a failure can be tried
    /// again by hand.
    pub fn file(&self, name: &str, contents: &[u8]) -> Result<PathBuf> {
        let path = self.scratch(name);
        fs::write(&path, contents)?;
        Ok(path)
    }

    /// What is to be checked, and how.
    pub fn job(&self) -> &Job {
        self.job
    }

    /// A path at which the check or the program may write.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.job.scratch.join(name)
    }

    /// What the program finds in its environment: a file to boot, say.
    pub fn environment(&self, name: &str) -> Result<&str> {
        let found = self.job.environment.iter().find(|(other, _)| other == name);
        let missing = || Stop::Broken(format!("{name} is not in the program's environment"));
        found.map(|(_, value)| value.as_str()).ok_or_else(missing)
    }

    /// A file of the answer's package.
    pub fn source(&self, name: &str) -> PathBuf {
        self.job.sources.join(name)
    }
}

/// A path as text, as a command line wants it.
pub fn text(path: &Path) -> &str {
    ::tests::text(path)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A job whose program is a shell script, and how its command is shown.
    pub fn job(folder: &Path, script: &str) -> (Job, &'static str) {
        let program = folder.join("program");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let command = "cargo run -p ch00-x --";
        let job = Job {
            name: "x".to_owned(),
            chapter: "ch00-x".to_owned(),
            tasks: Vec::new(),
            program,
            command: command.to_owned(),
            sources: folder.to_owned(),
            scratch: folder.join("scratch"),
            seed: 1,
            environment: Vec::new(),
        };
        (job, command)
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_each_task_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (job, _) = job(folder.path(), "true");
        let number = |job: &Job, task| Answer::new(job, task).unwrap().random.u64(..);
        assert_eq!(number(&job, "a"), number(&job, "a"));
        assert_ne!(number(&job, "a"), number(&job, "b"));
        assert_ne!(number(&job, "a"), number(&Job { seed: 2, ..job.clone() }, "a"));
    }
}
