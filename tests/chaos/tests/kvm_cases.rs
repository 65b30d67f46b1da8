//! The cases that are kept: in each, a VMM once broke a promise, or nearly. Needs a complete KVM:
//! cargo's runner takes care of that.
#![expect(clippy::unwrap_used, reason = "a test says with a panic what went wrong")]

use std::fs;
use std::path::{Path, PathBuf};

use chaos::case::Case;
use chaos::check::Bench;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|it| it == "case")).collect();
    cases.sort();
    cases
}

#[test]
fn every_kept_case_ends_as_promised() {
    let test = std::env::current_exe().unwrap();
    let bench = Bench::new(test.ancestors().nth(2).unwrap().to_owned());
    let cases = cases();
    assert!(!cases.is_empty(), "no case is kept");
    let mut failures = Vec::new();
    for path in cases {
        let name = path.file_name().unwrap().display().to_string();
        let case = Case::parse(&fs::read_to_string(&path).unwrap());
        let case = case.unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(!case.expected.is_empty(), "{name}: it does not say what is expected");
        let (finished, verdict) = bench.check(&case).unwrap();
        let said = String::from_utf8_lossy(&finished.stderr);
        let words: String = said.lines().take(6).map(|line| format!("\n  | {line}")).collect();
        match verdict {
            // Shown by `cargo test -- --nocapture`.
            Ok(how) => println!("{name}: {} in {:.1?}{words}", how.name(), finished.time),
            Err(broken) => failures.push(format!("{name}: {broken}{words}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
