//! `check`: everything that must hold for the book, all that is wrong at once.

mod directives;
mod fences;
mod summary;
mod table;

use std::path::PathBuf;

use chapter_diff::BUDGET;
use chapter_diff::chapters::number;

use crate::book::{Book, PAGES};
use crate::problem::{Problem, count, list};
use crate::template;

pub use directives::{code_chapter, table};
pub use table::Row;

/// What was found.
pub struct Findings {
    pub problems: Vec<Problem>,
    /// A row a chapter.
    pub rows: Vec<Row>,
}

/// Looks at the sources of the book. The rendered book is `links`' business.
pub fn sources(book: &Book) -> Findings {
    let mut problems = summary::check(book);
    let mut rows = Vec::new();
    for change in &book.changes {
        let chapter = &change.chapter;
        let number = number(chapter).unwrap_or(0);
        if change.added > BUDGET {
            problems.push(Problem {
                file: PathBuf::from("chapters").join(chapter),
                line: 0,
                what: format!("{} added lines of Rust, {BUDGET} are the most", change.added),
                advice: "make two steps of it".to_owned(),
            });
        }
        let mut row = Row::new(change);
        if let (Some(page), Some(replay)) = (book.pages.get(chapter), book.replay(change)) {
            problems.extend(replay.problems);
            problems.extend(template::check(page, number));
            row.told = replay.told;
            row.words = Some(template::words(&page.text));
        } else {
            problems.push(Problem {
                file: PathBuf::from(PAGES).join(format!("{chapter}.md")),
                line: 0,
                what: format!("no page for chapter {number}"),
                advice: "write it, and name it in SUMMARY.md".to_owned(),
            });
        }
        rows.push(row);
    }
    for page in book.pages.values() {
        problems.extend(page.problems.iter().cloned());
        problems.extend(directives::check(book, page));
        problems.extend(fences::check(book, page));
    }
    Findings { problems, rows }
}

impl Findings {
    /// Leaves only what concerns these pages (`ch04`, `appendix-x86`); all of it if there are none.
    pub fn keep_pages(&mut self, wanted: &[String]) {
        if wanted.is_empty() {
            return;
        }
        self.problems.retain(|problem| {
            let name = problem.file.file_stem().unwrap_or_default().to_string_lossy();
            wanted.iter().any(|page| name.starts_with(page.as_str()))
        });
        self.rows.retain(|row| wanted.iter().any(|page| row.chapter.starts_with(page.as_str())));
    }

    /// The problems, the table, and the verdict.
    pub fn report(&self) -> String {
        list(&self.problems) + &table::table(&self.rows) + &count(&self.problems)
    }

    /// The problems and the verdict.
    pub fn summary(&self) -> String {
        list(&self.problems) + &count(&self.problems)
    }
}
