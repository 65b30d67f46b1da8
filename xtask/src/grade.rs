//! `cargo xtask grade`: checks answers to labs, and says what they are worth.

mod hint;
mod report;
mod watch;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use labs::protocol::{Job, Outcome};
use labs::{Lab, Labs};

use crate::chapters::Checkout;
use crate::lab::answer::{Answer, Files};
use crate::lab::build::{self, Built, Extent};
use crate::lab::record::Record;
use crate::lab::{NoInput, fail, mistake, session, take_turn};
use crate::linux::Piece;
use crate::places::Places;
use crate::verdict::{self, Verdict};
use report::{Grade, LabGrade};

/// How it is used, for `--help`.
pub const AFTER_HELP: &str = "\
Guests, inputs and numbers differ from run to run; --seed gives those of another run again.

Exit status:
   0  full points
   1  fewer, or the answer does not compile
  64  there is no such chapter or task, or it has no lab
  66  there is no answer at the place named by --against
  69  it could not be graded: no usable KVM, say";

#[derive(clap::Args)]
pub struct Options {
    /// ch07, 7 or ch07-hypercall
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    chapters: Vec<String>,
    /// Grade every lab
    #[arg(long)]
    all: bool,
    /// Grade the answer in another tree: a workspace, a folder of chapters, or a chapter
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Do not grade: print a hint for a task, or for each that is not passed yet. Say it twice for
    /// the second hint
    #[arg(long, value_name = "TASK", num_args = 0..=1, default_missing_value = "")]
    #[arg(conflicts_with_all = ["json", "watch", "all"])]
    hint: Vec<String>,
    /// What guests, inputs and numbers depend on
    #[arg(long)]
    seed: Option<u32>,
    /// Grade again whenever the answer is saved
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

/// Runs the command.
pub fn run(options: &Options) -> ExitCode {
    attempt(options).unwrap_or_else(|error| fail(&error))
}

fn attempt(options: &Options) -> Result<ExitCode> {
    let checkout = Checkout::here()?;
    let labs = Labs::read(&checkout.root)?;
    let wanted = wanted(&checkout, &labs, options)?;
    let target = target()?;
    if !options.hint.is_empty() {
        let [lab] = wanted.as_slice() else { return mistake("--hint: name one chapter") };
        return hint::run(&checkout, &target, lab, options);
    }
    if options.watch {
        return watch::run(&checkout, &labs, &target, &wanted, options);
    }
    let grade = grade(&checkout, &labs, &target, &wanted, options)?;
    let text = if options.json { grade.to_json()? } else { grade.to_string() };
    io::stdout().write_all(text.as_bytes()).context("stdout")?;
    Ok(grade.status())
}

/// The labs that are asked for.
fn wanted<'a>(checkout: &Checkout, labs: &'a Labs, options: &Options) -> Result<Vec<&'a Lab>> {
    if options.all {
        let is_here = |lab: &&Lab| checkout.chapters.contains(&lab.chapter);
        return Ok(labs.labs.iter().filter(is_here).collect());
    }
    let find = |spelling: &String| {
        let chapter = &checkout.chapters[checkout.position(spelling)?];
        match labs.find(chapter) {
            Some(lab) => Ok(lab),
            None => mistake(format!("{chapter} has no lab")),
        }
    };
    options.chapters.iter().map(find).collect()
}

/// The target directory, above the `debug` directory in which this program lies.
pub fn target() -> Result<PathBuf> {
    let nest = Places::find()?.nest;
    nest.parent().map(Path::to_owned).context("target/nest lies in the target directory")
}

fn grade(
    checkout: &Checkout,
    all: &Labs,
    target: &Path,
    wanted: &[&Lab],
    options: &Options,
) -> Result<Grade> {
    let seed = options.seed.unwrap_or_else(any_seed);
    let mut answers = Vec::new();
    let mut absent = Vec::new();
    for lab in wanted {
        match find(checkout, lab, options.against.as_deref()) {
            Ok(answer) => answers.push((*lab, answer)),
            // Of all labs, some may not be answered.
            Err(error) if options.all && error.is::<NoInput>() => absent.push(*lab),
            Err(error) => return Err(error),
        }
    }
    if answers.is_empty() && options.all {
        let tree = options.against.as_deref().unwrap_or(&checkout.root);
        return Err(NoInput(format!("{}: no answer to any lab there", tree.display())).into());
    }

    let (labs_of, answers): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    let _turn = take_turn(target)?;
    let extent = if options.all { Extent::Workspace } else { Extent::Least };
    let built = build::answers(checkout, target, &answers, extent)?;
    let jobs = jobs(checkout, target, seed, &labs_of, &answers, &built)?;
    let outcomes = check(checkout, target, &jobs, extent)?;

    let mut record = Record::read(target);
    for (answer, outcome) in answers.iter().filter_map(|answer| {
        Some((answer, outcomes.iter().find(|outcome| outcome.name == answer.name)?))
    }) {
        record.note(&answer.folder, &answer.chapter, report::passed(outcome));
    }
    // What it is good for can do without.
    let _ = record.save();

    let mut grades = Vec::new();
    for ((lab, answer), built) in labs_of.iter().zip(&answers).zip(built) {
        let outcome = outcomes.iter().find(|outcome| outcome.name == answer.name);
        let missing = not_passed(&record, &answer.folder, lab, all);
        grades.push(LabGrade::new(lab, &answer.folder, missing, built.err(), outcome)?);
    }
    for lab in absent {
        grades.push(LabGrade::absent(lab));
    }
    grades.sort_by(|a, b| a.chapter.cmp(&b.chapter));
    Ok(Grade { seed, labs: grades })
}

fn find(checkout: &Checkout, lab: &Lab, against: Option<&Path>) -> Result<Answer> {
    match against {
        Some(tree) => Answer::find(checkout, lab, tree),
        None => Ok(Answer::chapter(checkout, lab)),
    }
}

/// The prerequisites of a lab that were not passed in this tree.
fn not_passed(record: &Record, folder: &Path, lab: &Lab, all: &Labs) -> Vec<String> {
    let is_passed = |number: &&String| {
        let other = all.labs.iter().find(|other| other.number() == number.as_str());
        other.is_some_and(|other| {
            let passed = record.passed(folder, &other.chapter).unwrap_or(&[]);
            other.tasks.iter().all(|task| passed.contains(&task.id))
        })
    };
    lab.prerequisites.iter().filter(|number| !is_passed(number)).cloned().collect()
}

/// What is to be checked of the answers that were built.
pub fn jobs(
    checkout: &Checkout,
    target: &Path,
    seed: u32,
    labs: &[&Lab],
    answers: &[Answer],
    built: &[Built],
) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    let scratch = target.join("labs/scratch");
    for ((lab, answer), built) in labs.iter().zip(answers).zip(built) {
        let Ok(program) = built else { continue };
        let package = match &answer.files {
            Files::Member(package) => package.name(),
            Files::Elsewhere { .. } => lab.chapter.clone(),
        };
        jobs.push(Job {
            name: answer.name.clone(),
            chapter: lab.chapter.clone(),
            tasks: lab.tasks.iter().map(|task| task.id.clone()).collect(),
            program: program.clone(),
            command: format!("cargo run -q -p {package} --"),
            sources: answer.sources(&build::workspace(target)),
            // As one would type it in the checkout.
            scratch: scratch.strip_prefix(&checkout.root).unwrap_or(&scratch).join(&answer.name),
            seed,
            environment: environment(lab)?,
        });
    }
    Ok(jobs)
}

/// What the program of a lab boots.
fn environment(lab: &Lab) -> Result<Vec<(String, String)>> {
    let pieces: &[Piece] = match lab.number() {
        "ch14" => &[Piece::Kernel],
        "ch15" => &[Piece::Kernel, Piece::Initrd],
        _ => &[],
    };
    let places = Places::find()?;
    let prepare = |piece: &Piece| {
        let path = piece.prepare(&places)?;
        Ok((piece.variable().to_owned(), path.to_string_lossy().into_owned()))
    };
    pieces.iter().map(prepare).collect()
}

/// Has the jobs checked, where there are any, and says how far it is.
pub fn check(
    checkout: &Checkout,
    target: &Path,
    jobs: &[Job],
    extent: Extent,
) -> Result<Vec<Outcome>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    if std::env::var_os("MINI_KVM").is_some_and(|choice| choice == "native")
        && let Verdict::Incomplete(reasons) = verdict::of_this_machine()?
    {
        let lacks = reasons.join(", ");
        eprintln!("grade: this KVM lacks {lacks}: an answer may fail for no fault of its own");
    }
    let checks = build::checks(checkout, target, extent)?;
    session::run(&checkout.root, &checks, jobs, |outcome| {
        if jobs.len() > 1 {
            let seconds: f64 = outcome.tasks.iter().map(|task| task.seconds).sum();
            eprintln!("checked {} in {seconds:.1} s", outcome.name);
        }
    })
}

/// Six digits, so that it can be typed.
fn any_seed() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.subsec_micros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prerequisite_is_passed_with_all_its_tasks() {
        let lab = |chapter: &str, prerequisites: &[&str]| Lab {
            chapter: chapter.to_owned(),
            title: String::new(),
            minutes: 60,
            prerequisites: prerequisites.iter().map(|it| (*it).to_owned()).collect(),
            folders: Vec::new(),
            tasks: ["one", "two"]
                .map(|id| labs::Task { id: id.to_owned(), title: String::new(), points: 1 })
                .into(),
        };
        let labs = vec![lab("ch01-a", &[]), lab("ch02-b", &["ch01"])];
        let all = Labs { missing: Vec::new(), labs };
        let target = tempfile::tempdir().unwrap();
        let mut record = Record::read(target.path());
        let folder = Path::new("/x/chapters/ch02-b");
        let missing = |record: &Record| not_passed(record, folder, &all.labs[1], &all);
        assert_eq!(missing(&record), ["ch01"]);
        record.note(Path::new("/x/chapters/ch01-a"), "ch01-a", vec!["one".to_owned()]);
        assert_eq!(missing(&record), ["ch01"]);
        let both = vec!["one".to_owned(), "two".to_owned()];
        record.note(Path::new("/x/chapters/ch01-a"), "ch01-a", both);
        assert_eq!(missing(&record), [""; 0]);
    }
}
