//! `cargo xtask bench`: what the chapters cost, beside what they are to be compared with.
//!
//! Each [`Group`] compares a few programs. Nearly all are measured in one nest of its own, whose clock
//! counts instructions ([`clock`]): what else this machine does meanwhile changes nothing there. Nothing
//! compiles in there: all is built first. What such a nest cannot tell is measured here, by the wall
//! clock, as ratios within a round.

mod bare;
mod boot;
mod clock;
mod counters;
mod emulation;
mod exits;
mod idle;
mod image;
mod linux;
mod machine;
mod nest;
mod output;
mod parallel;
mod plot;
mod process;
mod start;
mod table;
mod tools;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use performance::{Group, Performance};

use crate::cargo::cargo;
use crate::places::{self, Places};

pub const AFTER_HELP: &str = "\
The nest's clock counts instructions, so that its figures repeat: one instruction is one nanosecond.
With MINI_KVM=native, and a complete KVM, all is measured on this machine by its CPU time instead.
Without a NAME everything is measured, and if it is in the nest, written to book/performance.json and
book/figures/performance.svg, from which the book's page is made. With a NAME, --write puts the new
figures there in the place of the old ones, if those are of the same machine.";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// VM exits of chapters 5 and 7, against a loop that does nothing but KVM_RUN, and QEMU
    Exits,
    /// A second of an idle Linux on chapter 15, against QEMU
    Idle,
    /// The whole process of chapter 3, against the same in C
    Start,
    /// One to four guests on chapter 8
    Parallel,
    /// Linux on chapter 15, up to /init, against QEMU
    Linux,
    /// Matrices multiplied on KVM, against QEMU's emulation
    Emulation,
    /// What chapters write for what their guests print
    Output,
    /// The first command in a nest, and the next
    Nest,
}

#[derive(clap::Args)]
pub struct Options {
    /// What to measure; all, if nothing is named
    #[arg(value_name = "NAME")]
    names: Vec<Name>,
    /// How often each is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Write the figures into the book's files
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    here: HereOptions,
    /// Run an image in the bare loop, to be measured
    #[arg(long, hide = true, value_name = "IMAGE")]
    bare: Option<PathBuf>,
    /// Ask for the registers at each exit of the bare loop
    #[arg(long, hide = true, requires = "bare")]
    registers: bool,
}

/// How the outer program tells the one that measures what it has prepared.
#[derive(clap::Args)]
struct HereOptions {
    /// Measure on this machine: we are where we want to be
    #[arg(long, hide = true, requires_all = ["tools", "kernel", "initrd", "qemu"])]
    here: bool,
    /// This machine's clock counts instructions
    #[arg(long, hide = true)]
    counted: bool,
    #[arg(long, hide = true)]
    tools: Option<PathBuf>,
    #[arg(long, hide = true)]
    kernel: Option<PathBuf>,
    #[arg(long, hide = true)]
    initrd: Option<PathBuf>,
    #[arg(long, hide = true)]
    qemu: Option<PathBuf>,
}

/// What is there for the measurements, where they are made.
pub struct Here {
    /// The clock counts instructions.
    pub counted: bool,
    pub rounds: u32,
    /// This program; the chapters lie beside it.
    pub this: PathBuf,
    /// Where [`tools::build`] has put what it built.
    pub tools: PathBuf,
    pub kernel: PathBuf,
    pub initrd: PathBuf,
    pub qemu: PathBuf,
}

impl Here {
    /// A chapter's program.
    pub fn chapter(&self, package: &str) -> PathBuf {
        self.this.with_file_name(package)
    }

    /// What CPU time is counted in.
    pub fn unit(&self) -> &'static str {
        if self.counted { "instructions" } else { "ns" }
    }
}

/// The chapters that are measured.
const CHAPTERS: [&str; 5] =
    ["ch03-hlt", "ch05-uart", "ch07-hypercall", "ch08-multi-vcpu", "ch15-linux-shell"];

pub fn run(options: Options) -> Result<ExitCode> {
    if let Some(image) = options.bare {
        return bare::run(&image, options.registers);
    }
    let all = options.names.is_empty();
    let names: Vec<Name> = Name::value_variants()
        .iter()
        .copied()
        .filter(|name| all || options.names.contains(name))
        .collect();
    if options.here.here {
        return measure_here(&names, options.rounds, options.here);
    }

    let this = build()?;
    let counted = match std::env::var_os("MINI_KVM").unwrap_or_default().as_encoded_bytes() {
        b"native" => false,
        b"" | b"nest" => true,
        other => bail!("MINI_KVM={}: there is no such choice", String::from_utf8_lossy(other)),
    };
    let mut groups = clock::measure(&names, options.rounds, &this, counted)?;
    if names.contains(&Name::Parallel) {
        groups.push(parallel::by_wall_clock(&this, options.rounds)?);
    }
    if names.contains(&Name::Nest) {
        groups.push(nest::measure(&this, options.rounds)?);
    }
    let measured = Performance { date: machine::date()?, machine: machine::describe()?, groups };
    io::stdout().write_all(table::text(&measured).as_bytes()).context("stdout")?;
    if options.write || all {
        if counted {
            write(measured, all)?;
        } else {
            eprintln!("not written: the book's figures are of the nest, MINI_KVM=nest");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the book's files: with these figures alone, or with those of before that are not new.
fn write(measured: Performance, all: bool) -> Result<()> {
    let checkout = Places::workspace();
    let measured = if all { measured } else { measured.into_those_of(checkout)? };
    measured.write(checkout)?;
    let drawn = plot::draw(&measured)?;
    places::write_whole(&checkout.join(plot::FILE), drawn.as_bytes())?;
    eprintln!("written: {}, {}", performance::FILE, plot::FILE);
    Ok(())
}

/// Builds what is measured, with the release profile, and says where this program's own copy is.
fn build() -> Result<PathBuf> {
    eprintln!("bench: building what is measured, with the release profile (minutes, once)…");
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--package", "xtask"]);
    for chapter in CHAPTERS {
        build.args(["--package", chapter]);
    }
    let built = build.stdin(Stdio::null()).status().context("cargo")?;
    ensure!(built.success(), "cargo build --release: {built}");
    Ok(Places::find()?.target.join("release/xtask"))
}

/// Measures, and prints each group on a line of its own for [`clock::measure`] to read.
fn measure_here(names: &[Name], rounds: u32, options: HereOptions) -> Result<ExitCode> {
    let HereOptions { counted, tools, kernel, initrd, qemu, .. } = options;
    let here = Here {
        counted,
        rounds,
        this: places::this_program()?,
        tools: tools.context("--tools")?,
        kernel: kernel.context("--kernel")?,
        initrd: initrd.context("--initrd")?,
        qemu: qemu.context("--qemu")?,
    };
    for name in names {
        let groups = match name {
            Name::Exits => exits::measure(&here),
            Name::Idle => idle::measure(&here),
            Name::Start => start::measure(&here),
            Name::Parallel => parallel::measure(&here),
            Name::Linux => linux::measure(&here),
            Name::Emulation => emulation::measure(&here),
            Name::Output => output::measure(&here),
            // By the clock of a machine that is not emulated.
            Name::Nest => Ok(Vec::new()),
        };
        for group in groups.with_context(|| format!("{name:?}"))? {
            print_group(&group)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_group(group: &Group) -> Result<()> {
    let line = serde_json::to_string(group)? + "\n";
    io::stdout().write_all(line.as_bytes()).context("stdout")
}
