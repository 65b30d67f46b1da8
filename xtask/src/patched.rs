//! `cargo xtask patched`: builds the broken chapters of the book's "Break it", for the tests.
//!
//! The script `xtask/runner` puts the line that this prints into the tests' environment.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use variants::Scratch;
use variants::breaks::{self, Break};

use crate::chapters::Checkout;
use crate::places::{self, Places};
use crate::status;

/// In which variable the tests find the folder of the programs.
const VARIABLE: &str = "MINI_KVM_PATCHED";

/// Runs the command. A patch that is no good does not stop the others: its folder has, in place of
/// a program, a file that says what is wrong with it.
pub fn run() -> Result<ExitCode> {
    let places = Places::find()?;
    let checkout = Checkout::at(Places::workspace())?;
    let programs = build(&places, &checkout, &places.target.join("patched"))?;
    let mut status = 0;
    let folder = places.target.join("patched/programs");
    for (name, program) in &programs {
        let folder = folder.join(name);
        if let Err(failure) = program {
            eprintln!("error: {failure}");
            status = status::FAILED;
        }
        offer(&folder, program).with_context(|| folder.display().to_string())?;
    }
    let line = [VARIABLE.as_bytes(), b"=", folder.as_os_str().as_bytes(), b"\n"].concat();
    io::stdout().write_all(&line).context("stdout")?;
    Ok(ExitCode::from(status))
}

/// A patch's name, and its program or what is wrong.
type Program = (String, Result<Found, String>);

/// A broken chapter that was built.
struct Found {
    chapter: String,
    program: PathBuf,
}

fn build(places: &Places, checkout: &Checkout, folder: &Path) -> Result<Vec<Program>> {
    let names = breaks::names(&checkout.root)?;
    let _lock = places.lock()?;
    if !folder.exists() {
        eprintln!("patched: building the broken chapters of {} (once)…", breaks::FOLDER);
    }
    let mut scratch = Scratch::new(&checkout.root, &folder.join("workspace"));
    let mut chapters = Vec::new();
    for name in names {
        let added = Break::read(checkout, &name).and_then(|broken| {
            broken.add_to(&mut scratch, &checkout.root).map(|()| broken.chapter)
        });
        chapters.push((name, added.map_err(|error| format!("{error:#}"))));
    }
    let workspace = scratch.write()?;
    let built = workspace.run(&mut workspace.cargo("build", &places.target))?;
    let program = |name: &str, chapter: String| match built.programs.get(name) {
        Some(program) => Ok(Found { chapter, program: program.clone() }),
        None => {
            let file = breaks::file(name);
            Err(format!(
                "{}: {chapter} cannot be built with it\n{}",
                file.display(),
                built.failure(name)
            ))
        }
    };
    Ok(chapters
        .into_iter()
        .map(|(name, chapter)| {
            let program = chapter.and_then(|chapter| program(&name, chapter));
            (name, program)
        })
        .collect())
}

/// Puts the program into the folder, under the name that it has without a patch, for it shows the
/// name that it is called by. Or else what is wrong.
fn offer(folder: &Path, program: &Result<Found, String>) -> Result<()> {
    let failure = folder.join("failure");
    fs::create_dir_all(folder)?;
    match program {
        Err(text) => places::write_whole(&failure, text.as_bytes()),
        Ok(Found { chapter, program }) => {
            let link = folder.join(chapter);
            if !fs::read_link(&link).is_ok_and(|target| target == *program) {
                forget(&link)?;
                symlink(program, &link)?;
            }
            forget(&failure)
        }
    }
}

fn forget(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
