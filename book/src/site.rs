//! The book as a web site, made by mdBook from the expanded pages.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use mdbook_driver::MDBook;
use mdbook_driver::book::{Book as Pages, BookItem};
use mdbook_driver::config::Config;
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};
use mdbook_summary::{Summary, SummaryItem, parse_summary};
use tracing_subscriber::fmt::MakeWriter;

use crate::book::{Book, PAGES};
use crate::problem::Problem;
use crate::render::{Highlighter, expand};

/// mdBook's configuration and theme, in the checkout.
const FOLDER: &str = "book";

/// Where the site is, below the checkout.
pub const SITE: &str = "target/book";

/// Writes the site, and gives what mdBook says about the pages.
pub fn write(
    book: &Arc<Book>,
    site: &Path,
    highlighter: &Arc<Highlighter>,
) -> Result<Vec<Problem>> {
    let folder = book.checkout.root.join(FOLDER);
    let mut config = Config::from_disk(folder.join("book.toml"))?;
    config.build.build_dir = site.to_owned();
    let summary = summary(book)?;
    let files = book.pages.values().map(|page| page.file.clone()).collect();
    let mut mdbook = MDBook::load_with_config_and_summary(folder, config, summary)?;
    mdbook.with_preprocessor(Expander {
        book: Arc::clone(book),
        highlighter: Arc::clone(highlighter),
    });

    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(log.clone())
        .with_ansi(false)
        .with_level(false)
        .with_target(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, || mdbook.build())?;
    Ok(log.problems(files))
}

/// The table of contents, without pages that are yet to be written.
fn summary(book: &Book) -> Result<Summary> {
    let page = book.pages.get("SUMMARY").context("there is no SUMMARY.md")?;
    let mut summary = parse_summary(&page.text).context("SUMMARY.md")?;
    let exists = |item: &SummaryItem| match item {
        SummaryItem::Link(link) => link.location.as_ref().is_none_or(|location| {
            book.pages.contains_key(&location.with_extension("").display().to_string())
        }),
        _ => true,
    };
    for part in
        [&mut summary.prefix_chapters, &mut summary.numbered_chapters, &mut summary.suffix_chapters]
    {
        part.retain(exists);
    }
    Ok(summary)
}

/// Our part of mdBook's work.
struct Expander {
    book: Arc<Book>,
    highlighter: Arc<Highlighter>,
}

impl Preprocessor for Expander {
    fn name(&self) -> &'static str {
        "mini-kvm"
    }

    fn run(&self, _: &PreprocessorContext, mut pages: Pages) -> Result<Pages> {
        pages.for_each_mut(|item| {
            if let BookItem::Chapter(chapter) = item
                && let Some(source) = &chapter.source_path
                && let Some(page) =
                    self.book.pages.get(&source.with_extension("").display().to_string())
            {
                chapter.content = expand(&self.book, page, &self.highlighter);
            }
        });
        Ok(pages)
    }
}

/// What mdBook warns of.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Its warnings name the page among other words.
    fn problems(&self, files: Vec<PathBuf>) -> Vec<Problem> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut problems: Vec<Problem> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let page = files.iter().find(|file| {
                file.file_name().is_some_and(|name| line.contains(&*name.to_string_lossy()))
            });
            match (page, problems.last_mut()) {
                (None, Some(last)) => last.advice += &format!("{}\n", line.trim()),
                (page, _) => problems.push(Problem {
                    file: page.cloned().unwrap_or_else(|| PathBuf::from(PAGES)),
                    line: 0,
                    what: format!("mdBook warns: {}", line.trim()),
                    advice: String::new(),
                }),
            }
        }
        problems
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
