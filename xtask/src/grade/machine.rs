//! What this machine's KVM has to be able to do, when answers are checked with it and not in the nest.

use std::env;

use anyhow::Result;
use labs::Lab;
use labs::protocol::{Job, Outcome, TaskOutcome};

use crate::chapters;
use crate::doctor::capabilities;
use crate::lab::mistake;
use crate::verdict::{self, Verdict};

/// In which variable the user says where programs run.
const VARIABLE: &str = "MINI_KVM";

/// Refuses a choice that there is not, before anything is built.
pub fn check_choice() -> Result<()> {
    let choice = env::var_os(VARIABLE).unwrap_or_default();
    match choice.as_encoded_bytes() {
        b"" | b"native" | b"nest" => Ok(()),
        _ => mistake(format!(
            "{VARIABLE}={}: there is no such choice\n  native: run here; nest: run in the emulated \
             machine; unset: whichever works",
            choice.display()
        )),
    }
}

/// Whether answers are checked with this machine's KVM, whatever that can do.
pub fn is_native() -> bool {
    env::var_os(VARIABLE).is_some_and(|choice| choice == "native")
}

/// What this machine's KVM lacks, if it is to be used all the same.
pub fn lacking() -> Result<Vec<String>> {
    Ok(match is_native().then(verdict::of_this_machine).transpose()? {
        Some(Verdict::Incomplete(reasons)) => reasons,
        // That there is none at all, the checks find out.
        _ => Vec::new(),
    })
}

/// The outcome for an answer that cannot be checked here, for its lab needs what is lacking.
pub fn cannot_check(job: &Job, lab: &Lab, lacking: &[String]) -> Option<Outcome> {
    let matters: Vec<_> = lacking.iter().filter(|it| is_needed(lab, it)).cloned().collect();
    if matters.is_empty() {
        return None;
    }
    let why = format!(
        "this machine's KVM lacks {}, and {VARIABLE} is native\nunset {VARIABLE}: then it is graded in \
         the nest",
        matters.join(", ")
    );
    let task = |id: &String| TaskOutcome {
        id: id.clone(),
        verdict: labs::protocol::Verdict::Broken(why.clone()),
        seconds: 0.0,
    };
    Some(Outcome { name: job.name.clone(), tasks: job.tasks.iter().map(task).collect() })
}

/// Whether a lab needs what the doctor has found lacking: one of its guests, with a reason in
/// parentheses, or a capability.
fn is_needed(lab: &Lab, lacking: &str) -> bool {
    let name = lacking.split(" (").next().unwrap_or(lacking);
    let capability = capabilities::ALL.iter().find(|capability| capability.name == name);
    match capability {
        Some(capability) => {
            chapters::number(&lab.chapter).is_none_or(|it| it >= capability.chapter.into())
        }
        None => lab.needs.iter().any(|need| need == name),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use labs::Labs;

    use super::*;
    use crate::doctor::guests;

    fn labs() -> Labs {
        Labs::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))).unwrap()
    }

    #[test]
    fn only_what_a_lab_needs_keeps_it_from_being_checked() {
        let labs = labs();
        let needs = |number: &str, lacking: &str| {
            is_needed(labs.labs.iter().find(|lab| lab.number() == number).unwrap(), lacking)
        };
        assert!(needs("ch10", "32-bit paging (KVM_EXIT_SHUTDOWN)"));
        assert!(!needs("ch05", "32-bit paging (KVM_EXIT_SHUTDOWN)"));
        assert!(needs("ch05", "real mode (it ran on)"));
        assert!(!needs("ch01", "real mode (it ran on)"));
        assert!(needs("ch11", "KVM_CAP_PIT2") && !needs("ch10", "KVM_CAP_PIT2"));
    }

    #[test]
    fn what_labs_need_is_what_the_doctor_looks_at() {
        for lab in &labs().labs {
            for need in &lab.needs {
                assert!(guests::ALL.iter().any(|guest| guest.name == need), "{need}");
            }
        }
    }

    #[test]
    fn what_cannot_be_checked_is_no_failure_of_the_answer() {
        let labs = labs();
        let lab = labs.labs.iter().find(|lab| lab.number() == "ch10").unwrap();
        let job = Job {
            name: "x".to_owned(),
            chapter: lab.chapter.clone(),
            tasks: vec!["null".to_owned()],
            program: "x".into(),
            command: String::new(),
            sources: "x".into(),
            scratch: "x".into(),
            seed: 1,
            environment: Vec::new(),
        };
        assert!(cannot_check(&job, lab, &["KVM_CAP_PIT2".to_owned()]).is_none());
        let outcome = cannot_check(&job, lab, &["32-bit paging (x)".to_owned()]).unwrap();
        assert_eq!(outcome.tasks[0].id, "null");
        let labs::protocol::Verdict::Broken(why) = &outcome.tasks[0].verdict else { panic!() };
        assert!(
            why.starts_with("this machine's KVM lacks 32-bit paging (x), and MINI_KVM"),
            "{why}"
        );
    }
}
