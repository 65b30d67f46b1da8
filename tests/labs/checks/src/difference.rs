//! Where what was printed first differs from what was expected.

use std::fmt::Write;

/// How many lines are shown before the first that differs.
const CONTEXT_LINES: usize = 2;

/// How much of a line is shown. Of a longer one it is the part where it differs.
const SHOWN_CHARACTERS: usize = 150;

/// Says where `printed` first differs from `expected`, with the lines before; nothing if it does not.
///
/// ```text
/// standard output, line 2:
///      1   vendor    AuthenticAMD
///     expected   family    0x17
///     printed    family    0xf
/// ```
pub fn difference(what: &str, expected: &[u8], printed: &[u8]) -> Option<String> {
    if expected == printed {
        return None;
    }
    let (wanted, got) = (lines(expected), lines(printed));
    // That one ends where the other goes on is a difference, too.
    let at = wanted.iter().zip(&got).take_while(|(wanted, got)| wanted == got).count();
    let mut text = format!("{what}, line {}:", at + 1);
    let before = at.saturating_sub(CONTEXT_LINES);
    for (number, line) in (1..).zip(&wanted).skip(before).take(at - before) {
        let _ = write!(text, "\n  {number:>8}  {}", readable(line, 0));
    }
    let column = |line: Option<&&[u8]>, other: Option<&&[u8]>| {
        line.zip(other).map_or(0, |(a, b)| a.iter().zip(*b).take_while(|(a, b)| a == b).count())
    };
    for (name, line, other) in
        [("expected", wanted.get(at), got.get(at)), ("printed", got.get(at), wanted.get(at))]
    {
        let line =
            line.map_or("(nothing more)".to_owned(), |it| readable(it, column(Some(it), other)));
        let _ = write!(text, "\n  {name:>8}  {line}");
    }
    Some(text)
}

/// The lines, each with its end, if it has one.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// A line as text: the part of it that matters, what is not printable escaped, and a missing end said.
fn readable(line: &[u8], column: usize) -> String {
    let (line, end) = match line.strip_suffix(b"\n") {
        Some(line) => (line, ""),
        None => (line, " (without an end of line)"),
    };
    let start = if line.len() <= SHOWN_CHARACTERS { 0 } else { column.saturating_sub(20) };
    let shown = &line[start.min(line.len())..];
    let cut = shown.len() > SHOWN_CHARACTERS;
    let shown = &shown[..shown.len().min(SHOWN_CHARACTERS)];
    let text = str::from_utf8(shown).ok().filter(|text| !text.contains(char::is_control));
    let text = text.map_or_else(|| shown.escape_ascii().to_string(), str::to_owned);
    format!("{}{text}{}{end}", if start > 0 { "…" } else { "" }, if cut { "…" } else { "" })
}

/// The first lines of a text, for a message.
pub fn beginning(bytes: &[u8], lines_max: usize) -> String {
    let all = lines(bytes);
    let mut text = String::new();
    for line in all.iter().take(lines_max) {
        let _ = write!(text, "\n  | {}", readable(line, 0));
    }
    if all.len() > lines_max {
        let _ = write!(text, "\n  | … and {} lines more", all.len() - lines_max);
    }
    if text.is_empty() { " (nothing)".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_does_not_differ() {
        assert_eq!(difference("x", b"a\n", b"a\n"), None);
        assert_eq!(difference("x", b"", b""), None);
    }

    #[test]
    fn the_first_difference_is_shown_with_the_lines_before() {
        let said = difference("standard output", b"a\nb\nc\nd\ne\n", b"a\nb\nc\nD\nE\n").unwrap();
        assert_eq!(
            said,
            "standard output, line 4:\n         2  b\n         3  c\n  expected  d\n   printed  D"
        );
    }

    #[test]
    fn too_little_too_much_and_a_missing_end_are_differences() {
        let said = |a: &[u8], b: &[u8]| difference("x", a, b).unwrap();
        assert!(said(b"a\nb\n", b"a\n").ends_with("expected  b\n   printed  (nothing more)"));
        assert!(said(b"", b"a\n").ends_with("expected  (nothing more)\n   printed  a"));
        assert!(said(b"a\n", b"a").ends_with("printed  a (without an end of line)"));
    }

    #[test]
    fn unprintable_bytes_and_long_lines_can_be_read() {
        let said = difference("x", b"\x00\xff\x1b\n", b"z\n").unwrap();
        assert!(said.contains(r"expected  \x00\xff\x1b"), "{said}");
        let long = [b"x".repeat(1000), b"end\n".to_vec()].concat();
        let said = difference("x", &long, &b"x".repeat(1000)).unwrap();
        assert!(said.contains("…xxxx") && said.contains("xend"), "{said}");
        assert!(said.lines().all(|line| line.chars().count() < 200), "{said}");
    }
}
