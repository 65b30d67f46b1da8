//! How `cargo xtask grade` and the checks talk: a [`Job`] a line on the checks' standard input, an
//! [`Outcome`] a line on their standard output, both in JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// An answer to a lab, to be checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// What the outcome is to be called.
    pub name: String,
    /// The package's name of the chapter whose lab it is.
    pub chapter: String,
    /// The ids of the tasks to check, in order.
    pub tasks: Vec<String>,
    /// The program that was built from the answer.
    pub program: PathBuf,
    /// What a reader types to run it.
    pub command: String,
    /// The folder of the answer's package.
    pub sources: PathBuf,
    /// Where the checks may write, and leave what a reader may want to try again.
    pub scratch: PathBuf,
    /// What guests, inputs and numbers depend on.
    pub seed: u32,
    /// Variables for the program's environment: what it boots, say.
    pub environment: Vec<(String, String)>,
}

/// What the checks found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The job's.
    pub name: String,
    /// In the order of the job.
    pub tasks: Vec<TaskOutcome>,
}

/// What a task's check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskOutcome {
    /// The task's.
    pub id: String,
    /// How it went.
    pub verdict: Verdict,
    /// How long it took.
    pub seconds: f64,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is", content = "why")]
pub enum Verdict {
    /// The answer does what the task asks for.
    Passed,
    /// It does not, and why.
    Failed(String),
    /// The check could not be made. This says nothing about the answer, and is never a pass.
    Broken(String),
}
