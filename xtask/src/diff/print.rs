//! Unified hunks.

use std::ops::Range;

use chapter_diff::{File, Kind, Line, Place};

/// Unchanged lines around a change.
const CONTEXT: usize = 3;

/// SGR sequences.
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// The change from chapter `old`, if there is one, to chapter `new`.
pub fn hunks(new: &str, old: Option<&str>, files: &[File], colored: bool) -> String {
    let mut out = String::new();
    let mut say = |color: &str, line: &str| {
        out += &match colored && !color.is_empty() {
            true => format!("{color}{line}{RESET}\n"),
            false => format!("{line}\n"),
        };
    };
    for file in files {
        let path = file.path.display();
        let old = match old.filter(|_| !file.is_new) {
            Some(old) => format!("{old}/{path}"),
            None => "/dev/null".to_owned(),
        };
        let new = if file.is_gone { "/dev/null".to_owned() } else { format!("{new}/{path}") };
        if file.lines.is_empty() {
            say(BOLD, &format!("{old} and {new} differ"));
            continue;
        }
        say(BOLD, &format!("--- {old}"));
        say(BOLD, &format!("+++ {new}"));
        for hunk in ranges(&file.lines) {
            say(CYAN, &header(&file.lines, hunk.clone()));
            let mut previous = Kind::Same;
            for line in &file.lines[hunk] {
                if let Some(note) = move_note(previous, line.kind, files) {
                    say(CYAN, &note);
                }
                previous = line.kind;
                let (sign, color) = match line.kind {
                    Kind::Same => (' ', ""),
                    Kind::Removed => ('-', RED),
                    Kind::Added => ('+', GREEN),
                    Kind::MovedAway(_) => ('<', DIM),
                    Kind::MovedHere(_) => ('>', CYAN),
                };
                say(color, &format!("{sign}{}", line.text));
                if !line.ends {
                    say("", "\\ No newline at end of file");
                }
            }
        }
    }
    out
}

/// Which lines are shown together.
fn ranges(lines: &[Line]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for index in (0..lines.len()).filter(|&index| lines[index].kind != Kind::Same) {
        let (start, end) = (index.saturating_sub(CONTEXT), (index + 1 + CONTEXT).min(lines.len()));
        match ranges.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    ranges
}

/// `@@ -30,7 +42,9 @@ impl Vm {`: where the hunk is, and in which item.
fn header(lines: &[Line], hunk: Range<usize>) -> String {
    let side = |number: fn(&Line) -> usize| {
        let count = lines[hunk.clone()].iter().filter(|line| number(line) > 0).count();
        let before = lines[..hunk.start].iter().map(number).max().unwrap_or(0);
        // A side without lines is told by the line before it, as diff(1) has it.
        let first = if count > 0 { before + 1 } else { before };
        if count == 1 { first.to_string() } else { format!("{first},{count}") }
    };
    let item = lines[..hunk.start].iter().rev().find(|line| {
        line.new > 0 && line.text.starts_with(|c: char| c.is_alphabetic() || c == '[')
    });
    let item = item.map_or(String::new(), |line| format!(" {}", line.text));
    format!("@@ -{} +{} @@{item}", side(|line| line.old), side(|line| line.new))
}

/// Said before the first line of a block that moved.
fn move_note(previous: Kind, kind: Kind, files: &[File]) -> Option<String> {
    let follows = |one: Place, next: Place| one.file == next.file && one.line + 1 == next.line;
    let (what, place) = match (previous, kind) {
        (Kind::MovedAway(one), Kind::MovedAway(next)) if follows(one, next) => return None,
        (Kind::MovedHere(one), Kind::MovedHere(next)) if follows(one, next) => return None,
        (_, Kind::MovedAway(to)) => ("to", to),
        (_, Kind::MovedHere(from)) => ("from", from),
        _ => return None,
    };
    Some(format!("@@ moved {what} {}:{} @@", files[place.file].path.display(), place.line))
}
