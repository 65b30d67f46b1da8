use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::chapters::{Mistake, Tree};

/// A small tree of the workspace's form, with everything committed.
struct Scratch {
    folder: TempDir,
}

const GUEST: &str = "\
/// The most that a guest may have.
const LIMIT: usize = 64;

pub fn fits(bytes: usize) -> bool {
    bytes < LIMIT
}

pub fn describe(bytes: usize) -> String {
    format!(\"{bytes} bytes\")
}
";

impl Scratch {
    /// Four chapters; the third describes sizes in its own way, and the second has a solution.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Self { folder };
        scratch.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"chapters/*\", \"solutions/*\"]\n",
        );
        scratch.write(".gitignore", "/target/\n");
        for (number, name) in [(1, "ch01-a"), (2, "ch02-b"), (3, "ch03-c"), (4, "ch04-d")] {
            let folder = format!("chapters/{name}");
            scratch.write_package(&folder, name, number);
        }
        for name in ["ch03-c", "ch04-d"] {
            scratch.edit(
                &format!("chapters/{name}/src/guest.rs"),
                "{bytes} bytes",
                "{} KiB\", bytes / 1024",
            );
            // The `)` of the macro closes what the replacement opened.
            scratch.edit(&format!("chapters/{name}/src/guest.rs"), "1024\")", "1024)");
        }
        scratch.write_package("solutions/ch02-b", "ch02-b-solution", 2);
        scratch.edit("solutions/ch02-b/src/main.rs", "todo", "the answer");
        scratch.git(&["init", "--quiet"]);
        scratch.commit();
        scratch
    }

    fn write_package(&self, folder: &str, name: &str, number: u32) {
        self.write(
            &format!("{folder}/Cargo.toml"),
            &format!(
                "[package]\nname = \"{name}\"\ndescription = \"Chapter {number}: {name}\"\n\
                 edition = \"2024\"\n"
            ),
        );
        self.write(
            &format!("{folder}/src/main.rs"),
            &format!(
                "//! Chapter {number}: {name}.\n\nmod guest;\n\nconst CHAPTER: u8 = {number};\n\n\
                 fn main() {{\n    println!(\"{{CHAPTER}}: todo\");\n    \
                 println!(\"{{}} {{}}\", guest::fits(3), guest::describe(3));\n}}\n"
            ),
        );
        self.write(&format!("{folder}/src/guest.rs"), GUEST);
    }

    fn git(&self, arguments: &[&str]) {
        let status = Command::new("git")
            .arg("-C")
            .arg(self.folder.path())
            .args(["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"])
            .args(["-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null"])
            .args(arguments)
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "all"]);
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces a text that must be there.
    fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path}: no {from:?} in\n{text}");
        self.write(path, &text.replace(from, to));
    }

    fn all_files(&self) -> Tree {
        ["chapters", "solutions"]
            .into_iter()
            .flat_map(|folder| {
                let files = chapters::read_tree(&self.path(folder)).unwrap();
                files.into_iter().map(move |(path, bytes)| (Path::new(folder).join(path), bytes))
            })
            .collect()
    }

    fn attempt(&self, command: &str) -> (Result<ExitCode>, String) {
        let checkout = Checkout::at(self.folder.path()).unwrap();
        let mut out = Vec::new();
        let result = match command.split(' ').collect::<Vec<_>>()[..] {
            ["--continue"] => go_on(&checkout, &mut out),
            ["--abort"] => abort(&checkout, &mut out),
            [chapter, "--base", base] => start(&checkout, chapter, base, &mut out),
            [chapter] => start(&checkout, chapter, "HEAD", &mut out),
            _ => panic!("{command}"),
        };
        (result, String::from_utf8(out).unwrap())
    }

    /// Chapters and fates, of a forward that came to its end or to a conflict.
    fn forward(&self, command: &str) -> Vec<String> {
        let (result, report) = self.attempt(command);
        result.unwrap();
        assert!(!report.contains("not formatted"), "{report}");
        fates(&report)
    }

    fn error(&self, command: &str) -> anyhow::Error {
        self.attempt(command).0.unwrap_err()
    }
}

/// The lines about packages, without the files.
fn fates(report: &str) -> Vec<String> {
    report
        .lines()
        .filter(|line| line.starts_with("ch") && !line.contains(": "))
        .map(|line| line.split("  ").map(str::trim).filter(|word| !word.is_empty()))
        .map(|words| words.take(2).collect::<Vec<_>>().join(": "))
        .collect()
}

#[test]
fn a_renamed_constant_goes_everywhere() {
    let scratch = Scratch::new();
    scratch.edit("chapters/ch01-a/src/guest.rs", "LIMIT", "BYTES_MAX");
    assert_eq!(
        scratch.forward("ch01"),
        ["ch02-b: carried", "ch02-b-solution: carried", "ch03-c: carried", "ch04-d: carried"]
    );
    for (path, bytes) in scratch.all_files() {
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("LIMIT"), "{}", path.display());
        assert_eq!(text.contains("BYTES_MAX"), path.ends_with("guest.rs"));
    }
    assert!(scratch.read("chapters/ch04-d/src/guest.rs").contains("KiB"));
    assert!(scratch.read("solutions/ch02-b/src/main.rs").contains("the answer"));
    assert!(!scratch.path("target/forward").exists());
}

#[test]
fn a_fixed_comparison_goes_from_the_middle_to_the_end_also_when_committed() {
    let scratch = Scratch::new();
    scratch.edit("chapters/ch02-b/src/guest.rs", "bytes < LIMIT", "bytes <= LIMIT");
    scratch.commit();
    assert_eq!(scratch.forward("2"), [""; 0], "nothing is uncommitted");
    assert_eq!(
        scratch.forward("2 --base HEAD~1"),
        ["ch02-b-solution: carried", "ch03-c: carried", "ch04-d: carried"]
    );
    assert!(scratch.read("chapters/ch01-a/src/guest.rs").contains("bytes < LIMIT"));
    for package in ["chapters/ch03-c", "chapters/ch04-d", "solutions/ch02-b"] {
        assert!(scratch.read(&format!("{package}/src/guest.rs")).contains("bytes <= LIMIT"));
    }
}

#[test]
fn a_conflict_is_mended_once_and_carried_on_mended() {
    let scratch = Scratch::new();
    scratch.edit("chapters/ch01-a/src/guest.rs", "bytes\")", "B\")");
    let (result, report) = scratch.attempt("ch01");
    assert_eq!(result.unwrap(), ExitCode::from(1));
    assert_eq!(
        report,
        "\
ch01-a: changed since HEAD: src/guest.rs
ch02-b                        carried           src/guest.rs
ch02-b-solution               carried           src/guest.rs
ch03-c                        conflict          src/guest.rs

conflict in ch03-c
  chapters/ch03-c/src/guest.rs: changed on both sides
  mend it, then: cargo xtask forward --continue
  or put everything back as it was: cargo xtask forward --abort
"
    );
    let guest = "chapters/ch03-c/src/guest.rs";
    let text = scratch.read(guest);
    let conflict = "\
<<<<<<< ch03-c
    format!(\"{} KiB\", bytes / 1024)
||||||| ch02-b before the change
    format!(\"{bytes} bytes\")
=======
    format!(\"{bytes} B\")
>>>>>>> ch02-b with the change
";
    assert!(text.contains(conflict), "{text}");

    let error = scratch.error("--continue").to_string();
    assert_eq!(
        error,
        "conflict markers are left in\n  chapters/ch03-c/src/guest.rs\n  decide what goes there, \
         and remove them"
    );
    assert!(scratch.error("ch01").to_string().starts_with("a forward is already under way"));

    scratch.edit(guest, conflict, "    format!(\"{} kB\", bytes / 1000)\n");
    assert_eq!(scratch.forward("--continue"), ["ch03-c: carried", "ch04-d: carried"]);
    assert_eq!(scratch.read("chapters/ch04-d/src/guest.rs"), scratch.read(guest));
    assert!(scratch.error("--continue").to_string().starts_with("no forward is under way"));
}

#[test]
fn a_conflict_in_a_solution_does_not_get_into_the_next_chapter() {
    let scratch = Scratch::new();
    let answer = "solutions/ch02-b/src/guest.rs";
    scratch.edit(answer, "bytes < LIMIT", "bytes != LIMIT");
    scratch.edit("chapters/ch01-a/src/guest.rs", "bytes < LIMIT", "bytes <= LIMIT");
    assert_eq!(scratch.forward("ch01"), ["ch02-b: carried", "ch02-b-solution: conflict"]);
    scratch.write(answer, &GUEST.replace("bytes < LIMIT", "bytes == LIMIT"));
    assert_eq!(
        scratch.forward("--continue"),
        ["ch02-b-solution: carried", "ch03-c: carried", "ch04-d: carried"]
    );
    assert!(scratch.read("chapters/ch04-d/src/guest.rs").contains("bytes <= LIMIT"));
}

#[test]
fn abort_restores_every_byte_and_loses_nothing() {
    let scratch = Scratch::new();
    // Work that is not committed, in chapters that will be written to; not even formatted.
    scratch.edit("chapters/ch02-b/src/main.rs", "fn main() {", "fn main() {\n  let _work  = 1;");
    scratch.write("chapters/ch03-c/src/notes.rs", "// not\r\n// finished");
    scratch.edit("chapters/ch04-d/src/guest.rs", "The most", "All");
    scratch.edit("chapters/ch01-a/src/guest.rs", "bytes\")", "B\"  )");
    scratch.write("chapters/ch01-a/src/new.rs", "pub fn new( ) {}\n");
    let before = scratch.all_files();

    assert_eq!(scratch.forward("ch01").last().unwrap(), "ch03-c: conflict");
    assert_ne!(scratch.all_files(), before);
    scratch.write("chapters/ch03-c/src/guest.rs", "// half mended\n");
    scratch.write("chapters/ch04-d/src/idea.rs", "// an idea\n");
    fs::remove_file(scratch.path("chapters/ch02-b/src/new.rs")).unwrap();

    let report = scratch.attempt("--abort").1;
    assert_eq!(scratch.all_files(), before);
    assert!(report.contains("target/forward-aborted-1"), "{report}");
    let aside = chapters::read_tree(&scratch.path("target/forward-aborted-1")).unwrap();
    let aside: Vec<_> = aside.keys().map(|path| path.display().to_string()).collect();
    assert_eq!(aside, ["chapters/ch03-c/src/guest.rs", "chapters/ch04-d/src/idea.rs"]);
    assert!(!scratch.path("target/forward").exists());
    assert!(scratch.error("--abort").to_string().starts_with("no forward is under way"));
}

#[test]
fn abort_after_a_mended_conflict_keeps_what_was_mended() {
    let scratch = Scratch::new();
    scratch.edit("chapters/ch04-d/src/guest.rs", "KiB", "MiB");
    scratch.commit();
    scratch.edit("chapters/ch01-a/src/guest.rs", "bytes\")", "B\")");
    let before = scratch.all_files();
    assert_eq!(scratch.forward("ch01").last().unwrap(), "ch03-c: conflict");
    let mended = GUEST.replace("{bytes} bytes", "{bytes} kB");
    scratch.write("chapters/ch03-c/src/guest.rs", &mended);
    assert_eq!(scratch.forward("--continue"), ["ch03-c: carried", "ch04-d: conflict"]);
    assert_eq!(scratch.attempt("--abort").0.unwrap(), ExitCode::SUCCESS);
    assert_eq!(scratch.all_files(), before);
    assert_eq!(scratch.read("target/forward-aborted-1/chapters/ch03-c/src/guest.rs"), mended);
}

#[test]
fn files_come_and_go() {
    let scratch = Scratch::new();
    scratch.write("chapters/ch01-a/src/report.rs", "pub fn report() {}\n");
    scratch.edit("chapters/ch01-a/src/main.rs", "mod guest;", "mod guest;\nmod report;");
    scratch.edit("chapters/ch03-c/src/main.rs", "mod guest;", "mod guest;\nmod own;");
    scratch.write("chapters/ch03-c/src/own.rs", "pub fn own() {}\n");
    scratch.forward("ch01");
    for chapter in ["chapters/ch02-b", "chapters/ch03-c", "chapters/ch04-d", "solutions/ch02-b"] {
        assert_eq!(scratch.read(&format!("{chapter}/src/report.rs")), "pub fn report() {}\n");
    }
    let main = scratch.read("chapters/ch03-c/src/main.rs");
    assert!(main.contains("mod guest;\nmod own;\nmod report;\n"), "{main}");
    assert!(!scratch.path("chapters/ch04-d/src/own.rs").exists(), "it is chapter 3's own");

    scratch.commit();
    scratch.edit("chapters/ch04-d/src/report.rs", "{}", "{\n    println!();\n}");
    fs::remove_file(scratch.path("chapters/ch01-a/src/report.rs")).unwrap();
    scratch.edit("chapters/ch01-a/src/main.rs", "mod report;\n", "");
    assert_eq!(
        scratch.forward("ch01"),
        ["ch02-b: carried", "ch02-b-solution: carried", "ch03-c: carried", "ch04-d: conflict"]
    );
    assert!(!scratch.path("chapters/ch03-c/src/report.rs").exists());
    assert!(scratch.path("chapters/ch04-d/src/report.rs").exists());
    assert_eq!(scratch.forward("--continue"), ["ch04-d: carried"]);
}

#[test]
fn what_is_already_there_is_said_and_does_not_stop_the_rest() {
    let scratch = Scratch::new();
    for chapter in ["ch01-a", "ch02-b"] {
        scratch.edit(&format!("chapters/{chapter}/src/guest.rs"), "< LIMIT", "<= LIMIT");
    }
    let carried =
        ["ch02-b: already there", "ch02-b-solution: carried", "ch03-c: carried", "ch04-d: carried"];
    assert_eq!(scratch.forward("ch01"), carried);
    assert!(scratch.forward("ch01").iter().all(|line| line.ends_with(": already there")));
}

#[test]
fn a_chapters_title_and_name_stay_its_own() {
    let scratch = Scratch::new();
    scratch.edit("chapters/ch01-a/Cargo.toml", "Chapter 1: ch01-a", "Chapter 1: better");
    scratch.edit("chapters/ch01-a/src/main.rs", "Chapter 1: ch01-a", "Chapter 1: better");
    assert!(scratch.forward("ch01").iter().all(|line| line.ends_with(": nothing to carry")));

    // Right below the lines that are different in every chapter.
    scratch.edit("chapters/ch01-a/Cargo.toml", "edition = \"2024\"", "edition = \"2021\"");
    assert!(scratch.forward("ch01").iter().all(|line| line.ends_with(": carried")));
    let manifest = scratch.read("solutions/ch02-b/Cargo.toml");
    assert_eq!(
        manifest,
        "[package]\nname = \"ch02-b-solution\"\ndescription = \"Chapter 2: ch02-b-solution\"\n\
         edition = \"2021\"\n"
    );
}

#[test]
fn what_was_carried_is_formatted_and_what_does_not_parse_is_named() {
    let scratch = Scratch::new();
    scratch.edit("chapters/ch02-b/src/main.rs", "fn main() {", "fn main( {");
    scratch.edit("chapters/ch01-a/src/guest.rs", "bytes < LIMIT", "bytes  <=  LIMIT");
    let (result, report) = scratch.attempt("ch01");
    assert_eq!(result.unwrap(), ExitCode::SUCCESS);
    assert!(report.contains("ch02-b: not formatted\n  error: "), "{report}");
    assert_eq!(report.matches("not formatted").count(), 1, "{report}");
    for chapter in ["ch01-a", "ch02-b", "ch04-d"] {
        let guest = scratch.read(&format!("chapters/{chapter}/src/guest.rs"));
        assert!(guest.contains("    bytes <= LIMIT\n"), "{guest}");
    }
}

#[test]
fn a_conflict_in_a_manifest_leaves_cargo_able_to_run() {
    let scratch = Scratch::new();
    scratch.edit("chapters/ch02-b/Cargo.toml", "2024", "2021");
    scratch.edit("chapters/ch01-a/Cargo.toml", "2024", "2018");
    assert_eq!(scratch.forward("ch01"), ["ch02-b: conflict"]);
    let manifest = scratch.read("chapters/ch02-b/Cargo.toml");
    assert!(manifest.contains("# <<<<<<< ch02-b\nedition = \"2021\"\n# |||||||"), "{manifest}");
    assert!(scratch.error("--continue").to_string().contains("chapters/ch02-b/Cargo.toml"));
}

#[test]
fn errors_say_what_is_wrong() {
    let scratch = Scratch::new();
    let error = scratch.error("ch09");
    assert!(error.is::<Mistake>() && error.to_string().starts_with("ch09: there is no such"));
    let error = scratch.error("ch01 --base nowhere");
    assert!(error.is::<Mistake>() && error.to_string().starts_with("nowhere: git knows no such"));
    scratch.write_package("chapters/ch05-e", "ch05-e", 5);
    assert!(scratch.error("ch05").to_string().starts_with("ch05-e: not in HEAD\n"));
    scratch.commit();
    scratch.edit("chapters/ch05-e/src/main.rs", "todo", "done");
    let report = scratch.attempt("ch05").1;
    assert!(report.starts_with("ch05-e: nothing to carry it to"), "{report}");

    fs::remove_dir_all(scratch.path(".git")).unwrap();
    let error = scratch.error("ch01").to_string();
    assert!(error.contains(": no git checkout\n  git says: "), "{error}");
    assert!(!scratch.path("target/forward").exists());
}

#[test]
fn a_forward_that_was_killed_can_only_be_aborted() {
    let scratch = Scratch::new();
    let before = scratch.all_files();
    let checkout = Checkout::at(scratch.folder.path()).unwrap();
    let (source, target) = (Package::chapter("ch01-a"), Package::chapter("ch02-b"));
    State::begin(&checkout, source, vec![target]).unwrap();
    scratch.write("chapters/ch02-b/src/guest.rs", "// half written");
    assert!(scratch.error("--continue").to_string().contains("interrupted"));
    scratch.attempt("--abort").0.unwrap();
    assert_eq!(scratch.all_files(), before);

    fs::create_dir(scratch.path("target/forward")).unwrap();
    scratch.attempt("--abort").0.unwrap();
    assert!(!scratch.path("target/forward").exists());
}
