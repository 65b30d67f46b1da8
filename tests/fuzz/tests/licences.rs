//! What we depend on is under a licence that `deny.toml` allows, and comes from crates.io.
//!
//! This is what cargo-deny does, from the same file, without a network. Advisories it cannot check: for
//! them there is a database, which changes daily and is fetched: `cargo deny check advisories`.
#![allow(clippy::unwrap_used, reason = "it is a test")]

use std::fs;
use std::path::Path;

use cargo_metadata::{Metadata, MetadataCommand, Package};
use spdx::expression::ExpressionReq;
use spdx::{Expression, Licensee, ParseMode};
use toml_edit::{DocumentMut, Item, Value};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What is allowed for each, and what for one crate more.
struct Licences {
    all: Vec<Licensee>,
    exceptions: Vec<(String, Vec<Licensee>)>,
}

impl Licences {
    fn new(rules: &Item) -> Self {
        let licences = |list| texts(list).into_iter().map(|it| Licensee::parse(it).expect(it));
        let exceptions = rules["exceptions"].as_array().expect("a list").iter().map(|it| {
            let it = it.as_inline_table().expect("{ crate = ..., allow = ... }");
            (it["crate"].as_str().expect("a name").into(), licences(&it["allow"]).collect())
        });
        let all = licences(rules["allow"].as_value().expect("a list")).collect();
        Self { all, exceptions: exceptions.collect() }
    }

    fn of<'a>(&'a self, name: &str) -> Vec<&'a Licensee> {
        let exception = self.exceptions.iter().find(|(it, _)| it == name).map(|(_, more)| more);
        self.all.iter().chain(exception.into_iter().flatten()).collect()
    }
}

/// What is built on Linux: others' crates, too, but not those for other platforms.
fn metadata() -> Metadata {
    let options = ["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"];
    let mut command = MetadataCommand::new();
    command.manifest_path(format!("{ROOT}/Cargo.toml"));
    command.other_options(options.map(str::to_owned)).exec().expect("cargo metadata")
}

/// Why the package's licence is not one of `allowed`, if so.
fn objection(package: &Package, licences: &Licences) -> Option<String> {
    let name = format!("{} {}", package.name, package.version);
    let Some(licence) = &package.license else {
        return Some(format!("{name}: says no licence"));
    };
    // "MIT/Apache-2.0" is how it was written once.
    let mode = ParseMode { allow_slash_as_or_operator: true, ..ParseMode::STRICT };
    let Ok(expression) = Expression::parse_mode(licence, mode) else {
        return Some(format!("{name}: {licence}: not a licence"));
    };
    let allowed = licences.of(&package.name);
    let is_allowed = expression.evaluate(|it| allowed.iter().any(|one| one.satisfies(it)));
    let named = |it: &ExpressionReq| it.req.to_string();
    let parts: Vec<_> = expression.requirements().map(named).collect();
    (!is_allowed).then(|| format!("{name}: {} is not allowed", parts.join(", ")))
}

#[test]
fn every_licence_is_allowed_and_every_source_known() {
    let rules: DocumentMut =
        fs::read_to_string(Path::new(ROOT).join("deny.toml")).unwrap().parse().unwrap();
    let licences = Licences::new(&rules["licenses"]);
    let registries = texts(rules["sources"]["allow-registry"].as_value().expect("a list"));

    let metadata = metadata();
    let resolved = metadata.resolve.as_ref().expect("there is a Cargo.lock");
    let packages = resolved.nodes.iter().map(|node| &metadata[&node.id]);
    let (mut others, mut wrong) = (0, Vec::new());
    for package in packages {
        wrong.extend(objection(package, &licences));
        let Some(source) = &package.source else { continue }; // ours
        others += 1;
        let from = source.repr.trim_start_matches("registry+");
        if !registries.contains(&from) {
            wrong.push(format!("{} {}: from {from}", package.name, package.version));
        }
    }
    assert!(others > 100, "only {others} packages: this is not all");
    assert!(wrong.is_empty(), "see deny.toml:\n  {}", wrong.join("\n  "));
}

#[test]
fn a_licence_that_is_not_allowed_is_seen() {
    let package = |licence: &str| -> Package {
        let mut package = metadata().workspace_packages()[0].clone();
        package.license = Some(licence.to_owned());
        package
    };
    let mit = vec![Licensee::parse("MIT").unwrap()];
    let licences = Licences { all: mit, exceptions: Vec::new() };
    assert_eq!(objection(&package("MIT OR GPL-3.0-only"), &licences), None);
    assert_eq!(objection(&package("Apache-2.0/MIT"), &licences), None);
    assert!(objection(&package("MIT AND GPL-3.0-only"), &licences).is_some());
    assert!(objection(&package("whatever"), &licences).is_some());
}
