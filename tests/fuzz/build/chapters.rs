//! Makes of each chapter's `main.rs` the root of a crate of ours: the same modules, under the same
//! paths, without `main`. So the chapter's code is fuzzed as it stands.

use std::fs;
use std::path::Path;

const CHAPTERS: [&str; 3] = ["ch12-os-1k", "ch14-linux-boot", "ch15-linux-shell"];

/// Writes a file for each to `out`.
pub fn write_roots(out: &Path) {
    for chapter in CHAPTERS {
        let source = format!("{}/../../chapters/{chapter}/src", env!("CARGO_MANIFEST_DIR"));
        println!("cargo::rerun-if-changed={source}");
        let main = fs::read_to_string(format!("{source}/main.rs")).expect(&source);
        let short = chapter.split('-').next().expect("a name");
        fs::write(out.join(format!("{short}.rs")), root(&main, &source)).expect(&source);
    }
}

fn root(main: &str, source: &str) -> String {
    assert!(main.contains("\nfn main() -> ExitCode {"), "{source}/main.rs has another main");
    let mut root = String::new();
    for line in main.lines() {
        if line.starts_with("//!") {
            continue; // an included file cannot have them
        }
        if let Some(module) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
            root += &format!("#[path = \"{source}/{module}.rs\"]\n");
        }
        root += &line.replace("fn main() -> ExitCode", "fn chapter() -> ExitCode");
        root.push('\n');
    }
    root
}
