//! Building answers, and the checks.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use variants::{Scratch, add_tree};

use super::answer::{Answer, Files};
use crate::cargo::cargo;
use crate::chapters::Checkout;

/// The package of the checks, and its program.
const CHECKS: &str = "lab-checks";

/// A program, or what the compiler said instead.
pub type Built = Result<PathBuf, String>;

/// How much of the workspace is built along.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Nothing that is not needed.
    Least,
    /// All its programs, as for its tests. Cargo makes other variants of the crates that they share
    /// when it builds fewer, which takes longer if these are there.
    Workspace,
    /// Nothing that is not needed, and cargo speaks of nothing but mistakes.
    Quiet,
}

/// Builds the program that checks answers.
pub fn checks(checkout: &Checkout, target: &Path, extent: Extent) -> Result<PathBuf> {
    let manifest = checkout.root.join("Cargo.toml");
    let mut built = cargo_build(&manifest, target, &[CHECKS.to_owned()], extent)?;
    match built.remove(CHECKS) {
        Some(Ok(program)) => Ok(program),
        _ => bail!("the checks do not build: see cargo's messages above"),
    }
}

/// Builds the answers: the members of the workspace as they lie there, all others in a workspace of
/// their own. In their order.
pub fn answers(
    checkout: &Checkout,
    target: &Path,
    answers: &[Answer],
    extent: Extent,
) -> Result<Vec<Built>> {
    let mut built = BTreeMap::new();
    let members: Vec<_> = answers
        .iter()
        .filter_map(|answer| match &answer.files {
            Files::Member(package) => Some(package.name()),
            Files::Elsewhere { .. } => None,
        })
        .collect();
    if !members.is_empty() {
        built.extend(cargo_build(&checkout.root.join("Cargo.toml"), target, &members, extent)?);
    }

    let others: Vec<_> =
        answers.iter().filter(|answer| matches!(answer.files, Files::Elsewhere { .. })).collect();
    built.extend(elsewhere(checkout, target, &others, extent)?);
    // One whose manifest cargo has no use for keeps all others from being built with it.
    let lost: Vec<_> = others.iter().filter(|it| !built.contains_key(&it.name)).collect();
    if others.len() > 1 {
        for answer in lost {
            built.extend(elsewhere(checkout, target, &[answer], extent)?);
        }
    }
    let unknown = || Err("it does not build: see cargo's messages".to_owned());
    Ok(answers.iter().map(|it| built.remove(&it.name).unwrap_or_else(unknown)).collect())
}

/// Where answers from elsewhere are built.
pub fn workspace(target: &Path) -> PathBuf {
    target.join("labs/answers")
}

/// Builds answers from elsewhere, with this checkout's guests, versions and lints.
fn elsewhere(
    checkout: &Checkout,
    target: &Path,
    answers: &[&Answer],
    extent: Extent,
) -> Result<BTreeMap<String, Built>> {
    let mut programs = BTreeMap::new();
    let mut scratch = Scratch::new(&checkout.root, &workspace(target));
    for answer in answers {
        let Files::Elsewhere { tree, home, manifest } = &answer.files else { continue };
        // A manifest that cannot be read is the answer's fault, and no other's.
        let added = add_tree(&mut scratch, &answer.name, home, tree.clone());
        if let Err(error) = added {
            let why = format!("error: {}: {}", answer.folder.display(), error.root_cause());
            eprintln!("{}", why.trim_end());
            programs.insert(answer.name.clone(), Err(why));
        } else if let Some(manifest) = manifest
            && let Err(error) = scratch.depend_on_what(manifest)
        {
            let folder = answer.folder.display();
            eprintln!("warning: the Cargo.toml of the workspace of {folder}: {error}");
        }
    }
    if programs.len() < answers.len() {
        let written = scratch.write()?;
        written.settle();
        let mut cargo = written.cargo("build", target);
        if extent == Extent::Quiet {
            cargo.arg("--quiet");
        }
        let built = written.run(cargo.stderr(Stdio::inherit()))?;
        for answer in answers {
            if let Some(program) = built.programs.get(&answer.name) {
                programs.insert(answer.name.clone(), Ok(program.clone()));
            } else if let Some(errors) = built.errors.get(&answer.name) {
                let errors = errors.concat();
                eprint!("{errors}");
                programs.insert(answer.name.clone(), Err(errors));
            }
        }
    }
    Ok(programs)
}

/// Builds packages of a workspace. Of each that has a program, or at which the compiler found fault,
/// it says which. Cargo's own words go to standard error.
fn cargo_build(
    manifest: &Path,
    target: &Path,
    packages: &[String],
    extent: Extent,
) -> Result<BTreeMap<String, Built>> {
    let mut command = cargo();
    command
        .args(["build", "--keep-going", "--message-format=json", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(target)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    match extent {
        Extent::Least | Extent::Quiet => {
            command.args(packages.iter().flat_map(|package| ["--package", package]))
        }
        Extent::Workspace => command.arg("--bins"),
    };
    if extent == Extent::Quiet {
        command.arg("--quiet");
    }
    let mut child = command.spawn().context("cargo")?;
    let stdout = child.stdout.take().context("cargo's output")?;
    let mut built = BTreeMap::new();
    for line in BufReader::new(stdout).lines() {
        let line = line.context("cargo's output")?;
        if let Ok(message) = serde_json::from_str(&line) {
            note(&message, packages, &mut built);
        }
    }
    child.wait().context("cargo")?;
    Ok(built)
}

/// Takes from cargo's message what is about a program of these packages, and shows its errors.
fn note(message: &Value, packages: &[String], built: &mut BTreeMap<String, Built>) {
    let id = message["package_id"].as_str().unwrap_or_default();
    let Some(package) = packages.iter().find(|package| package_of(id) == **package) else { return };
    match message["reason"].as_str() {
        Some("compiler-artifact") => {
            if let Some(program) = message["executable"].as_str() {
                built.insert(package.clone(), Ok(program.into()));
            }
        }
        Some("compiler-message") if message["message"]["level"] == "error" => {
            let said = message["message"]["rendered"].as_str().unwrap_or_default();
            eprint!("{said}");
            let built = built.entry(package.clone()).or_insert_with(|| Err(String::new()));
            if let Err(all) = built {
                *all += said;
            }
        }
        _ => {}
    }
}

/// `ch07-hypercall` of `path+file:///…/chapters/ch07-hypercall#0.1.0`, or of `…#ch07-hypercall@0.1.0`.
fn package_of(id: &str) -> &str {
    let Some((place, what)) = id.rsplit_once('#') else { return id };
    match what.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next().unwrap_or(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_known_by_either_kind_of_id() {
        assert_eq!(package_of("path+file:///x/chapters/ch07-hypercall#0.1.0"), "ch07-hypercall");
        assert_eq!(
            package_of("path+file:///x/solutions/ch07#ch07-hypercall@0.1.0"),
            "ch07-hypercall"
        );
    }

    #[test]
    fn programs_and_errors_are_taken_from_cargos_messages() {
        let id = "path+file:///x#ch01-a@0.1.0";
        let error = |text: &str| {
            serde_json::json!({ "reason": "compiler-message", "package_id": id,
                "message": { "level": "error", "rendered": text } })
        };
        let packages = ["ch01-a".to_owned()];
        let mut built = BTreeMap::new();
        note(&error("one\n"), &packages, &mut built);
        note(&error("two\n"), &packages, &mut built);
        assert_eq!(built["ch01-a"], Err("one\ntwo\n".to_owned()));

        let artifact = serde_json::json!({ "reason": "compiler-artifact", "package_id": id,
            "executable": "/target/debug/ch01-a" });
        let mut built = BTreeMap::new();
        note(&artifact, &packages, &mut built);
        assert_eq!(built["ch01-a"], Ok(PathBuf::from("/target/debug/ch01-a")));
        let mut built = BTreeMap::new();
        note(&artifact, &["ch01-b".to_owned()], &mut built);
        assert!(built.is_empty());
    }
}
