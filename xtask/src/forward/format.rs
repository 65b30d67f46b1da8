//! `cargo fmt` for what was carried.

use std::process::Stdio;

use anyhow::{Context, Result};

use crate::cargo::cargo;
use crate::chapters::{Checkout, Package};

/// Formats the packages. What is returned are complaints about those that could not be formatted,
/// most likely because they do not parse: a matter for the compiler, and no reason to stop.
pub fn format(checkout: &Checkout, packages: &[Package]) -> Result<Vec<String>> {
    if packages.is_empty() || fmt(checkout, packages)?.is_none() {
        return Ok(Vec::new());
    }
    let mut complaints = Vec::new();
    for package in packages {
        if let Some(why) = fmt(checkout, std::slice::from_ref(package))? {
            let why: String = why.lines().take(5).map(|line| format!("\n  {line}")).collect();
            complaints.push(format!("{package}: not formatted{why}"));
        }
    }
    Ok(complaints)
}

/// What rustfmt has to say against it, if anything.
fn fmt(checkout: &Checkout, packages: &[Package]) -> Result<Option<String>> {
    let mut command = cargo();
    command.arg("fmt");
    for package in packages {
        command.args(["--package", &package.name()]);
    }
    let output =
        command.current_dir(&checkout.root).stdin(Stdio::null()).output().context("cargo fmt")?;
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok(if output.status.success() { None } else { Some(why) })
}
