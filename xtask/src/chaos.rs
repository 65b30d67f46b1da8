//! `cargo xtask chaos`: guests made at random, on the chapters' VMMs. None of them may break its VMM:
//! each must end in a documented way.
//!
//! The program of `tests/chaos` makes the guests and runs them, where KVM is complete. This command
//! builds it, starts it, adds up what it reports, and starts it anew if its nest has died.

mod figures;
mod session;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cargo::cargo;
use crate::linux::Piece;
use crate::places::Places;
use crate::status;
use figures::Figures;
use session::{Plan, Session};

pub const AFTER_HELP: &str = "\
The same seed gives the same guests. What breaks a VMM is made small and kept in tests/chaos/cases, which
cargo test runs. If the nest dies, which a VMM is not to blame for, the case goes to target/chaos, and a
new nest goes on behind it. MINI_KVM=native is faster, and this machine's KVM is another one to try.

Exit status: 0 if every VMM kept its promises, 1 if one did not, 64 if there is no such chapter, 69 if
it could not be found out.";

/// So many runs has each chapter at least, however slow the machine is.
const RUNS_MIN: u64 = 5;

/// A nest that dies more often says that it is the nest that is broken.
const DEATHS_MAX: usize = 100;

#[derive(clap::Args)]
pub struct Options {
    /// For how long
    #[arg(long, value_name = "N", default_value_t = 30)]
    seconds: u64,
    /// What the guests depend on
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Only this chapter, ch07 or ch07-hypercall; may be repeated
    #[arg(long, value_name = "CHAPTER")]
    chapter: Vec<String>,
    /// Run this case instead, and show what the VMM says; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seconds", "seed", "chapter"])]
    case: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(options: &Options) -> Result<ExitCode> {
    let start = Instant::now();
    let places = Places::find()?;
    let folder = Places::workspace().join("tests/chaos");
    ensure!(folder.is_dir(), "{}: this workspace has no chaos guests", folder.display());
    eprintln!("chaos: building the chapters…");
    let program = build(&places)?;
    // Other cases name the kernel, too, for the session's environment is ours.
    let kernel = match std::env::var_os(Piece::Kernel.variable()).filter(|it| !it.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => Piece::Kernel.prepare(&places)?,
    };
    if !options.case.is_empty() {
        return session::run_cases(&program, &kernel, &options.case);
    }

    let mut plan = Plan {
        program,
        kernel,
        keep: folder.join("cases"),
        seed: options.seed,
        chapters: options.chapter.clone(),
        time: Duration::from_secs(options.seconds),
        first: 0,
        least: RUNS_MIN,
    };
    if let Some(mistake) = plan.mistake()? {
        eprint!("{mistake}");
        return Ok(ExitCode::from(status::USAGE));
    }
    eprintln!("chaos: {} seconds of guests, seed {}…", options.seconds, options.seed);
    let mut figures = Figures::default();
    let deaths_folder = places.target.join("chaos");
    let began = Instant::now();
    loop {
        let session = Session::start(&plan)?;
        let Some(death) = session.follow(&mut figures)? else { break };
        let case = death.keep(&plan, &deaths_folder)?;
        figures.died(&death, &case);
        ensure!(figures.deaths() < DEATHS_MAX, "the nest has died {DEATHS_MAX} times");
        plan.first = death.index + 1;
        plan.time = Duration::from_secs(options.seconds).saturating_sub(began.elapsed());
    }
    let text = figures.report(options.seed, start.elapsed());
    io::stdout().write_all(text.as_bytes()).context("stdout")?;
    Ok(ExitCode::from(if figures.is_well() { 0 } else { status::FAILED }))
}

/// Builds the chapters and the program that runs guests on them: all the workspace's programs, as for
/// its tests, for fewer would be other variants of what they share.
fn build(places: &Places) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--bins", "--manifest-path"]);
    build.arg(Places::workspace().join("Cargo.toml")).arg("--target-dir").arg(&places.target);
    let built = build.stdin(Stdio::null()).status().context("cargo")?;
    ensure!(built.success(), "cargo build: {built}");
    let program = places.target.join("debug/chaos");
    if !program.is_file() {
        bail!("{}: cargo has not built it", program.display());
    }
    Ok(program)
}
