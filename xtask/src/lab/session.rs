//! Running the checks where KVM is complete: here, or in the nest.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, anyhow};
use labs::protocol::{Job, Outcome};

use crate::nest;

/// Jobs for which it is worth to start another nest.
const JOBS_PER_SESSION: usize = 6;

/// How many sessions run at the same time, at most: a nest takes a CPU, and 2 GiB of memory.
const SESSIONS_MAX: usize = 2;

/// Checks all answers. The outcomes are in the order of the jobs; `each` sees them as they come.
pub fn run(
    checkout: &Path,
    checks: &Path,
    jobs: &[Job],
    each: impl Fn(&Outcome) + Sync,
) -> Result<Vec<Outcome>> {
    let cpus = thread::available_parallelism().map_or(1, |count| count.get());
    let sessions = jobs.len().div_ceil(JOBS_PER_SESSION).min(SESSIONS_MAX).min(cpus).max(1);
    let at_once = sessions > 1;
    let queue = Mutex::new(jobs.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        let mut session = None;
        loop {
            let next = queue.lock().expect("nobody panics who holds it").next();
            let Some((position, job)) = next else { break };
            let start = || Session::start(checkout, checks, jobs, at_once);
            let outcome = match check(&mut session, start, job) {
                // Now and then a nest dies, which says nothing about the answer.
                Err(error) if std::env::var_os("MINI_KVM").is_none_or(|it| it != "native") => {
                    eprintln!("{error:#}\n{}: once more…", job.name);
                    session = None;
                    check(&mut session, start, job)?
                }
                outcome => outcome?,
            };
            each(&outcome);
            done.lock().expect("nobody panics who holds it").push((position, outcome));
        }
        session.map_or(Ok(()), Session::end)
    };
    let results = thread::scope(|scope| {
        let workers: Vec<_> = (0..sessions).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join()).collect::<Vec<_>>()
    });
    for result in results {
        result.map_err(|_| anyhow!("a session panicked"))??;
    }
    let mut done = done.into_inner().expect("nobody panicked");
    done.sort_by_key(|(position, _)| *position);
    Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
}

/// Has an answer checked, in a session that is started if there is none.
fn check(
    session: &mut Option<Session>,
    start: impl Fn() -> Result<Session>,
    job: &Job,
) -> Result<Outcome> {
    let session = match session {
        Some(session) => session,
        None => session.insert(start()?),
    };
    session.check(job)
}

/// The checks' program, running.
struct Session {
    child: Child,
    answers: Box<dyn BufRead + Send>,
}

impl Session {
    /// Starts one for some of these jobs, or for all of them if no others run at the same time.
    fn start(checkout: &Path, checks: &Path, jobs: &[Job], others_run: bool) -> Result<Self> {
        let xtask = crate::places::this_program()?;
        let mut command = Command::new(&xtask);
        command.arg("run");
        if others_run {
            // In one nest they would take turns. And one of their own reads what it runs only once.
            command.env(nest::IDLE_VARIABLE, "0");
        } else {
            let programs = jobs.iter().map(|job| job.program.as_os_str());
            command.args(programs.flat_map(|program| [OsStr::new("--keep"), program]));
        }
        let mut child = command
            .arg(checks)
            // What a message names can be found from there.
            .current_dir(checkout)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", xtask.display()))?;
        let stdout = child.stdout.take().context("the checks' output")?;
        Ok(Self { child, answers: Box::new(BufReader::new(stdout)) })
    }

    fn check(&mut self, job: &Job) -> Result<Outcome> {
        let line = serde_json::to_string(job)? + "\n";
        let stdin = self.child.stdin.as_mut().context("the checks' input")?;
        let sent = stdin.write_all(line.as_bytes()).and_then(|()| stdin.flush());
        let mut answer = String::new();
        if sent.is_ok() {
            self.answers.read_line(&mut answer).context("the checks' output")?;
        }
        if answer.is_empty() {
            let status = self.child.wait().context("the checks")?;
            return Err(anyhow!("{} could not be graded: the checks ended ({status})", job.name));
        }
        serde_json::from_str(&answer).with_context(|| format!("the checks said {answer:?}"))
    }

    /// Tells it that there is nothing more, and waits for its end.
    fn end(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        self.child.wait().context("the checks").map(drop)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Its nest goes with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
