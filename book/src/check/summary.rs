//! Whether every page is in the table of contents, and every entry there has its page.

use std::path::PathBuf;

use pulldown_cmark::{Event, Parser, Tag};

use crate::book::{Book, PAGES};
use crate::problem::Problem;

/// The page that lists the others.
const SUMMARY: &str = "SUMMARY";

/// What is wrong with it.
pub fn check(book: &Book) -> Vec<Problem> {
    let Some(summary) = book.pages.get(SUMMARY) else {
        return vec![Problem {
            file: PathBuf::from(PAGES).join("SUMMARY.md"),
            line: 0,
            what: "there is no table of contents".to_owned(),
            advice: "write it: mdBook's documentation, SUMMARY.md".to_owned(),
        }];
    };
    let mut problems = Vec::new();
    let mut listed = Vec::new();
    for (event, range) in Parser::new(&summary.text).into_offset_iter() {
        let Event::Start(Tag::Link { dest_url, .. }) = event else {
            continue;
        };
        let line = 1 + summary.text[..range.start].matches('\n').count();
        let name = dest_url.trim_start_matches("./").trim_end_matches(".md").to_owned();
        if !book.pages.contains_key(&name) {
            let what = format!("{dest_url}: there is no such page");
            problems.push(summary.problem(line, (what, "write it, or take it out".to_owned())));
        }
        listed.push(name);
    }
    for (name, page) in &book.pages {
        if name != SUMMARY && !listed.contains(name) {
            let what = "the page is not in the table of contents".to_owned();
            let advice = format!("name it in {PAGES}/SUMMARY.md");
            problems.push(page.problem(0, (what, advice)));
        }
    }
    problems
}
