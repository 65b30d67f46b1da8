//! The checks of answers to the labs: a module a chapter, in it a function a task. [`answer::Answer`] is
//! what these have to work with.

pub mod answer;
pub mod difference;
pub mod guest;
pub mod patience;
pub mod ran;
pub mod screen;
pub mod terminal;
pub mod typed;
pub mod verdict;

mod ch01;
mod ch02;
mod ch03;
mod ch04;
mod ch05;
mod ch06;
mod ch07;
mod ch08;
mod ch09;
mod ch10;
mod ch11;
mod ch12;
mod ch13;
mod ch14;
mod ch15;

use std::any::Any;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::Instant;

use labs::protocol::{Job, Outcome, TaskOutcome, Verdict};

use crate::answer::Answer;
use crate::patience::Patience;
use crate::verdict::Stop;

/// The check of a task.
type Check = fn(&mut Answer) -> Result<(), Stop>;

/// The checks of each lab, by the chapter's number and then by the task's id.
const CHECKS: &[(&str, &[(&str, Check)])] = &[
    ("ch01", ch01::CHECKS),
    ("ch02", ch02::CHECKS),
    ("ch03", ch03::CHECKS),
    ("ch04", ch04::CHECKS),
    ("ch05", ch05::CHECKS),
    ("ch06", ch06::CHECKS),
    ("ch07", ch07::CHECKS),
    ("ch08", ch08::CHECKS),
    ("ch09", ch09::CHECKS),
    ("ch10", ch10::CHECKS),
    ("ch11", ch11::CHECKS),
    ("ch12", ch12::CHECKS),
    ("ch13", ch13::CHECKS),
    ("ch14", ch14::CHECKS),
    ("ch15", ch15::CHECKS),
];

/// Checks an answer.
pub fn check(job: &Job) -> Outcome {
    let checks = CHECKS.iter().find(|(chapter, _)| *chapter == labs::short(&job.chapter));
    let checks = checks.map_or(&[][..], |(_, checks)| checks);
    let patience = Rc::new(Patience::default());
    let outcome = |id: &String| {
        let start = Instant::now();
        let verdict = match checks.iter().find(|(task, _)| task == id) {
            Some((_, check)) => {
                let answer = Answer::new(job, id);
                verdict_of(*check, answer.map(|answer| answer.with(&patience)))
            }
            None => Verdict::Broken("there is no check of this task".to_owned()),
        };
        TaskOutcome { id: id.clone(), verdict, seconds: start.elapsed().as_secs_f64() }
    };
    Outcome { name: job.name.clone(), tasks: job.tasks.iter().map(outcome).collect() }
}

fn verdict_of(check: Check, answer: io::Result<Answer>) -> Verdict {
    let mut answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Verdict::Broken(error.to_string()),
    };
    match panic::catch_unwind(AssertUnwindSafe(|| check(&mut answer))) {
        Ok(Ok(())) => Verdict::Passed,
        Ok(Err(Stop::Failed(why))) => Verdict::Failed(why),
        Ok(Err(Stop::Broken(why))) => Verdict::Broken(why),
        Err(payload) => Verdict::Broken(format!("the check panicked: {}", words(&*payload))),
    }
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let literal = payload.downcast_ref::<&str>().copied();
    literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use labs::Labs;

    use super::*;

    #[test]
    fn every_task_has_a_check_and_every_check_a_task() {
        let checkout = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."));
        let labs = Labs::read(checkout).unwrap();
        let listed: Vec<_> = labs
            .labs
            .iter()
            .map(|lab| (lab.number(), lab.tasks.iter().map(|task| &*task.id).collect::<Vec<_>>()))
            .collect();
        let checked: Vec<_> = CHECKS
            .iter()
            .map(|(chapter, checks)| (*chapter, checks.iter().map(|(id, _)| *id).collect()))
            .collect();
        assert_eq!(listed, checked);
    }

    #[test]
    fn a_check_that_cannot_be_made_is_neither_passed_nor_failed() {
        let folder = tempfile::tempdir().unwrap();
        let (job, _) = answer::tests::job(folder.path(), "true");
        let verdict = |check: Check| verdict_of(check, Answer::new(&job, "x"));
        assert_eq!(verdict(|_| Ok(())), Verdict::Passed);
        assert_eq!(verdict(|_| Err(Stop::Failed("no".into()))), Verdict::Failed("no".into()));
        assert_eq!(
            verdict(|_| panic!("a bug")),
            Verdict::Broken("the check panicked: a bug".into())
        );
        let unknown = check(&Job { tasks: vec!["nothing".to_owned()], ..job });
        assert!(matches!(&unknown.tasks[0].verdict, Verdict::Broken(_)));
    }
}
