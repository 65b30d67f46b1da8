//! The guests in Rust, compiled as far as a library: the C compiler driver links them, like all
//! others.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::Failure;
use crate::files::{about_path, from_root, is_up_to_date, modified};
use crate::tools::{RUSTC_OPTIONS, Tools};

/// What they have in place of `std`.
const RUNTIME: &str = "guests/runtime/long.rs";

/// The table of hypercalls: of the runtime, as of the `guests` crate.
const HYPERCALLS: &str = "guests/src/hypercall.rs";

/// The compiled runtime.
pub struct Runtime {
    rlib: PathBuf,
    /// When it, and so every guest in Rust, last changed.
    pub changed: SystemTime,
}

/// Builds the runtime, if it is older than its sources or what is `shared`.
pub fn runtime(tools: &Tools, out: &Path, shared: SystemTime) -> Result<Runtime, Failure> {
    let rlib = out.join("libruntime.rlib");
    let sources = shared.max(modified(Path::new(RUNTIME))?).max(modified(Path::new(HYPERCALLS))?);
    if !is_up_to_date(&rlib, sources) {
        compile(tools, |rustc| {
            rustc.args(["--crate-type=rlib", "--crate-name=runtime", RUNTIME, "-o"]).arg(&rlib)
        })?;
    }
    Ok(Runtime { changed: modified(&rlib)?, rlib })
}

/// Compiles a guest, with all that it needs of the runtime and of Rust's `core`.
pub fn library(
    tools: &Tools,
    runtime: &Runtime,
    source: &Path,
    library: &Path,
) -> Result<(), Failure> {
    check(source)?;
    let mut runtime_is = OsString::from("runtime=");
    runtime_is.push(&runtime.rlib);
    compile(tools, |rustc| {
        rustc
            .args(["--crate-type=staticlib", "--crate-name=guest", "--extern"])
            .arg(runtime_is)
            .arg(source)
            .arg("-o")
            .arg(library)
    })
}

/// A guest without these gets errors that do not say so.
fn check(source: &Path) -> Result<(), Failure> {
    let text = fs::read_to_string(from_root(source)).map_err(|error| about_path(source, &error))?;
    for part in ["#![no_std]", "entry!("] {
        if !text.contains(part) {
            return Err(vec![
                format!("{}: `{part}` is missing", source.display()),
                "  a guest in Rust has `#![no_std]`, `#![no_main]` and `runtime::entry!(main);`"
                    .into(),
            ]);
        }
    }
    Ok(())
}

/// What rustc says are pictures of several lines: they stay together.
fn compile(
    tools: &Tools,
    arguments: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<(), Failure> {
    tools
        .rustc
        .run(|rustc| arguments(rustc.args(RUSTC_OPTIONS)))
        .map_err(|lines| vec![lines.join("\n")])
}
