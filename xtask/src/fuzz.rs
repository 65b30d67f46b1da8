//! `cargo xtask fuzz`: the targets of `tests/fuzz` under libFuzzer, which changes their input and keeps
//! what leads to code that has not run yet.
//!
//! A stable rustc can do this: the passes that count what runs are LLVM's, and are asked for by flags
//! of the code generator. Only sanitizers of Rust need a nightly one.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::cargo::cargo;
use crate::places::Places;
use crate::status;

/// How it goes on, for `--help`.
pub const AFTER_HELP: &str = "\
What it finds is kept in target/fuzz/crashes/TARGET: copy it to tests/fuzz/corpus/TARGET, where
each `cargo test` tries it again. What it has learnt is in target/fuzz/corpus/TARGET. For the same
seed and an empty corpus it tries the same, as far as it gets. It needs a C++ compiler, for libFuzzer.

Exit status:
   0  no promise was broken
   1  one was, or something went wrong
  64  there is no such target";

#[derive(clap::Args)]
pub struct Options {
    /// Only these; all if none is named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// For each target
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Of the random numbers
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    seed: u32,
    /// List the targets
    #[arg(long)]
    list: bool,
}

const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// As cargo-fuzz has them, which asks for a nightly rustc only for its sanitizers.
const RUSTFLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1";

/// One input may take so long, in seconds; the whole program so much memory, in MiB.
const LIMITS: [&str; 2] = ["-timeout=60", "-rss_limit_mb=2048"];

/// A target, and the program that it is in.
struct Target {
    name: String,
    program: PathBuf,
}

/// Runs the command.
pub fn run(options: &Options) -> Result<ExitCode> {
    let folder = Places::find()?.target.join("fuzz");
    let all = build(&folder)?;
    if options.list {
        all.iter().for_each(|target| println!("{}", target.name));
        return Ok(ExitCode::SUCCESS);
    }
    for name in &options.targets {
        if !all.iter().any(|target| target.name == *name) {
            eprintln!("error: {name}: there is no such target\n  all targets: --list");
            return Ok(ExitCode::from(status::USAGE));
        }
    }
    let is_wanted =
        |target: &&Target| options.targets.is_empty() || options.targets.contains(&target.name);
    let mut broken = 0;
    for target in all.iter().filter(is_wanted) {
        broken += u32::from(!target.run(&folder, options)?);
    }
    println!("{broken} targets broke a promise");
    Ok(ExitCode::from(if broken == 0 { 0 } else { status::FAILED }))
}

/// Builds the programs. Returns what they have.
fn build(folder: &Path) -> Result<Vec<Target>> {
    eprintln!("fuzz: building (a few minutes, once)…");
    let built = cargo()
        .args(["build", "--quiet", "--release", "--package", "fuzz", "--bins"])
        .args(["--features", "fuzz/libfuzzer", "--target", PLATFORM, "--target-dir"])
        .arg(folder)
        .env("RUSTFLAGS", RUSTFLAGS)
        .status()
        .context("cargo")?;
    ensure!(
        built.success(),
        "the programs cannot be built\n  is there a C++ compiler? sudo apt install g++"
    );
    let programs = folder.join(PLATFORM).join("release");
    let mut all = Vec::new();
    for chapter in ["ch12", "ch14", "ch15", "initramfs"] {
        let program = programs.join(format!("fuzz-{chapter}"));
        let output = Command::new(&program).env_remove("FUZZ_TARGET").output();
        let output = output.with_context(|| program.display().to_string())?;
        let names = String::from_utf8(output.stdout).context("the names of targets")?;
        all.extend(
            names.lines().map(|name| Target { name: name.into(), program: program.clone() }),
        );
    }
    if all.is_empty() {
        bail!("the programs in {} have no targets", programs.display());
    }
    Ok(all)
}

impl Target {
    /// Whether all promises were kept.
    fn run(&self, folder: &Path, options: &Options) -> Result<bool> {
        let name = &self.name;
        let place = |what: &str| -> Result<PathBuf> {
            let path = folder.join(what).join(name);
            fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
            Ok(path)
        };
        let (learnt, crashes) = (place("corpus")?, place("crashes")?);
        let kept = Places::workspace().join("tests/fuzz/corpus").join(name);
        let log_path = folder.join(format!("{name}.log"));
        let log = File::create(&log_path).with_context(|| log_path.display().to_string())?;

        print!("{name:18} ");
        std::io::stdout().flush().context("stdout")?;
        let status = Command::new(&self.program)
            .arg(&learnt)
            .args(kept.is_dir().then_some(&kept))
            .arg(format!("-max_total_time={}", options.seconds))
            .arg(format!("-seed={}", options.seed))
            .arg(format!("-artifact_prefix={}/", crashes.display()))
            .arg("-print_final_stats=1")
            .args(LIMITS)
            .env("FUZZ_TARGET", name)
            .env("FUZZ_SEEDS", &learnt)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .status()
            .with_context(|| self.program.display().to_string())?;

        let log = fs::read(&log_path).with_context(|| log_path.display().to_string())?;
        let log = String::from_utf8_lossy(&log);
        let inputs = number(&log, "stat::number_of_executed_units:");
        let coverage = log.lines().rev().find_map(|line| number(line, " cov:"));
        let [inputs, coverage] = [inputs, coverage].map(|it| it.unwrap_or("?").to_owned());
        println!("{inputs:>10} inputs, {coverage:>5} places in the code");
        if !status.success() {
            println!("  broke a promise; the input is in {}", crashes.display());
            let last: Vec<_> = log.lines().filter(|line| line.contains("panicked at")).collect();
            let said = last.last().and_then(|line| log.split_once(line)).map_or("", |(_, it)| it);
            said.lines().skip(1).take(4).for_each(|line| println!("  {line}"));
            println!("  all it said: {}", log_path.display());
        }
        Ok(status.success())
    }
}

/// The number after this label, in the last place that has it.
fn number<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.rsplit_once(label)?.1.split_whitespace().next()
}
