//! Broken chapters of a small checkout, from the patch to the program.

use std::fs;
use std::path::Path;
use std::process::Command;

use chapter_diff::chapters::Checkout;
use tempfile::TempDir;

use crate::breaks::{self, Break};
use crate::{Built, Scratch};

const MAIN: &str = "\
fn main() {
    println!(\"{}, {}\", guests::GREETING, guests::os());
}
";

const FILES: [(&str, &str); 7] = [
    (
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"chapters/*\", \"guests\"]\n\
         [workspace.package]\nedition = \"2024\"\n\
         [workspace.dependencies]\nguests = { path = \"guests\" }\n",
    ),
    (
        "chapters/ch01-one/Cargo.toml",
        "[package]\nname = \"ch01-one\"\nedition.workspace = true\n\
         [dependencies]\nguests.workspace = true\n",
    ),
    ("chapters/ch01-one/src/main.rs", MAIN),
    ("guests/Cargo.toml", "[package]\nname = \"guests\"\nedition.workspace = true\n"),
    (
        "guests/src/lib.rs",
        "pub const GREETING: &str = \"Hello\";\n\
         pub fn os() -> &'static str {\n    include_str!(\"../../os-1k/name\").trim()\n}\n",
    ),
    ("os-1k/name", "OS\n"),
    ("README.md", "Read me.\n"),
];

const HEADER: &str = "Run: ch01-one 'a b' c\nInput: x\\n\nWhy: to see\n\n";

struct Fixture {
    folder: TempDir,
}

impl Fixture {
    /// A checkout with these patches.
    fn new(patches: &[(&str, &str)]) -> Self {
        let fixture = Self { folder: TempDir::new().unwrap() };
        let patches = patches
            .iter()
            .map(|(name, patch)| (format!("{}/{name}.patch", breaks::FOLDER), *patch));
        let files = FILES.map(|(path, text)| (path.to_owned(), text));
        for (path, text) in files.into_iter().chain(patches) {
            let path = fixture.root().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fixture
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn read(&self, name: &str) -> anyhow::Result<Break> {
        Break::read(&Checkout::at(self.root()).unwrap(), name)
    }

    /// What is wrong with a patch before anything is built.
    fn error(&self, name: &str) -> String {
        let mut scratch = Scratch::new(self.root(), &self.root().join("target/scratch"));
        let added = self.read(name).and_then(|broken| broken.add_to(&mut scratch, self.root()));
        format!("{:#}", added.unwrap_err())
    }

    fn build(&self) -> Built {
        let target = self.root().join("target");
        let mut scratch = Scratch::new(self.root(), &target.join("scratch"));
        for name in breaks::names(self.root()).unwrap() {
            self.read(&name).unwrap().add_to(&mut scratch, self.root()).unwrap();
        }
        let workspace = scratch.write().unwrap();
        workspace.run(&mut workspace.cargo("build", &target)).unwrap()
    }
}

/// A diff that replaces a line of a file by another.
fn diff(path: &str, old: &str, new: &str) -> String {
    format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{old}\n+{new}\n")
}

fn patch(path: &str, old: &str, new: &str) -> String {
    HEADER.to_owned() + &diff(path, old, new)
}

/// A patch to the chapter of the fixture.
fn of_chapter(statement: &str) -> String {
    let old = MAIN.lines().nth(1).unwrap();
    patch("chapters/ch01-one/src/main.rs", old, &format!("    {statement}"))
}

#[test]
fn all_that_can_be_built_is() {
    let guests = patch("os-1k/name", "OS", "broken OS")
        + &diff(
            "guests/src/lib.rs",
            "pub const GREETING: &str = \"Hello\";",
            "pub const GREETING: &str = \"Bye\";",
        );
    let fixture = Fixture::new(&[
        ("ch01_break_greeting", &of_chapter("println!(\"Bye, {}\", guests::os());")),
        ("ch01_break_guests", &guests),
        ("ch01_break_rust", &of_chapter("println!(nonsense);")),
        ("ch01_break_words", &of_chapter("let unused = 1;")),
    ]);
    let built = fixture.build();
    assert!(!built.status.success());
    let said = |name: &str| {
        let output = Command::new(&built.programs[name]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(said("ch01_break_greeting"), "Bye, OS\n");
    assert_eq!(said("ch01_break_guests"), "Bye, broken OS\n");
    assert_eq!(said("ch01_break_words"), "");
    assert!(!built.programs.contains_key("ch01_break_rust"));
    assert_eq!(built.errors.keys().collect::<Vec<_>>(), ["ch01_break_rust"]);
    let failure = built.failure("ch01_break_rust");
    assert!(failure.starts_with("error: format argument must be a string literal"), "{failure}");

    // What was broken is mended, and nothing is left of it.
    let path = fixture.root().join(breaks::file("ch01_break_rust"));
    fs::write(&path, of_chapter("println!(\"sense\");")).unwrap();
    fs::remove_file(fixture.root().join(breaks::file("ch01_break_guests"))).unwrap();
    let built = fixture.build();
    assert!(built.status.success(), "{}", built.said);
    let names = ["ch01_break_greeting", "ch01_break_rust", "ch01_break_words"];
    assert_eq!(built.programs.keys().collect::<Vec<_>>(), names);
    let output = Command::new(&built.programs["ch01_break_rust"]).output().unwrap();
    assert_eq!(output.stdout, b"sense\n");
}

#[test]
fn a_build_script_that_fails_is_heard() {
    let script = "--- /dev/null\n+++ b/guests/build.rs\n@@ -0,0 +1 @@\n\
                  +fn main() { println!(\"cargo::error=no assembler\"); }\n";
    let fixture = Fixture::new(&[
        ("ch01_break_script", &format!("{HEADER}{script}")),
        ("ch01_break_words", &of_chapter("let unused = 1;")),
    ]);
    let built = fixture.build();
    assert_eq!(built.programs.keys().collect::<Vec<_>>(), ["ch01_break_words"]);
    let failure = built.failure("ch01_break_script");
    assert!(failure.contains("no assembler"), "{failure}");
}

#[test]
fn a_header_says_how_to_run_it() {
    let fixture = Fixture::new(&[("ch01_break_it", &of_chapter(""))]);
    let broken = fixture.read("ch01_break_it").unwrap();
    assert_eq!(broken.chapter, "ch01-one");
    assert_eq!(broken.arguments, ["a b", "c"]);
    assert_eq!(broken.input, b"x\n");
}

#[test]
fn a_wrong_header_is_an_error_that_names_patch_and_reason() {
    let good = of_chapter("");
    for (from, to, reason) in [
        ("Why: to see\n", "", "no `Why:` line before the diff"),
        ("Run: ch01-one", "Run: ch01", "Run: ch01: there is no such chapter"),
        ("'a b'", "'a b", "Run: ch01-one 'a b c: a quotation mark has no other"),
        ("Input: x\\n", "Input: x\\q", "Input: \\q: unknown"),
        ("Input: x", "Inputs: x", "`Inputs:`: nobody knows such a header line"),
    ] {
        assert!(good.contains(from));
        let fixture = Fixture::new(&[("ch01_break_it", &good.replace(from, to))]);
        let error = fixture.error("ch01_break_it");
        let start = format!("tests/patches/ch01_break_it.patch: {reason}");
        assert!(error.starts_with(&start), "{error}");
    }
    let fixture = Fixture::new(&[("ch02_break_it", &good)]);
    assert_eq!(
        fixture.error("ch02_break_it"),
        "tests/patches/ch02_break_it.patch: it runs ch01-one, and is not called so\n  call it \
         chNN_break_NAME.patch, with the chapter's number"
    );
}

#[test]
fn a_patch_that_no_longer_applies_says_how_to_renew_it() {
    let outdated = patch("chapters/ch01-one/src/main.rs", "    println!(\"Hi\");", "");
    let elsewhere = patch("README.md", "Read me.", "");
    let fixture = Fixture::new(&[("ch01_break_old", &outdated), ("ch01_break_else", &elsewhere)]);
    assert_eq!(
        fixture.error("ch01_break_old"),
        "tests/patches/ch01_break_old.patch: it does not apply to chapters/ch01-one/src/main.rs \
         (line 1): error applying hunk #1\n  \
         if the chapter has changed, renew the patch: make the same change in chapters/ch01-one, \
         put what\n  `git diff` prints in place of the old diff below the header lines, and undo \
         with `git checkout chapters/ch01-one`"
    );
    let error = fixture.error("ch01_break_else");
    let start = "tests/patches/ch01_break_else.patch: it changes README.md\n  \
                 it may change chapters/ch01-one, guests and os-1k";
    assert!(error.starts_with(start), "{error}");
}

#[test]
fn without_patches_there_is_nothing_to_show() {
    let fixture = Fixture::new(&[]);
    breaks::names(fixture.root()).unwrap_err();
    fs::create_dir_all(fixture.root().join(breaks::FOLDER)).unwrap();
    let error = breaks::names(fixture.root()).unwrap_err();
    assert!(error.to_string().ends_with("tests/patches: no patch is there"), "{error}");
}

/// The book says `git apply`, where we apply it ourselves.
#[test]
fn git_takes_every_patch() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    for name in breaks::names(checkout).unwrap() {
        let path = breaks::file(&name);
        let mut git = Command::new("git");
        let output = git.args(["apply", "--check"]).arg(&path).current_dir(checkout).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git apply {}: {said}", path.display());
    }
}
