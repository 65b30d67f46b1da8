//! A block of code: its name, its lines, and what is folded.

use std::ops::Range;

use crate::directive::Part;
use crate::excerpt::Excerpt;

use super::highlight::Highlighter;
use super::one_line;

/// Unchanged lines that stay in sight around a change.
const CONTEXT: usize = 3;

/// Fewer unchanged lines than this are not worth a click.
const FOLD_MIN: usize = 4;

/// One row of a block.
pub struct Row {
    pub kind: RowKind,
    /// Its text as HTML.
    pub html: String,
    /// Stays in sight although nothing changes in it.
    pub is_anchor: bool,
}

/// What a row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// Not changed here.
    Plain,
    Added,
    Removed,
    /// Moved here, in sight as such.
    MovedHere,
    MovedAway,
    /// Said to the reader, and no part of the code.
    Note,
}

/// A block with its label. `class` tells style sheet and script what it is.
pub fn block(class: &str, label: &str, rows: &[Row], is_folded: bool) -> String {
    let name = one_line(label);
    let body = body(rows);
    let body = format!(
        "<div class=\"code-body\" tabindex=\"0\" role=\"region\" aria-label=\"{name}\">{body}</div>"
    );
    if is_folded {
        let lines = rows.iter().filter(|row| row.kind != RowKind::Note).count();
        return format!(
            "<details class=\"code {class}\"><summary class=\"code-head\"><span class=\"code-name\">\
             {name}</span> <span class=\"code-size\">{lines} lines</span></summary>{body}</details>"
        );
    }
    format!(
        "<div class=\"code {class}\"><div class=\"code-head\"><span class=\"code-name\">{name}</span>\
         </div>{body}</div>"
    )
}

fn body(rows: &[Row]) -> String {
    let folds = folds(rows);
    let mut html = String::new();
    let mut next = 0;
    for fold in folds {
        html += &pre(&rows[next..fold.start]);
        html += &format!(
            "<details class=\"fold\"><summary>{} unchanged lines</summary>{}</details>",
            fold.len(),
            pre(&rows[fold.clone()])
        );
        next = fold.end;
    }
    html + &pre(&rows[next..])
}

fn pre(rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows: String = rows.iter().map(row).collect();
    format!("<pre>{rows}</pre>")
}

fn row(row: &Row) -> String {
    let (tag, class) = match row.kind {
        RowKind::Plain => ("span", ""),
        RowKind::Added => ("ins", ""),
        RowKind::Removed => ("del", ""),
        RowKind::MovedHere => ("ins", " moved"),
        RowKind::MovedAway => ("del", " moved"),
        RowKind::Note => ("span", " note"),
    };
    format!("<{tag} class=\"l{class}\">{}&#10;</{tag}>", row.html)
}

/// The runs of rows that are out of sight at first.
fn folds(rows: &[Row]) -> Vec<Range<usize>> {
    if rows.iter().all(|row| row.kind == RowKind::Plain) {
        return Vec::new();
    }
    let mut in_sight = vec![false; rows.len()];
    for (index, row) in rows.iter().enumerate() {
        if row.kind != RowKind::Plain {
            let end = (index + CONTEXT + 1).min(rows.len());
            in_sight[index.saturating_sub(CONTEXT)..end].fill(true);
        }
        in_sight[index] |= row.is_anchor;
    }
    let mut folds: Vec<Range<usize>> = Vec::new();
    for index in (0..rows.len()).filter(|index| !in_sight[*index]) {
        match folds.last_mut() {
            Some(last) if last.end == index => last.end = index + 1,
            _ => folds.push(index..index + 1),
        }
    }
    folds.retain(|fold| fold.len() >= FOLD_MIN);
    folds
}

/// Code as it is.
pub fn excerpt(excerpt: &Excerpt, part: &Part, highlighter: &Highlighter) -> String {
    let path = excerpt.file.display();
    let label = match part {
        Part::Items(items) => format!("{path}: {}", items.join(", ")),
        _ => path.to_string(),
    };
    let language = Highlighter::language(&excerpt.file);
    let lines = excerpt.lines.iter().map(|(_, line)| line.as_str());
    let mut rows = Vec::new();
    let mut before = None;
    for ((number, _), html) in excerpt.lines.iter().zip(highlighter.lines(&language, lines)) {
        if before.is_some_and(|before| before + 1 != *number) {
            rows.push(gap());
        }
        before = Some(*number);
        rows.push(Row { kind: RowKind::Plain, html, is_anchor: false });
    }
    block("listing", &label, &rows, false)
}

/// What stands between lines that are not neighbours.
pub fn gap() -> Row {
    Row { kind: RowKind::Note, html: "⋯".to_owned(), is_anchor: false }
}

/// A fenced block of the page itself.
pub fn typed(language: &str, lines: &[String], highlighter: &Highlighter) -> String {
    let lines = highlighter.lines(language, lines.iter().map(String::as_str));
    let row = |html| Row { kind: RowKind::Plain, html, is_anchor: false };
    let rows: Vec<_> = lines.into_iter().map(row).collect();
    block("listing", language, &rows, false)
}
