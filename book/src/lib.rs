//! The book of mini-kvm: what its pages' directives stand for, and whether it keeps its promises.

mod book;
mod change;
mod check;
mod directive;
mod excerpt;
mod figure;
mod figures;
mod hunks;
mod page;
mod problem;
mod replay;
mod snapshot;
mod tables;
mod template;

use anyhow::Result;
use chapter_diff::chapters::Checkout;

use crate::book::Book;
use crate::change::Change;

/// What is said at the end, and whether all is well.
pub struct Verdict {
    /// All problems, and a table.
    pub report: String,
    /// Whether there are no problems.
    pub is_good: bool,
}

/// Checks the book; only what concerns some `pages` (`ch04`), if there are any.
///
/// # Errors
///
/// The sources cannot be read.
pub fn check(checkout: Checkout, pages: &[String]) -> Result<Verdict> {
    let mut findings = check::sources(&Book::read(checkout)?);
    findings.keep_pages(pages);
    Ok(Verdict { report: findings.report(), is_good: findings.problems.is_empty() })
}

/// Lists the hunks of a chapter's change, each with the directive that shows it.
///
/// # Errors
///
/// There is no such chapter, or it cannot be read.
pub fn hunks(checkout: &Checkout, chapter: &str) -> Result<String> {
    let position = checkout.position(chapter)?;
    Ok(hunks::list(&Change::of(checkout, position)?))
}
