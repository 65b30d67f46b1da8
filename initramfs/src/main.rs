//! Packs the initramfs into a file: `cargo run -p initramfs -- --help`.

mod build;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use initramfs::{Shell, pack};
use lexopt::{Arg, Parser};

const HELP: &str = "\
Packs the guest's first file system: our /init, its shell and its utilities.

Usage: cargo run -p initramfs -- [OPTIONS]

Options:
      --bash       Take this machine's bash and its libraries for the shell
      --init FILE  Take this static build of mini-init instead of making one
  -o, --out FILE   Where to write it [default: target/initramfs/initramfs.cpio]
  -h, --help       Print help
";

struct Options {
    shell: Shell,
    init: Option<PathBuf>,
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = match parse(Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}\n  cargo run -p initramfs -- --help lists the options");
            return ExitCode::from(64);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The options; none if help is wanted.
fn parse(mut parser: Parser) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options { shell: Shell::Ours, init: None, out: None };
    let path = |value: OsString| Some(PathBuf::from(value));
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("bash") => options.shell = Shell::Bash,
            Arg::Long("init") => options.init = path(parser.value()?),
            Arg::Long("out") | Arg::Short('o') => options.out = path(parser.value()?),
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

fn run(options: Options) -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    let target = workspace.join("target/initramfs");
    let init = match options.init {
        Some(init) => init,
        None => build::mini_init(workspace, &target)?,
    };
    let archive = pack(&init, options.shell)?;
    let out = options.out.unwrap_or_else(|| target.join("initramfs.cpio"));
    fs::write(&out, &archive).with_context(|| format!("cannot write {}", out.display()))?;
    println!("{}: {} bytes", out.display(), archive.len());
    Ok(())
}
