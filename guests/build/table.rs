//! The table of guests, and what it says about each.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::files::{about_path, from_root, is_c, is_rust};

/// The variants of `guests::Mode`, in their order.
const MODES: [&str; 6] = ["Real", "Protected", "Paging", "Interrupts", "Multiboot", "Long"];

/// A guest that is built, as the table lists it.
pub struct Built {
    pub name: String,
    /// The variant of `guests::Mode`.
    pub mode: &'static str,
    pub about: String,
    pub image: PathBuf,
}

/// The Rust expression that lists the guests, by mode and then by name.
pub fn rust(mut table: Vec<Built>) -> String {
    table.sort_by_key(|guest| {
        (MODES.iter().position(|mode| *mode == guest.mode), guest.name.clone())
    });
    let mut rust = String::from("&[\n");
    for Built { name, mode, about, image } in table {
        // Writing to a String cannot fail.
        let _ = writeln!(
            rust,
            "Guest {{ name: {name:?}, mode: Mode::{mode}, about: {about:?}, \
             image: include_bytes!({image:?}) }},"
        );
    }
    rust + "]\n"
}

/// What `--list` says of the guest: the first sentence of the header comment `# NAME: …`, in C
/// `/* NAME: …`, in Rust `//! NAME: …`.
pub fn read_about(name: &str, path: &Path) -> Result<String, Failure> {
    let comment = match path {
        path if is_c(path) => "/*",
        path if is_rust(path) => "//!",
        _ => "#",
    };
    let source = fs::read_to_string(from_root(path)).map_err(|error| about_path(path, &error))?;
    source
        .lines()
        .next()
        .and_then(|line| line.strip_prefix(&format!("{comment} {name}: ")))
        .and_then(|text| text.split_once(". ").or_else(|| Some((text.strip_suffix('.')?, ""))))
        .map(|(sentence, _)| sentence.trim().to_owned())
        .filter(|sentence| !sentence.is_empty())
        .ok_or_else(|| {
            vec![
                format!("{}:1: no description for --list", path.display()),
                format!(
                    "  the first line must be `{comment} {name}: ` and a sentence with a full stop"
                ),
                format!(
                    "  as in `{comment} hello: prints one line on COM1, then halts. 13 exits: …`"
                ),
            ]
        })
}
