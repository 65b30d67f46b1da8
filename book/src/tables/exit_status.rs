//! With which statuses a chapter ends.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{docs, markdown, row};
use crate::figures::constants::Constants;
use crate::figures::package;

/// The chapter that has all of them.
const LAST: usize = 15;

/// Status, meaning, first chapter.
pub fn table(checkout: &Path) -> Result<String> {
    let package = package(checkout, LAST)?;
    let constants = Constants::of_chapter(checkout, &package)?;
    let mut statuses = Vec::new();
    for (name, doc) in docs::constants(checkout, &format!("chapters/{package}/src/exit.rs"))? {
        ensure!(!doc.is_empty(), "chapters/{package}/src/exit.rs: {name} has no doc comment");
        let status = constants.number("exit", &name)?;
        statuses.push((status, status.to_string(), doc, first(checkout, "exit.rs", &name)?));
    }
    let most = constants.number("vcpu", "STATUS_MAX")?;
    let own = "The guest’s own: what it gave to `HC_EXIT`.".to_owned();
    statuses.push((1, format!("1 to {most}"), own, first(checkout, "vcpu.rs", "STATUS_MAX")?));
    statuses.sort();
    let mut rows = vec![row(["status", "meaning", "from chapter"])];
    for (_, status, meaning, chapter) in statuses {
        rows.push(row([&status, &meaning, &chapter.to_string()]));
    }
    Ok(markdown(&rows))
}

/// The first chapter whose file has the constant.
fn first(checkout: &Path, file: &str, name: &str) -> Result<usize> {
    for chapter in 1..=LAST {
        let path = format!("chapters/{}/src/{file}", package(checkout, chapter)?);
        if !checkout.join(&path).exists() {
            continue;
        }
        if docs::constants(checkout, &path)?.iter().any(|(other, _)| other == name) {
            return Ok(chapter);
        }
    }
    None.with_context(|| format!("no chapter’s {file} has {name}"))
}
