//! What `check` says at its end: coverage, words and added lines of every chapter.

use chapter_diff::BUDGET;

use crate::change::Change;
use crate::template::WORDS_MAX;

/// One chapter.
pub struct Row {
    pub chapter: String,
    /// Hunks that the page shows, or omits with a reason.
    pub told: usize,
    pub hunks: usize,
    /// None without a page.
    pub words: Option<usize>,
    /// Lines of Rust.
    pub added: usize,
}

impl Row {
    /// A chapter without a page.
    pub fn new(change: &Change) -> Self {
        let Change { chapter, hunks, added, .. } = change;
        Self { chapter: chapter.clone(), told: 0, hunks: hunks.len(), words: None, added: *added }
    }
}

/// The rows, and their totals.
pub fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.chapter.len()).max().unwrap_or(0).max("all".len());
    let mut text =
        format!("\n{:width$}  {:>13}  {:>11}  {:>11}\n", "", "hunks shown", "words", "added lines");
    let line = |name: &str, told: usize, hunks: usize, words: &str, added: &str| {
        let percent = (told * 100).checked_div(hunks).unwrap_or(100);
        let shown = format!("{told}/{hunks} {percent:>3} %");
        format!("{name:width$}  {shown:>13}  {words:>11}  {added:>11}\n")
    };
    for row in rows {
        let words = row.words.map_or("no page".to_owned(), |words| format!("{words}/{WORDS_MAX}"));
        let added = format!("{}/{BUDGET}", row.added);
        text += &line(&row.chapter, row.told, row.hunks, &words, &added);
    }
    let sum = |number: fn(&Row) -> usize| rows.iter().map(number).sum::<usize>();
    let words = sum(|row| row.words.unwrap_or(0)).to_string();
    let added = sum(|row| row.added).to_string();
    text + &line("all", sum(|row| row.told), sum(|row| row.hunks), &words, &added)
}
