//! Hunks, shown in the items that they change.

use chapter_diff::{File, Kind, Line};

use crate::change::{Change, is_there};
use crate::replay::Block;

use super::escape;
use super::highlight::Highlighter;
use super::listing::{self, Row, RowKind};

/// The items of a block as they stand after it, with what it changes marked.
pub fn html(change: &Change, block: &Block, highlighter: &Highlighter) -> String {
    let file = &change.files[block.file];
    let applied = change.states(block.file, &block.after);
    let mut changes = vec![false; file.lines.len()];
    for &hunk in &block.hunks {
        changes[change.hunks[hunk].lines.clone()].fill(true);
    }
    let is_wanted =
        |line: &Line| block.items.is_empty() || block.items.iter().any(|item| **item == *line.item);

    let mut chosen = Vec::new();
    for (index, line) in file.lines.iter().enumerate() {
        let exists = is_there(line, applied[index]);
        if is_wanted(line) && (exists || changes[index]) {
            chosen.push(Chosen { index, line, exists, changes: changes[index] });
        }
    }
    let is_blank = |chosen: &Chosen| chosen.line.text.is_empty();
    let start = chosen.iter().position(|chosen| !is_blank(chosen)).unwrap_or(0);
    chosen.drain(..start);

    let exists = |index: usize| is_there(&file.lines[index], applied[index]);
    let rows = rows(change, file, &chosen, &exists, highlighter);
    listing::block("diff", &label(file, block), &rows, block.folded)
}

/// A line of the block.
struct Chosen<'a> {
    /// Position in the file's list of lines.
    index: usize,
    line: &'a Line,
    /// Whether it is in the file after the block.
    exists: bool,
    /// Whether this block changes it.
    changes: bool,
}

fn rows(
    change: &Change,
    file: &File,
    chosen: &[Chosen],
    exists: &dyn Fn(usize) -> bool,
    highlighter: &Highlighter,
) -> Vec<Row> {
    let language = Highlighter::language(&file.path);
    let text = chosen.iter().filter(|chosen| chosen.exists).map(|chosen| chosen.line.text.as_str());
    let mut highlighted = highlighter.lines(&language, text).into_iter();
    let mut rows = Vec::new();
    let mut before: Option<&Chosen> = None;
    let mut item = "";
    let mut has_head = false;
    for chosen in chosen {
        let Chosen { index, line, .. } = *chosen;
        if let Some(before) = before
            && (before.index + 1..index).any(exists)
        {
            rows.push(listing::gap());
        }
        if let Some(note) = move_note(change, file, before.filter(|it| it.changes), chosen) {
            rows.push(Row { kind: RowKind::Note, html: escape(&note), is_anchor: false });
        }
        if *line.item != *item {
            (item, has_head) = (&line.item, false);
        }
        // What a reader knows an item by.
        let is_head = !has_head && chosen.exists && is_head(&line.text);
        has_head |= is_head;
        let kind = match line.kind {
            _ if !chosen.changes => RowKind::Plain,
            Kind::Same => RowKind::Plain,
            Kind::Added => RowKind::Added,
            Kind::Removed => RowKind::Removed,
            Kind::MovedHere(_) => RowKind::MovedHere,
            Kind::MovedAway(_) => RowKind::MovedAway,
        };
        let html = match chosen.exists {
            true => highlighted.next().unwrap_or_default(),
            false => escape(&line.text),
        };
        rows.push(Row { kind, html, is_anchor: is_head });
        before = Some(chosen);
    }
    rows
}

fn is_head(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//") && !line.starts_with("#[")
}

/// Said before the first line of a block that moved.
fn move_note(
    change: &Change,
    here: &File,
    before: Option<&Chosen>,
    chosen: &Chosen,
) -> Option<String> {
    if !chosen.changes {
        return None;
    }
    let before = before.map(|before| before.line.kind);
    let (what, place) = match (before, chosen.line.kind) {
        (Some(Kind::MovedAway(one)), Kind::MovedAway(next)) if one.file == next.file => {
            return None;
        }
        (Some(Kind::MovedHere(one)), Kind::MovedHere(next)) if one.file == next.file => {
            return None;
        }
        (_, Kind::MovedAway(to)) => ("moved to", to),
        (_, Kind::MovedHere(from)) => ("moved from", from),
        _ => return None,
    };
    let file = &change.files[place.file];
    let number = |line: &Line| if what == "moved to" { line.new } else { line.old };
    let item = file.lines.iter().find(|line| number(line) == place.line);
    let item = item.map_or("", |line| &*line.item);
    if *item == *chosen.line.item && file.path == here.path {
        return Some("moved within this item".to_owned());
    }
    let separator = if item.is_empty() { "" } else { ": " };
    Some(format!("{what} {}{separator}{item}", file.path.display()))
}

fn label(file: &File, block: &Block) -> String {
    let path = file.path.display();
    match block.items.as_slice() {
        [] if file.is_new => format!("{path} (new)"),
        [] if file.is_gone => format!("{path} (gone)"),
        [] => path.to_string(),
        items => format!("{path}: {}", items.join(", ")),
    }
}
