//! `cargo xtask grade` and `cargo xtask lab` from outside, on the host: what a student, or whoever
//! grades, meets. That the labs themselves are as they should be, `cargo xtask lab check` finds out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;
use tests::set_fault;

static XTASK: LazyLock<PathBuf> = LazyLock::new(tests::xtask);

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(&*XTASK);
    command.args(arguments).current_dir(checkout()).stdin(Stdio::null());
    // A test leaves no nest behind.
    command.env("MINI_KVM_NEST_IDLE", "0");
    command
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}{}", output.status, text(&output.stdout), text(&output.stderr))
}

#[track_caller]
fn assert_ends(command: &mut Command, status: i32, parts: &[&str]) {
    let output = command.output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(status), "{said}");
    for part in parts {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

/// A tree with chapter 1, in which `old` is `new` in one file.
fn changed(file: &str, old: &str, new: &str) -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    copy(&checkout().join("chapters/ch01-open-kvm"), &tree.path().join("ch01-open-kvm"));
    let path = tree.path().join("ch01-open-kvm").join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(old));
    fs::write(&path, text.replace(old, new)).unwrap();
    tree
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn what_there_is_not_is_bad_usage() {
    let no_chapter = "ch99: there is no such chapter\n  there are:\n    ch01-open-kvm";
    assert_ends(&mut xtask(&["grade", "ch99"]), 64, &[no_chapter]);
    assert_ends(&mut xtask(&["lab", "start", "ch99", "/nowhere"]), 64, &[no_chapter]);
    assert_ends(&mut xtask(&["lab", "check", "ch99"]), 64, &[no_chapter]);
    let no_task = "4: ch01-open-kvm has no such task\n  it has numbers, cpu, features";
    assert_ends(&mut xtask(&["grade", "ch01", "--hint", "4"]), 64, &[no_task]);
    assert_ends(&mut xtask(&["grade"]), 64, &["<CHAPTERS>"]);
    assert_ends(&mut xtask(&["grade", "ch01", "--all"]), 64, &["cannot be used with"]);
    assert_ends(&mut xtask(&["grade", "ch01", "--seed", "x"]), 64, &["--seed"]);
    assert_ends(&mut xtask(&["grade", ""]), 64, &["error: \"\": there is no such chapter"]);
    assert_ends(&mut xtask(&["grade", "--hint", "puts"]), 64, &["--hint: name one chapter"]);
    for command in [&["grade", "ch01"][..], &["lab", "check", "ch01"]] {
        let mut command = xtask(command);
        let output = command.env("MINI_KVM", "bogus").output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{}", said(&output));
        assert_eq!(said(&output).matches("MINI_KVM=bogus: there is no such choice").count(), 1);
    }
}

#[test]
fn a_tree_without_the_chapter_is_not_graded() {
    let empty = tempfile::tempdir().unwrap();
    let tree = empty.path().to_str().unwrap();
    let message = "no ch01-open-kvm there\n  name a folder that has ch01-open-kvm or";
    assert_ends(&mut xtask(&["grade", "ch01", "--against", tree]), 66, &[message]);
    let message = "no answer to any lab there";
    assert_ends(&mut xtask(&["grade", "--all", "--against", tree]), 66, &[message]);
    assert_ends(
        &mut xtask(&["grade", "ch01", "--against", "/nowhere"]),
        66,
        &["/nowhere: No such"],
    );
}

#[test]
fn an_answer_without_what_its_lab_is_about_is_not_graded() {
    let tree = tempfile::tempdir().unwrap();
    let chapter = tree.path().join("chapters/ch12-os-1k");
    copy(&checkout().join("chapters/ch12-os-1k"), &chapter);
    let place = tree.path().canonicalize().unwrap().join("os-1k");
    for named in [tree.path(), &chapter] {
        let grade = &mut xtask(&["grade", "ch12", "--against", named.to_str().unwrap()]);
        assert_ends(grade, 66, &["no os-1k there", &format!("at {}", place.display())]);
    }
}

#[test]
fn what_does_not_compile_has_no_points() {
    let tree = changed("src/main.rs", "Ok(exit::SUCCESS)", "Ok(nonsense)");
    let tree = tree.path().to_str().unwrap();
    let parts = ["cannot find value `nonsense`", "0 of 10 points", "it does not build"];
    assert_ends(&mut xtask(&["grade", "ch01", "--against", tree]), 1, &parts);

    let output = xtask(&["grade", "ch01", "--against", tree, "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let json = json(&output);
    assert_eq!((&json["points"], &json["of"]), (&0.into(), &10.into()));
    let lab = &json["labs"][0];
    assert_eq!(lab["chapter"], "ch01-open-kvm");
    assert!(lab["build_error"].as_str().unwrap().contains("cannot find value `nonsense`"));
    assert_eq!(lab["tasks"][1]["id"], "cpu");
    assert_eq!(lab["tasks"][1]["message"], "the answer does not build");
}

#[test]
fn a_manifest_that_is_none_has_no_points() {
    let tree = changed("Cargo.toml", "[dependencies]", "[dependencies");
    let tree = tree.path().to_str().unwrap();
    let parts = ["0 of 10 points", "TOML parse error at line ", "[dependencies"];
    let output = xtask(&["grade", "ch01", "ch01", "--against", tree]).output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    assert_eq!(said.matches("0 of 10 points").count(), 1, "{said}");
    assert!(!said.contains("a hint:"), "{said}");
}

#[test]
fn without_kvm_nothing_is_graded() {
    let mut grade = xtask(&["grade", "ch01", "--against", "solutions"]);
    set_fault(&mut grade, "open:2");
    let message = "the labs cannot be graded: /dev/kvm: ";
    assert_ends(grade.env("MINI_KVM", "native"), 69, &[message]);
}

#[test]
fn hints_come_in_two_tiers_from_any_folder() {
    let hint = |more: &[&str]| {
        let mut command = xtask(&[&["grade", "7", "--hint"], more].concat());
        let output = command.current_dir(checkout().join("guests/src")).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        said(&output)
    };
    let [first, second] = [hint(&["puts"]), hint(&["puts", "--hint"])];
    assert!(first.contains("puts: `HC_PUTS`") && first.contains("which ioctl"), "{first}");
    assert!(!first.contains("get_sregs") && first.contains("more: cargo xtask"), "{first}");
    assert!(second.contains("which ioctl") && second.contains("get_sregs"), "{second}");
    assert_eq!(hint(&["1"]), first);
    assert!(second.lines().all(|line| line.chars().count() <= 100), "{second}");
    // Without a task it is one hint, and the chapter may come last.
    let of_all = xtask(&["grade", "--hint", "ch07"]).output().unwrap();
    assert_eq!(of_all.status.code(), Some(0), "{}", said(&of_all));
    let text = String::from_utf8_lossy(&of_all.stdout);
    let tasks = text.lines().filter(|line| {
        ["puts: ", "pointers: ", "tenth: "].iter().any(|task| line.starts_with(task))
    });
    assert_eq!(tasks.count(), 1, "{text}");
}

#[test]
fn a_folder_that_is_not_empty_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "precious").unwrap();
    let start = &mut xtask(&["lab", "start", "ch01", folder.path().to_str().unwrap()]);
    assert_ends(start, 66, &["the folder is not empty"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let file = folder.path().join("mine");
    assert_ends(&mut xtask(&["lab", "start", "ch01", file.to_str().unwrap()]), 66, &["mine: "]);
}

/// As students have it: their workspace, their target directory, cargo, and where KVM is complete.
#[test]
fn a_students_workspace_builds_and_grades_on_its_own() {
    let ours = tests::target();
    let place = ours.join("labs/student");
    let (workspace, target) = (place.join("workspace"), place.join("target"));
    let _ = fs::remove_dir_all(&workspace);
    // What would be fetched.
    fs::create_dir_all(target.join("nest")).unwrap();
    let kernel = target.join("nest/kernel-full");
    if !kernel.exists() && ours.join("nest/kernel-full").exists() {
        symlink(ours.join("nest/kernel-full"), kernel).unwrap();
    }
    let parts = ["the lab of ch01-open-kvm, \"What the guest's CPU is\"", "cargo xtask grade ch01"];
    let folder = workspace.to_str().unwrap();
    assert_ends(&mut xtask(&["lab", "start", "ch01", folder]), 0, &parts);

    let readme = fs::read_to_string(workspace.join("README.md")).unwrap();
    assert!(readme.contains("1. **`--numbers`** (2 points)."), "{readme}");
    for answer in ["solutions", "tests/labs/wrong", "book", "chapters/ch02-guest-memory"] {
        assert!(!workspace.join(answer).exists(), "{answer}");
    }

    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).current_dir(workspace.join("chapters")).stdin(Stdio::null());
        cargo
            .env("CARGO_TARGET_DIR", &target)
            .env("MINI_KVM_NEST_IDLE", "0")
            .env_remove("MINI_KVM");
        cargo.output().unwrap()
    };
    // What needs the answers says so.
    for (command, name) in [
        (&["xtask", "lab", "start", "ch01", "/nowhere"][..], "lab start"),
        (&["xtask", "lab", "check"], "lab check"),
        (&["xtask", "test"], "test"),
    ] {
        let refused = cargo(command);
        assert_eq!(refused.status.code(), Some(66), "{}", said(&refused));
        let message = format!(
            "student's workspace, with neither the book nor the solutions\n  cargo xtask {name} is"
        );
        assert!(said(&refused).contains(&message), "{}", said(&refused));
    }

    let grade = ["xtask", "grade", "ch01", "--json", "--seed", "7"];
    let starter = cargo(&grade);
    assert_eq!(starter.status.code(), Some(1), "{}", said(&starter));
    let graded = json(&starter);
    assert_eq!((&graded["points"], &graded["seed"]), (&0.into(), &7.into()));
    let message = graded["labs"][0]["tasks"][0]["message"].as_str().unwrap();
    assert!(message.contains("unexpected argument '--numbers'"), "{message}");

    // The lab is done.
    let solution = checkout().join("solutions/ch01-open-kvm");
    let chapter = workspace.join("chapters/ch01-open-kvm");
    copy(&solution.join("src"), &chapter.join("src"));
    let manifest = fs::read_to_string(solution.join("Cargo.toml")).unwrap();
    fs::write(chapter.join("Cargo.toml"), manifest.replace("-solution", "")).unwrap();
    let done = cargo(&grade);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    assert_eq!(json(&done)["points"], 10);

    // And handed in: from here, the same.
    let mut from_here = xtask(&["grade", "ch01", "--against", folder, "--seed", "7"]);
    assert_ends(&mut from_here, 0, &["10 of 10 points", "seed 7"]);
}
