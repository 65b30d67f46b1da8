//! Builds the guests, the 1K OS and its disk, and writes the table of guests that `src/lib.rs`
//! includes.
//!
//! As with `make`, only what is older than its sources is built again.

mod disk;
mod files;
mod guests;
mod os;
mod rust;
mod symbols;
mod table;
mod tools;

use std::collections::HashSet;
use std::env;
use std::path::PathBuf;

use files::{modified, newest_in, write_if_changed};
use tools::Tools;

/// What went wrong, as the lines to show.
type Failure = Vec<String>;

fn main() {
    for (folder, _) in guests::MODES {
        println!("cargo::rerun-if-changed=src/{folder}");
    }
    for path in ["include", "runtime", "src/hypercall.rs", "build", "../os-1k"] {
        println!("cargo::rerun-if-changed={path}");
    }

    // Cargo fails the build for these lines, and shows nothing but them: an exit status of our own
    // would add a page about the build script.
    for line in build().err().unwrap_or_default().iter().flat_map(|message| message.lines()) {
        println!("cargo::error={line}");
    }
}

fn build() -> Result<(), Failure> {
    let tools = Tools::find();
    let out = env::var_os("OUT_DIR").ok_or_else(|| vec!["OUT_DIR is not set".to_owned()])?;
    let out = PathBuf::from(out);
    let elf_dir = out.join("guests");

    // What everything is made of: the shared sources, this program, the choice of tools.
    let stamp = out.join("tools");
    write_if_changed(&stamp, tools.names().as_bytes())?;
    let this_program = env::current_exe().map_err(|error| vec![error.to_string()])?;
    let shared = newest_in("guests/include")?
        .max(newest_in(guests::RUNTIME)?)
        .max(modified(&this_program)?)
        .max(modified(&stamp)?);

    let mut table = Vec::new();
    let mut failures = Failure::new();
    match guests::build(&tools, &out, &elf_dir, shared) {
        Ok(guests) => table.extend(guests),
        Err(failure) => failures.extend(failure),
    }
    match os::build(&tools, &out, &elf_dir, shared) {
        Ok(os) => table.push(os),
        Err(failure) => failures.extend(failure),
    }
    if !failures.is_empty() {
        return Err(without_repetition(failures));
    }
    write_if_changed(&out.join("table.rs"), table::rust(table).as_bytes())
}

/// A missing tool is missing for every guest, a broken file breaks all that it is part of: once said
/// is enough. A message is a line and the indented ones below it, or of several lines by itself.
fn without_repetition(lines: Vec<String>) -> Failure {
    let mut messages: Vec<Vec<String>> = Vec::new();
    for line in lines {
        match messages.last_mut() {
            Some(message) if line.starts_with(' ') => message.push(line),
            _ => messages.push(vec![line]),
        }
    }
    let mut said = HashSet::new();
    messages.retain(|message| said.insert(message.clone()));
    messages.concat()
}
