//! `cargo xtask lab check`: what CI holds every lab to. A starter compiles and fails each task, a
//! solution gets all points, and each wrong answer that is kept fails where it should and says why.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use labs::protocol::{Outcome, TaskOutcome, Verdict};
use labs::{Lab, Labs, hints};

use super::answer::Answer;
use super::build::{self, Extent};
use super::wrong::{self, WrongAnswer};
use super::{need_whole_checkout, take_turn};
use crate::chapters::Checkout;
use crate::grade;
use crate::status;

pub const AFTER_HELP: &str = "\
Exit status: 0 if every lab is as it should be, 1 if one is not, 64 if there is none of that name, 66 in a
student's workspace, 69 if it could not be found out.";

/// Anything but what a student would get by chance, so that a failure can be seen again.
const SEED: u32 = 19_720_802;

#[derive(clap::Args)]
pub struct Options {
    /// ch07, 7 or ch07-hypercall; without it, all
    chapters: Vec<String>,
    /// What guests, inputs and numbers depend on
    #[arg(long, default_value_t = SEED)]
    seed: u32,
}

/// One of the three things that a lab promises of an answer.
enum State {
    Starter,
    Solution,
    Wrong(WrongAnswer),
}

/// Runs the command.
pub fn run(options: &Options) -> Result<ExitCode> {
    let start = Instant::now();
    let checkout = Checkout::here()?;
    need_whole_checkout(&checkout, "lab check")?;
    grade::machine::check_choice()?;
    let labs = Labs::read(&checkout.root)?;
    let mut failures = Vec::new();
    let chosen = chosen(&checkout, &labs, options, &mut failures)?;

    let mut states = Vec::new();
    let mut labs_of = Vec::new();
    let mut answers = Vec::new();
    for lab in chosen {
        if let Err(error) = hints::read(&checkout.root, lab) {
            failures.push(format!("{}: {error:#}", lab.chapter));
        }
        for (state, answer) in all_states(&checkout, lab, &mut failures) {
            states.push(state);
            labs_of.push(lab);
            answers.push(answer);
        }
    }
    let target = grade::target()?;
    // One lab is for who writes it, all are what `cargo xtask test` does.
    let extent = if options.chapters.is_empty() { Extent::Workspace } else { Extent::Least };
    let _turn = take_turn(&target)?;
    let built = build::answers(&checkout, &target, &answers, extent)?;
    let jobs = grade::jobs(&checkout, &target, options.seed, &labs_of, &answers, &built)?;
    let outcomes = grade::check(&checkout, &target, &labs, &jobs, extent)?;

    let mut passed = 0;
    let mut text = String::new();
    for ((state, answer), built) in states.iter().zip(&answers).zip(&built) {
        let outcome = outcomes.iter().find(|outcome| outcome.name == answer.name);
        let verdict = match (built, outcome) {
            (Ok(_), Some(outcome)) => state.judge(outcome),
            (Ok(_), None) => Err("it was not checked".to_owned()),
            (Err(_), _) => Err("it does not build".to_owned()),
        };
        let name = format!("{} {}", labs::short(&answer.chapter), state.name());
        match verdict {
            Ok(()) => {
                passed += 1;
                text += &format!("lab {name} ... ok\n");
            }
            Err(why) => failures.push(format!("{name}: {why}")),
        }
    }
    for failure in &failures {
        text += &format!("lab {failure}\n... FAILED\n");
    }
    if !labs.missing.is_empty() {
        text += &format!("labs still to be written: {}\n", labs.missing.join(", "));
    }
    // As cargo's tests end, for `cargo xtask test` counts these lines.
    text += &format!(
        "\ntest result: {}. {passed} passed; {} failed; 0 ignored; 0 measured; 0 filtered out; \
         finished in {:.2}s\n",
        if failures.is_empty() { "ok" } else { "FAILED" },
        failures.len(),
        start.elapsed().as_secs_f64()
    );
    io::stdout().write_all(text.as_bytes()).context("stdout")?;
    let mut tasks = outcomes.iter().flat_map(|outcome| &outcome.tasks);
    Ok(ExitCode::from(if tasks.any(|task| matches!(task.verdict, Verdict::Broken(_))) {
        status::NO_USABLE_KVM
    } else if failures.is_empty() {
        0
    } else {
        status::FAILED
    }))
}

/// The labs to check. A chapter without one is a failure, unless it is known to be missing.
fn chosen<'a>(
    checkout: &Checkout,
    labs: &'a Labs,
    options: &Options,
    failures: &mut Vec<String>,
) -> Result<Vec<&'a Lab>> {
    if options.chapters.is_empty() {
        let unknown = checkout.chapters.iter().filter(|chapter| labs.find(chapter).is_none());
        let unknown = unknown.filter(|chapter| !labs.missing.contains(chapter));
        failures.extend(unknown.map(|chapter| format!("{chapter}: it has no lab")));
        let strays = wrong::strays(&checkout.root, labs)?;
        failures.extend(strays.iter().map(|it| format!("tests/labs/wrong/{it}: of no lab")));
        return Ok(labs.labs.iter().collect());
    }
    grade::named(checkout, labs, &options.chapters)
}

/// All the answers to a lab that it promises something of.
fn all_states(checkout: &Checkout, lab: &Lab, failures: &mut Vec<String>) -> Vec<(State, Answer)> {
    let mut states = vec![(State::Starter, Answer::chapter(checkout, lab))];
    match Answer::solution(checkout, lab) {
        Ok(answer) => states.push((State::Solution, answer)),
        Err(error) => failures.push(format!("{} solution: {error:#}", lab.number())),
    }
    let wrong = match wrong::read(&checkout.root, lab) {
        Ok(wrong) if !wrong.is_empty() => wrong,
        Ok(_) => {
            failures.push(format!(
                "{}: no wrong answer is kept: tests/labs/wrong/{0}_NAME.patch",
                lab.number()
            ));
            return states;
        }
        Err(error) => {
            failures.push(format!("{}: {error:#}", lab.number()));
            return states;
        }
    };
    for wrong in wrong {
        let name = format!("{}-wrong-{}", lab.chapter, wrong.name);
        match Answer::patched(checkout, lab, &name, &wrong.patch) {
            Ok(answer) => states.push((State::Wrong(wrong), answer)),
            Err(error) => failures.push(format!("{} {}: {error:#}", lab.number(), wrong.name)),
        }
    }
    states
}

impl State {
    fn name(&self) -> String {
        match self {
            Self::Starter => "starter".to_owned(),
            Self::Solution => "solution".to_owned(),
            Self::Wrong(wrong) => format!("wrong answer {}", wrong.name),
        }
    }

    /// Whether the checks found what they should, or else what they did find.
    fn judge(&self, outcome: &Outcome) -> Result<(), String> {
        for TaskOutcome { id, verdict, .. } in &outcome.tasks {
            if let Verdict::Broken(why) = verdict {
                return Err(format!("{id} could not be checked: {why}"));
            }
        }
        let should_pass = |id: &String| match self {
            Self::Starter => false,
            Self::Solution => true,
            Self::Wrong(wrong) => !wrong.fails.contains(id),
        };
        for TaskOutcome { id, verdict, .. } in &outcome.tasks {
            match verdict {
                Verdict::Passed if !should_pass(id) => return Err(format!("it passes {id}")),
                Verdict::Failed(why) if should_pass(id) => {
                    return Err(format!("it fails {id}: {why}"));
                }
                _ => {}
            }
        }
        let Self::Wrong(wrong) = self else { return Ok(()) };
        let first = outcome.tasks.iter().find(|task| wrong.fails.contains(&task.id));
        match first.map(|task| &task.verdict) {
            Some(Verdict::Failed(why)) if why.contains(&wrong.says) => Ok(()),
            Some(Verdict::Failed(why)) => {
                Err(format!("the message does not say {:?}:\n{why}", wrong.says))
            }
            _ => Err("it fails no task".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n";

    fn outcome(verdicts: [Verdict; 2]) -> Outcome {
        let [one, two] = verdicts;
        let task = |id: &str, verdict| TaskOutcome { id: id.to_owned(), verdict, seconds: 0.0 };
        Outcome { name: "x".to_owned(), tasks: vec![task("one", one), task("two", two)] }
    }

    fn failed(why: &str) -> Verdict {
        Verdict::Failed(why.to_owned())
    }

    #[test]
    fn a_starter_fails_every_task_and_a_solution_none() {
        let both = outcome([failed("a"), failed("b")]);
        let one = outcome([Verdict::Passed, failed("line 3")]);
        let none = outcome([Verdict::Passed, Verdict::Passed]);
        assert_eq!(State::Starter.judge(&both), Ok(()));
        assert_eq!(State::Starter.judge(&one), Err("it passes one".to_owned()));
        assert_eq!(State::Solution.judge(&none), Ok(()));
        assert_eq!(State::Solution.judge(&one), Err("it fails two: line 3".to_owned()));
        let broken = outcome([failed("a"), Verdict::Broken("no as".to_owned())]);
        assert!(State::Starter.judge(&broken).is_err());
    }

    #[test]
    fn a_wrong_answer_fails_where_it_should_and_says_why() {
        let state = |says: &str| {
            State::Wrong(WrongAnswer {
                name: "x".to_owned(),
                fails: vec!["two".to_owned()],
                says: says.to_owned(),
                patch: variants::Patch::parse(DIFF).unwrap().1,
            })
        };
        let one = outcome([Verdict::Passed, failed("differs in line 3")]);
        assert_eq!(state("line 3").judge(&one), Ok(()));
        assert!(state("line 4").judge(&one).unwrap_err().contains("does not say \"line 4\""));
        let both = outcome([failed("a"), failed("line 3")]);
        assert_eq!(state("line 3").judge(&both), Err("it fails one: a".to_owned()));
        let none = outcome([Verdict::Passed, Verdict::Passed]);
        assert_eq!(state("line 3").judge(&none), Err("it passes two".to_owned()));
    }
}
