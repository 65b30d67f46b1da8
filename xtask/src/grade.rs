//! `cargo xtask grade`: checks answers to labs, and says what they are worth.

mod hint;
pub mod machine;
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
use report::{Grade, LabGrade};

/// How it is used, for `--help`.
pub const AFTER_HELP: &str = "\
Guests, inputs and numbers differ from run to run; --seed gives those of another run again.

Exit status:
   0  full points
   1  fewer, or the answer does not compile
  64  there is no such chapter or task, or it has no lab
  66  there is no answer at the place named by --against, or only a part of one
  69  it could not be graded: no usable KVM, or with MINI_KVM=native one that lacks what it takes";

#[derive(clap::Args)]
pub struct Options {
    /// ch07, 7 or ch07-hypercall
    #[arg(required_unless_present_any = ["all", "hint"], conflicts_with = "all")]
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
    /// Do not grade: print a hint for a task, or for the first that is not passed yet. Say it twice
    /// for the second hint
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
    if !options.hint.is_empty() {
        return hint::run(&checkout, &target()?, &labs, options);
    }
    let wanted = wanted(&checkout, &labs, options)?;
    let target = target()?;
    machine::check_choice()?;
    let seed = options.seed.unwrap_or_else(any_seed);
    if options.watch {
        return watch::run(&checkout, &labs, &target, &wanted, options, seed);
    }
    let extent = if options.all { Extent::Workspace } else { Extent::Least };
    let grade = grade(&checkout, &labs, &target, &wanted, options, seed, extent)?;
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
    named(checkout, labs, &options.chapters)
}

/// The labs of these chapters, each once.
pub fn named<'a>(
    checkout: &Checkout,
    labs: &'a Labs,
    spellings: &[String],
) -> Result<Vec<&'a Lab>> {
    let mut named: Vec<&Lab> = Vec::new();
    for spelling in spellings {
        let chapter = &checkout.chapters[checkout.position(spelling)?];
        let Some(lab) = labs.find(chapter) else {
            return mistake(format!("{chapter} has no lab"));
        };
        if named.iter().all(|other| other.chapter != lab.chapter) {
            named.push(lab);
        }
    }
    Ok(named)
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
    seed: u32,
    extent: Extent,
) -> Result<Grade> {
    let mut answers = Vec::new();
    let mut absent = Vec::new();
    for lab in wanted {
        match find(checkout, lab, options.against.as_deref()) {
            Ok(answer) => answers.push((*lab, answer)),
            // Of all labs, some may not be answered.
            Err(error) if options.all && error.is::<NoInput>() => absent.push((*lab, error)),
            Err(error) => return Err(error),
        }
    }
    if answers.is_empty() && options.all {
        let tree = options.against.as_deref().unwrap_or(&checkout.root);
        return Err(NoInput(format!("{}: no answer to any lab there", tree.display())).into());
    }

    let (labs_of, answers): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    let _turn = take_turn(target)?;
    let built = build::answers(checkout, target, &answers, extent)?;
    let jobs = jobs(checkout, target, seed, &labs_of, &answers, &built)?;
    let outcomes = check(checkout, target, all, &jobs, extent)?;

    let mut record = Record::read(target);
    for (answer, outcome) in answers.iter().filter_map(|answer| {
        Some((answer, outcomes.iter().find(|outcome| outcome.name == answer.name)?))
    }) {
        // What could not be graded is as it was.
        if let Some(passed) = report::passed(outcome) {
            record.note(&answer.folder, &answer.chapter, passed);
        }
    }
    // What it is good for can do without.
    let _ = record.save();

    let mut grades = Vec::new();
    for ((lab, answer), built) in labs_of.iter().zip(&answers).zip(built) {
        let outcome = outcomes.iter().find(|outcome| outcome.name == answer.name);
        let missing = not_passed(&record, &answer.folder, lab, all);
        grades.push(LabGrade::new(lab, &answer.folder, missing, built.err(), outcome)?);
    }
    for (lab, why) in absent {
        let why = why.to_string();
        let why = why.lines().next().unwrap_or_default();
        grades.push(LabGrade::absent(lab, &format!("there is no answer: {why}")));
    }
    grades.sort_by(|a, b| a.chapter.cmp(&b.chapter));
    // Who grades somebody else's tree is not who needs them.
    Ok(Grade { seed, labs: grades, offers_hints: options.against.is_none() })
}

fn find(checkout: &Checkout, lab: &Lab, against: Option<&Path>) -> Result<Answer> {
    match against {
        Some(tree) => Answer::find(checkout, lab, tree),
        None => Ok(Answer::chapter(checkout, lab)),
    }
}

/// The prerequisites of a lab that are in this tree, and were not passed there.
fn not_passed(record: &Record, folder: &Path, lab: &Lab, all: &Labs) -> Vec<String> {
    let is_due = |number: &&String| {
        let other = all.labs.iter().find(|other| other.number() == number.as_str());
        other.is_some_and(|other| {
            let is_here = folder.with_file_name(&other.chapter).join("Cargo.toml").is_file();
            let passed = record.passed(folder, &other.chapter).unwrap_or(&[]);
            is_here && !other.tasks.iter().all(|task| passed.contains(&task.id))
        })
    };
    lab.prerequisites.iter().filter(is_due).cloned().collect()
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
    // As one would type it in the checkout.
    let typed = |path: &Path| path.strip_prefix(&checkout.root).unwrap_or(path).to_owned();
    let scratch = typed(&target.join("labs/scratch"));
    for ((lab, answer), built) in labs.iter().zip(answers).zip(built) {
        let Ok(program) = built else { continue };
        let command = match &answer.files {
            Files::Member(package) => format!("cargo run -q -p {} --", package.name()),
            // Cargo knows no package of that name here; this is what it would run it with.
            Files::Elsewhere { .. } => {
                format!("xtask/runner {}", quoted(&typed(program).to_string_lossy()))
            }
        };
        jobs.push(Job {
            name: answer.name.clone(),
            chapter: lab.chapter.clone(),
            tasks: lab.tasks.iter().map(|task| task.id.clone()).collect(),
            program: program.clone(),
            command,
            sources: answer.sources(&build::workspace(target)),
            scratch: scratch.join(&answer.name),
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
    labs: &Labs,
    jobs: &[Job],
    extent: Extent,
) -> Result<Vec<Outcome>> {
    let lacking = machine::lacking()?;
    let (mut outcomes, mut possible) = (Vec::new(), Vec::new());
    for job in jobs {
        let lab = labs.find(&job.chapter).context("a job is of a lab")?;
        match machine::cannot_check(job, lab, &lacking) {
            Some(outcome) => outcomes.push(outcome),
            None => possible.push(job.clone()),
        }
    }
    if possible.is_empty() {
        return Ok(outcomes);
    }
    let checks = build::checks(checkout, target, extent)?;
    if let [job] = possible.as_slice() {
        eprintln!("checking {}…", job.name);
    }
    outcomes.extend(session::run(&checkout.root, &checks, &possible, |outcome| {
        if possible.len() > 1 {
            let seconds: f64 = outcome.tasks.iter().map(|task| task.seconds).sum();
            eprintln!("checked {} in {seconds:.1} s", outcome.name);
        }
    })?);
    Ok(outcomes)
}

/// A word as a shell wants it.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    match word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
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
            needs: Vec::new(),
            tasks: ["one", "two"]
                .map(|id| labs::Task { id: id.to_owned(), title: String::new(), points: 1 })
                .into(),
        };
        let labs = vec![lab("ch01-a", &[]), lab("ch02-b", &["ch01"])];
        let all = Labs { missing: Vec::new(), labs };
        let target = tempfile::tempdir().unwrap();
        let mut record = Record::read(target.path());
        let [before, folder] = ["ch01-a", "ch02-b"].map(|name| target.path().join(name));
        let missing = |record: &Record| not_passed(record, &folder, &all.labs[1], &all);
        assert_eq!(missing(&record), [""; 0], "it is not here");
        std::fs::create_dir(&before).unwrap();
        std::fs::write(before.join("Cargo.toml"), "").unwrap();
        assert_eq!(missing(&record), ["ch01"]);
        record.note(&before, "ch01-a", vec!["one".to_owned()]);
        assert_eq!(missing(&record), ["ch01"]);
        record.note(&before, "ch01-a", vec!["one".to_owned(), "two".to_owned()]);
        assert_eq!(missing(&record), [""; 0]);
    }

    #[test]
    fn a_chapter_that_is_named_twice_is_graded_once() {
        let checkout = Checkout::at(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))).unwrap();
        let labs = Labs::read(&checkout.root).unwrap();
        let spellings = ["ch02", "1", "ch01", "ch02-guest-memory"].map(str::to_owned);
        let named = named(&checkout, &labs, &spellings);
        let named: Vec<_> = named.unwrap().iter().map(|lab| lab.number()).collect();
        assert_eq!(named, ["ch02", "ch01"]);
    }

    #[test]
    fn a_command_can_be_typed() {
        assert_eq!(quoted("target/debug/ch01-a"), "target/debug/ch01-a");
        assert_eq!(quoted("/my own/ch01-a"), "'/my own/ch01-a'");
    }
}
