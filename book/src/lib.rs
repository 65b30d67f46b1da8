//! The book of mini-kvm: what its pages' directives stand for, and whether it keeps its promises.

mod book;
mod change;
mod check;
mod directive;
mod excerpt;
mod figure;
mod figures;
mod hunks;
mod links;
mod page;
mod problem;
mod render;
mod replay;
mod serve;
mod site;
mod snapshot;
mod steps;
mod tables;
mod template;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use chapter_diff::chapters::Checkout;

use crate::book::Book;
use crate::change::Change;
use crate::check::Findings;
use crate::render::Highlighter;
use crate::serve::Service;

/// What is said at the end, and whether all is well.
#[derive(Debug)]
pub struct Verdict {
    /// All problems, and a table.
    pub report: String,
    /// Whether there are no problems.
    pub is_good: bool,
}

/// Writes the site, and gives the path of its first page and what is wrong.
///
/// # Errors
///
/// The sources cannot be read, or mdBook cannot render them.
pub fn build(checkout: Checkout) -> Result<(PathBuf, Verdict)> {
    let site = checkout.root.join(site::SITE);
    let findings = examine(checkout, &site, &Arc::new(Highlighter::new()))?;
    let verdict = Verdict { report: findings.summary(), is_good: findings.problems.is_empty() };
    Ok((site.join("index.html"), verdict))
}

/// Checks the book; only what concerns some `pages` (`ch04`), if there are any.
///
/// # Errors
///
/// The sources cannot be read, or mdBook cannot render them.
pub fn check(checkout: Checkout, pages: &[String]) -> Result<Verdict> {
    let site = checkout.root.join(site::SITE);
    let mut findings = examine(checkout, &site, &Arc::new(Highlighter::new()))?;
    findings.keep_pages(pages);
    Ok(Verdict { report: findings.report(), is_good: findings.problems.is_empty() })
}

/// Serves the book to this machine, and builds it anew when its sources change, until the program
/// is ended.
///
/// # Errors
///
/// The port is taken, or the sources cannot be watched.
pub fn serve(checkout: &Checkout, port: u16) -> Result<()> {
    let service = Service::start(&checkout.root, port)?;
    println!("the book: http://{}/ (Ctrl-C ends)", service.address);
    service.follow();
    Ok(())
}

/// Compiles the book at the end of every step that a page does not mark as unfinished.
///
/// # Errors
///
/// The sources cannot be read, or cargo cannot be run.
pub fn steps(checkout: Checkout, pages: &[String]) -> Result<Verdict> {
    steps::run(&Book::read(checkout)?, pages)
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

/// Writes the site, and looks for all that is wrong with the sources and with the site.
fn examine(checkout: Checkout, site: &Path, highlighter: &Arc<Highlighter>) -> Result<Findings> {
    let book = Arc::new(Book::read(checkout)?);
    let mut findings = check::sources(&book);
    findings.problems.extend(site::write(&book, site, highlighter)?);
    findings.problems.extend(links::check(&book, site)?);
    findings.problems.sort();
    // mdBook writes an image twice, the other time for zooming.
    findings.problems.dedup();
    Ok(findings)
}
