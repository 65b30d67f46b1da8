//! What a grading comes to, for people and for programs.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use labs::Lab;
use labs::protocol::{Outcome, Verdict};
use serde::Serialize;

use crate::status;

/// The grades of one run.
pub struct Grade {
    pub seed: u32,
    pub labs: Vec<LabGrade>,
    /// Whether hints are of use to who reads this.
    pub offers_hints: bool,
}

/// The grade of one lab.
#[derive(Serialize)]
pub struct LabGrade {
    pub chapter: String,
    title: String,
    minutes: u32,
    /// Where the answer is; nothing if there is none.
    folder: Option<String>,
    /// Labs that teach what this one uses, and were not passed in this tree.
    prerequisites_not_passed: Vec<String>,
    pub points: u32,
    of: u32,
    /// What the compiler said, if it does not build.
    build_error: Option<String>,
    pub tasks: Vec<TaskGrade>,
}

/// The grade of one task.
#[derive(Serialize)]
pub struct TaskGrade {
    id: String,
    title: String,
    pub points: u32,
    of: u32,
    /// Why it was not passed.
    message: Option<String>,
    /// Why it could not be graded, which says nothing about the answer.
    error: Option<String>,
    seconds: f64,
}

/// The ids of the tasks that were passed; `None` if not all could be graded.
pub fn passed(outcome: &Outcome) -> Option<Vec<String>> {
    let mut passed = Vec::new();
    for task in &outcome.tasks {
        match task.verdict {
            Verdict::Passed => passed.push(task.id.clone()),
            Verdict::Failed(_) => {}
            Verdict::Broken(_) => return None,
        }
    }
    Some(passed)
}

impl LabGrade {
    /// The grade for what the checks found; for nothing, if the answer does not build.
    pub fn new(
        lab: &Lab,
        folder: &Path,
        prerequisites_not_passed: Vec<String>,
        build_error: Option<String>,
        outcome: Option<&Outcome>,
    ) -> Result<Self> {
        let mut tasks = Vec::new();
        for task in &lab.tasks {
            let found = outcome.and_then(|it| it.tasks.iter().find(|it| it.id == task.id));
            if found.is_none() && build_error.is_none() {
                bail!("{}: the checks said nothing about {}", lab.chapter, task.id);
            }
            let verdict = found.map(|found| &found.verdict);
            tasks.push(TaskGrade {
                id: task.id.clone(),
                title: task.title.clone(),
                points: if verdict == Some(&Verdict::Passed) { task.points } else { 0 },
                of: task.points,
                message: match verdict {
                    Some(Verdict::Failed(why)) => Some(why.clone()),
                    None => Some("the answer does not build".to_owned()),
                    _ => None,
                },
                error: match verdict {
                    Some(Verdict::Broken(why)) => Some(why.clone()),
                    _ => None,
                },
                seconds: found.map_or(0.0, |found| found.seconds),
            });
        }
        Ok(Self {
            folder: Some(folder.display().to_string()),
            prerequisites_not_passed,
            build_error,
            points: tasks.iter().map(|task| task.points).sum(),
            tasks,
            ..Self::absent(lab, "")
        })
    }

    /// The grade for no answer at all.
    pub fn absent(lab: &Lab, why: &str) -> Self {
        let task = |task: &labs::Task| TaskGrade {
            id: task.id.clone(),
            title: task.title.clone(),
            points: 0,
            of: task.points,
            message: Some(why.to_owned()),
            error: None,
            seconds: 0.0,
        };
        Self {
            chapter: lab.chapter.clone(),
            title: lab.title.clone(),
            minutes: lab.minutes,
            folder: None,
            prerequisites_not_passed: Vec::new(),
            points: 0,
            of: lab.points(),
            build_error: None,
            tasks: lab.tasks.iter().map(task).collect(),
        }
    }

    fn has_full_points(&self) -> bool {
        self.points == self.of
    }

    /// Whether something failed that builds and could be graded.
    fn could_use_a_hint(&self) -> bool {
        let failed = |task: &TaskGrade| task.points < task.of && task.error.is_none();
        self.folder.is_some() && self.build_error.is_none() && self.tasks.iter().any(failed)
    }
}

impl fmt::Display for LabGrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.chapter, self.title)?;
        if let Some(folder) = &self.folder {
            writeln!(f, "  {folder}")?;
        }
        let width = self.tasks.iter().map(|task| task.id.len()).max().unwrap_or(0);
        for task in &self.tasks {
            let TaskGrade { id, title, points, of, .. } = task;
            writeln!(f, "  {points:>2} of {of:>2}  {id:width$}  {title}")?;
            let error = task.error.as_ref().map(|it| format!("could not be graded: {it}"));
            if self.build_error.is_none()
                && let Some(message) = error.as_ref().or(task.message.as_ref())
            {
                for line in message.lines() {
                    writeln!(f, "      {line}")?;
                }
            }
        }
        writeln!(f, "  {:>2} of {:>2} points", self.points, self.of)?;
        if self.build_error.is_some() {
            writeln!(f, "  it does not build: mend what cargo found, then grade again")?;
        }
        if !self.prerequisites_not_passed.is_empty() && !self.has_full_points() {
            let labs = self.prerequisites_not_passed.join(", ");
            writeln!(f, "  it uses what one learns in the lab of {labs}, not passed here so far")?;
        }
        Ok(())
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for lab in &self.labs {
            write!(f, "{lab}")?;
            if self.offers_hints && lab.could_use_a_hint() {
                let number = labs::short(&lab.chapter);
                writeln!(f, "  a hint: cargo xtask grade {number} --hint")?;
            }
            writeln!(f)?;
        }
        let (points, of) = self.points();
        if self.labs.len() > 1 {
            for lab in &self.labs {
                writeln!(f, "{:>4} of {:>3}  {}", lab.points, lab.of, lab.chapter)?;
            }
            writeln!(f, "{points:>4} of {of:>3}  in all")?;
        }
        writeln!(f, "seed {}: the same guests, inputs and numbers again with --seed {0}", self.seed)
    }
}

impl Grade {
    fn points(&self) -> (u32, u32) {
        let sum = |of: fn(&LabGrade) -> u32| self.labs.iter().map(of).sum();
        (sum(|lab| lab.points), sum(|lab| lab.of))
    }

    /// The same for programs.
    pub fn to_json(&self) -> Result<String> {
        let (points, of) = self.points();
        let json = serde_json::json!({
            "seed": self.seed,
            "points": points,
            "of": of,
            "labs": self.labs,
        });
        Ok(serde_json::to_string_pretty(&json)? + "\n")
    }

    /// 0 only for full points. What could not be graded is an error.
    pub fn status(&self) -> ExitCode {
        let mut tasks = self.labs.iter().flat_map(|lab| &lab.tasks);
        ExitCode::from(if tasks.any(|task| task.error.is_some()) {
            status::NO_USABLE_KVM
        } else if self.labs.iter().all(LabGrade::has_full_points) {
            0
        } else {
            status::FAILED
        })
    }
}

#[cfg(test)]
mod tests {
    use labs::Task;
    use labs::protocol::TaskOutcome;

    use super::*;

    fn lab() -> Lab {
        let task = |id: &str, points| Task { id: id.to_owned(), title: format!("`{id}`"), points };
        Lab {
            chapter: "ch07-hypercall".to_owned(),
            title: "Fewer exits".to_owned(),
            minutes: 90,
            prerequisites: vec!["ch05".to_owned()],
            folders: Vec::new(),
            needs: Vec::new(),
            tasks: vec![task("puts", 4), task("tenth", 3)],
        }
    }

    fn grade(second: Verdict) -> Grade {
        let task = |id: &str, verdict| TaskOutcome { id: id.to_owned(), verdict, seconds: 0.5 };
        let outcome = Outcome {
            name: "ch07-hypercall".to_owned(),
            tasks: vec![task("puts", Verdict::Passed), task("tenth", second)],
        };
        let missing = vec!["ch05".to_owned()];
        let lab = LabGrade::new(&lab(), Path::new("/x"), missing, None, Some(&outcome)).unwrap();
        Grade { seed: 42, labs: vec![lab], offers_hints: true }
    }

    #[test]
    fn people_read_points_messages_and_the_seed() {
        let text = grade(Verdict::Failed("$ run\nline 3".to_owned())).to_string();
        assert_eq!(
            text,
            "ch07-hypercall: Fewer exits
  /x
   4 of  4  puts   `puts`
   0 of  3  tenth  `tenth`
      $ run
      line 3
   4 of  7 points
  it uses what one learns in the lab of ch05, not passed here so far
  a hint: cargo xtask grade ch07 --hint

seed 42: the same guests, inputs and numbers again with --seed 42
"
        );
        let full = grade(Verdict::Passed).to_string();
        assert!(full.contains("   7 of  7 points\n") && !full.contains("a hint"), "{full}");
        assert!(!full.contains("it uses"), "{full}");
        let theirs = Grade { offers_hints: false, ..grade(Verdict::Failed(String::new())) };
        assert!(!theirs.to_string().contains("a hint"), "{theirs}");
        let broken = grade(Verdict::Broken("no as".to_owned())).to_string();
        assert!(broken.contains("could not be graded: no as") && !broken.contains("a hint"));
    }

    #[test]
    fn programs_read_json() {
        let json = grade(Verdict::Failed("why".to_owned())).to_json().unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            json,
            serde_json::json!({ "seed": 42, "points": 4, "of": 7, "labs": [{
                "chapter": "ch07-hypercall", "title": "Fewer exits", "minutes": 90,
                "folder": "/x", "prerequisites_not_passed": ["ch05"],
                "points": 4, "of": 7, "build_error": null,
                "tasks": [
                    { "id": "puts", "title": "`puts`", "points": 4, "of": 4,
                      "message": null, "error": null, "seconds": 0.5 },
                    { "id": "tenth", "title": "`tenth`", "points": 0, "of": 3,
                      "message": "why", "error": null, "seconds": 0.5 }
                ]
            }] })
        );
    }

    #[test]
    fn what_could_not_be_graded_is_not_remembered() {
        let outcome = |second| {
            let task = |id: &str, verdict| TaskOutcome { id: id.to_owned(), verdict, seconds: 0.0 };
            let tasks = vec![task("puts", Verdict::Passed), task("tenth", second)];
            passed(&Outcome { name: String::new(), tasks })
        };
        assert_eq!(outcome(Verdict::Failed(String::new())).unwrap(), ["puts"]);
        assert_eq!(outcome(Verdict::Broken(String::new())), None);
    }

    #[test]
    fn only_full_points_end_with_status_0() {
        let status = |grade: &Grade| format!("{:?}", grade.status());
        let code = |status: u8| format!("{:?}", ExitCode::from(status));
        assert_eq!(status(&grade(Verdict::Passed)), code(0));
        assert_eq!(status(&grade(Verdict::Failed(String::new()))), code(1));
        assert_eq!(status(&grade(Verdict::Broken("no as".to_owned()))), code(69));
        let absent =
            Grade { seed: 1, labs: vec![LabGrade::absent(&lab(), "none")], offers_hints: true };
        assert_eq!(status(&absent), code(1));
    }

    #[test]
    fn what_does_not_build_has_no_points_and_the_compilers_words() {
        let error = Some("error[E0308]".to_owned());
        let lab = LabGrade::new(&lab(), Path::new("/x"), Vec::new(), error, None).unwrap();
        assert_eq!(lab.points, 0);
        let grade = Grade { seed: 1, labs: vec![lab], offers_hints: true };
        assert!(grade.to_json().unwrap().contains("\"build_error\": \"error[E0308]\""));
        assert!(grade.to_string().contains("it does not build"), "{grade}");
    }
}
