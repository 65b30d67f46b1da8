//! Runs chaos guests on the chapters' VMMs, which lie beside this program. `cargo xtask chaos` starts it
//! where KVM is complete, and reads what it prints: fields between tabs.
//!
//! | line | when |
//! |---|---|
//! | `begin` INDEX CHAPTER NUMBER | before a run |
//! | `ended` HOW SECONDS KIB | after it, as promised |
//! | `broken` FILE WHAT | after it, if not; WHAT is already known if FILE is empty |
//! | `smaller` FILE BYTES | when the file's case has been made small |

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chaos::case::{Case, Contents, Input};
use chaos::chapters::{self, CHAPTERS, Chapter};
use chaos::check::{Bench, named};
use chaos::generate;
use chaos::minimise::minimise;
use chaos::verdict::Broken;
use kvm_ioctls::Kvm;
use lexopt::{Arg, Parser, ValueExt};

/// A promise was broken.
const BROKEN: u8 = 1;
/// The command line was wrong.
const USAGE: u8 = 64;
/// There is no usable KVM, or something else that runs need.
const NOT_RUN: u8 = 69;

/// How long a case may be made smaller, and how patiently: less than in earnest, for one that hangs
/// does so each time.
const MINIMISE: Duration = Duration::from_secs(120);
const PATIENCE: Duration = Duration::from_secs(6);

/// How many lines of what a VMM says are shown of a kept case.
const SHOWN: usize = 40;

struct Options {
    seed: u64,
    seconds: u64,
    /// Where in the sequence of runs to begin.
    first: u64,
    /// How many runs each chapter has at least.
    least: u64,
    chapters: Vec<&'static Chapter>,
    /// Where cases are kept.
    keep: PathBuf,
    /// Only print this case.
    show: bool,
    /// Kept cases to run instead.
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(BROKEN),
        Err(error) => {
            eprintln!("error: chaos: {error}");
            ExitCode::from(NOT_RUN)
        }
    }
}

fn options() -> Result<Options, lexopt::Error> {
    let mut options = Options {
        seed: 1,
        seconds: 0,
        first: 0,
        least: 0,
        chapters: Vec::new(),
        keep: PathBuf::from("."),
        show: false,
        files: Vec::new(),
    };
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("seed") => options.seed = parser.value()?.parse()?,
            Arg::Long("seconds") => options.seconds = parser.value()?.parse()?,
            Arg::Long("first") => options.first = parser.value()?.parse()?,
            Arg::Long("least") => options.least = parser.value()?.parse()?,
            Arg::Long("keep") => options.keep = parser.value()?.into(),
            Arg::Long("show") => options.show = true,
            Arg::Long("chapter") => {
                let name = parser.value()?.string()?;
                let chapter = chapters::chapter(&name);
                options.chapters.push(chapter.ok_or_else(|| unknown(&name))?);
            }
            Arg::Value(file) => options.files.push(file.into()),
            other => return Err(other.unexpected()),
        }
    }
    if options.chapters.is_empty() {
        options.chapters = CHAPTERS.iter().collect();
    }
    Ok(options)
}

fn unknown(name: &str) -> lexopt::Error {
    let names: Vec<_> = CHAPTERS.iter().map(|chapter| &chapter.name[..4]).collect();
    format!("{name}: no chapter that takes images; those are {}", names.join(", ")).into()
}

/// Whether all promises were kept.
fn run(options: &Options) -> io::Result<bool> {
    let this = std::env::current_exe()?;
    let programs = this.parent().ok_or_else(|| io::Error::other("no folder"))?.to_owned();
    let bench = Bench::new(programs);
    if options.show {
        let case = case_at(options, options.first, bench.kernel_bytes()?);
        print!("{case}");
        return Ok(true);
    }
    // Without it every run would end as if something were broken.
    Kvm::new().map_err(|error| io::Error::other(format!("/dev/kvm: {error}")))?;
    if options.files.is_empty() { at_random(options, bench) } else { kept(&options.files, &bench) }
}

fn case_at(options: &Options, index: u64, kernel_bytes: Option<usize>) -> Case {
    let (chapter, number) = place(options, index);
    let mut case = generate::case(options.seed, chapter, number, kernel_bytes);
    case.about = format!("{}, seed {}, number {number}", &chapter.name[..4], options.seed);
    case
}

/// The chapters take turns.
fn place(options: &Options, index: u64) -> (&'static Chapter, u64) {
    let chapters = options.chapters.len() as u64;
    (options.chapters[(index % chapters) as usize], index / chapters)
}

fn at_random(options: &Options, mut bench: Bench) -> io::Result<bool> {
    let kernel_bytes = bench.kernel_bytes()?;
    let start = Instant::now();
    let mut found: Vec<(String, Broken)> = Vec::new();
    let mut index = options.first;
    let least = options.least * options.chapters.len() as u64;
    while start.elapsed().as_secs() < options.seconds || index < least {
        let (chapter, number) = place(options, index);
        say(&["begin", &index.to_string(), chapter.name, &number.to_string()])?;
        let case = case_at(options, index, kernel_bytes);
        let (finished, verdict) = bench.check(&case)?;
        match verdict {
            Ok(how) => {
                let seconds = format!("{:.3}", finished.time.as_secs_f64());
                say(&["ended", how.name(), &seconds, &finished.peak_kib.to_string()])?;
            }
            Err(broken) => {
                let is_known =
                    found.iter().any(|(name, it)| name == chapter.name && broken.is_like(it));
                if is_known {
                    say(&["broken", "", &broken.to_string()])?;
                } else {
                    keep(options, &mut bench, case, number, &broken, &finished.stderr)?;
                    found.push((chapter.name.to_owned(), broken));
                }
            }
        }
        index += 1;
    }
    Ok(found.is_empty())
}

/// Keeps a case in which a promise was broken, as it is and then small.
fn keep(
    options: &Options,
    bench: &mut Bench,
    mut case: Case,
    number: u64,
    broken: &Broken,
    said: &[u8],
) -> io::Result<()> {
    let name = format!("{}-{}-{}-{number}.case", &case.chapter[..4], broken.name(), options.seed);
    let file = options.keep.join(name);
    case.about = format!("cargo xtask chaos, {}: {broken}\n", case.about);
    for line in String::from_utf8_lossy(said).lines().take(4) {
        case.about += &format!("| {}\n", line.escape_debug());
    }
    // The nest may die while we go on.
    write(&file, &case)?;
    let shown = file.display().to_string();
    say(&["broken", &shown, &broken.to_string()])?;

    let start = Instant::now();
    let patience = bench.limits.patience;
    bench.limits.patience = PATIENCE;
    let mut trouble = None;
    let smallest = minimise(&case, |case| {
        if start.elapsed() > MINIMISE {
            return None;
        }
        match bench.check(case) {
            Ok((_, verdict)) => Some(verdict.is_err_and(|it| it.is_like(broken))),
            Err(error) => {
                trouble = Some(error);
                None
            }
        }
    });
    bench.limits.patience = patience;
    trouble.map_or(Ok(()), Err)?;
    write(&file, &smallest)?;
    say(&["smaller", &shown, &size(&smallest).to_string()])
}

/// All that a case gives to the VMM.
fn size(case: &Case) -> usize {
    let input = match &case.input {
        Input::Bytes(bytes) | Input::Endless(bytes) => bytes.len(),
        Input::Silent => 0,
    };
    let image = |contents: &Contents| match contents {
        Contents::Bytes(bytes) => bytes.len(),
        Contents::Patched(patches) => patches.iter().map(|(_, bytes)| bytes.len()).sum(),
    };
    input + case.images.iter().map(|it| image(&it.contents)).sum::<usize>()
}

fn write(path: &Path, case: &Case) -> io::Result<()> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(case.to_string().as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| named(path, error))
}

/// Runs cases from files.
fn kept(files: &[PathBuf], bench: &Bench) -> io::Result<bool> {
    let mut all = true;
    for path in files {
        let text = fs::read_to_string(path).map_err(|error| named(path, error))?;
        let case = Case::parse(&text)
            .map_err(|why| io::Error::other(format!("{}: {why}", path.display())))?;
        let (finished, verdict) = bench.check(&case)?;
        all &= verdict.is_ok();
        let verdict = match verdict {
            Ok(how) => format!("as it should: {}", how.words()),
            Err(broken) => format!("a promise is broken: {broken}"),
        };
        let (file, chapter) = (path.display(), &case.chapter);
        let (seconds, mib) = (finished.time.as_secs_f64(), finished.peak_kib >> 10);
        say(&[&format!(
            "{file}: {chapter} ended after {seconds:.1} s, with {mib} MiB, {verdict}"
        )])?;
        // Of a trace, the beginning will do.
        for line in String::from_utf8_lossy(&finished.stderr).lines().take(SHOWN) {
            eprintln!("  | {line}");
        }
    }
    Ok(all)
}

/// Prints a line at once: if the nest dies in this run, it says in which.
fn say(fields: &[&str]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", fields.join("\t"))?;
    out.flush()
}
