//! The three-way merge of one text.

use std::ops::Range;
use std::path::Path;

use similar::{Algorithm, DiffTag, MergeResolution, TextDiff, TextMergeConfig};

use super::lists;

/// A text in the making: what is settled, and what two sides want to be different.
#[derive(Debug, PartialEq, Eq)]
pub struct Merged(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Settled(String),
    /// The base is `None` if the two texts have none in common.
    Conflict {
        ours: String,
        base: Option<String>,
        theirs: String,
    },
}

/// Who is who in the markers of a conflict.
pub struct Labels {
    pub ours: String,
    pub base: String,
    pub theirs: String,
}

/// How the lines begin that every chapter has for itself, by file. They are next to lines that all
/// chapters share, and would be in conflict whenever one of these changes.
const OWN_LINES: [(&str, &[&str]); 2] = [
    ("Cargo.toml", &["name = ", "description = "]),
    ("src/main.rs", &["//! Chapter ", "const CHAPTER: u8 = "]),
];

/// Gives `base` and `theirs` the own lines of `ours`, so that they are no change. A line that `ours`
/// shares with `base` is none of its own: a solution has the title of its chapter.
pub fn adopt_own_lines(path: &Path, ours: &str, base: &mut String, theirs: &mut String) {
    for (_, beginnings) in OWN_LINES.iter().filter(|(file, _)| Path::new(file) == path) {
        for beginning in *beginnings {
            let line = |text: &str| line_with(beginning, text);
            if let (Some(own), Some(in_base), Some(in_theirs)) =
                (line(ours), line(base), line(theirs))
                && ours[own.clone()] != base[in_base.clone()]
            {
                base.replace_range(in_base, &ours[own.clone()]);
                theirs.replace_range(in_theirs, &ours[own]);
            }
        }
    }
}

/// Where the first line with this beginning is, without its end.
fn line_with(beginning: &str, text: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with(beginning) {
            return Some(start..start + line.trim_end().len());
        }
        start += line.len();
    }
    None
}

impl Merged {
    /// Makes in `ours` the change that leads from `base` to `theirs`.
    pub fn of_three(path: &Path, base: &str, ours: &str, theirs: &str) -> Self {
        // The histogram keeps functions together where Myers would match stray braces.
        let merge =
            TextMergeConfig::new().algorithm(Algorithm::Histogram).merge_lines(base, ours, theirs);
        let mut pieces = Vec::new();
        for region in merge.regions() {
            let base = text(region.base_range(), |line| merge.base_line(line));
            let ours = text(region.ours_range(), |line| merge.ours_line(line));
            let theirs = text(region.theirs_range(), |line| merge.theirs_line(line));
            pieces.push(match region.resolution() {
                MergeResolution::Conflict => match lists::merge(path, &base, &ours, &theirs) {
                    Some(list) => Piece::Settled(list),
                    None => Piece::Conflict { ours, base: Some(base), theirs },
                },
                MergeResolution::Theirs => Piece::Settled(theirs),
                _ => Piece::Settled(ours),
            });
        }
        Self(pieces)
    }

    /// What two texts that came into being apart have in common, and conflicts in between.
    pub fn of_two(ours: &str, theirs: &str) -> Self {
        let diff = TextDiff::configure().algorithm(Algorithm::Histogram).diff_lines(ours, theirs);
        let pieces = diff.ops().iter().map(|op| {
            let ours = text(op.old_range(), |line| diff.old_slice(line));
            let theirs = text(op.new_range(), |line| diff.new_slice(line));
            match op.tag() {
                DiffTag::Equal => Piece::Settled(ours),
                _ => Piece::Conflict { ours, base: None, theirs },
            }
        });
        Self(pieces.collect())
    }

    pub fn is_settled(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Settled(_)))
    }

    /// The text with `ours` wherever there is a conflict.
    pub fn favouring_ours(&self) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Settled(text) => text.as_str(),
            Piece::Conflict { ours, .. } => ours,
        });
        pieces.collect()
    }

    /// The text with diff3 markers around each conflict.
    ///
    /// In a manifest, all but `ours` is commented out: cargo reads all manifests of the workspace
    /// before it runs `cargo xtask forward --continue`, or anything else.
    pub fn with_markers(&self, path: &Path, labels: &Labels) -> String {
        let comment = if path.ends_with("Cargo.toml") { "# " } else { "" };
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Settled(text) => out += text,
                Piece::Conflict { ours, base, theirs } => {
                    out = on_new_line(out);
                    out += &format!("{comment}<<<<<<< {}\n", labels.ours);
                    out = on_new_line(out + ours);
                    if let Some(base) = base {
                        out += &format!("{comment}||||||| {}\n", labels.base);
                        out = on_new_line(out + &commented(base, comment));
                    }
                    out += &format!("{comment}=======\n");
                    out = on_new_line(out + &commented(theirs, comment));
                    out += &format!("{comment}>>>>>>> {}\n", labels.theirs);
                }
            }
        }
        out
    }
}

/// Whether somebody still has to decide something in this text. The file has had a conflict, so
/// that what looks like a marker is one.
pub fn has_markers(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let is_marker = |marker: &str| {
            line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        ["<<<<<<<", "|||||||", "=======", ">>>>>>>"].into_iter().any(is_marker)
    })
}

fn text<'a>(lines: Range<usize>, line: impl Fn(usize) -> Option<&'a str>) -> String {
    lines.filter_map(line).collect()
}

fn commented(text: &str, comment: &str) -> String {
    text.split_inclusive('\n').map(|line| format!("{comment}{line}")).collect()
}

fn on_new_line(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        Labels { ours: "ours".into(), base: "base".into(), theirs: "theirs".into() }
    }

    #[test]
    fn a_conflict_shows_all_three() {
        let path = Path::new("src/a.rs");
        let merged = Merged::of_three(path, "a\nb\nc\n", "a\nB\nc\n", "a\nbb\nc\n");
        assert!(!merged.is_settled());
        let text = merged.with_markers(path, &labels());
        assert_eq!(text, "a\n<<<<<<< ours\nB\n||||||| base\nb\n=======\nbb\n>>>>>>> theirs\nc\n");
        assert!(has_markers(&text));
        assert_eq!(merged.favouring_ours(), "a\nB\nc\n");
        assert!(!has_markers("a\nB\nc\n"));
    }

    #[test]
    fn a_conflict_at_an_end_without_newline_keeps_its_markers_on_lines_of_their_own() {
        let merged = Merged::of_three(Path::new("a.rs"), "a\nb", "a\nB", "a\nbb");
        assert_eq!(
            merged.with_markers(Path::new("a.rs"), &labels()),
            "a\n<<<<<<< ours\nB\n||||||| base\nb\n=======\nbb\n>>>>>>> theirs\n"
        );
    }

    #[test]
    fn cargo_can_read_a_manifest_with_a_conflict() {
        let path = Path::new("Cargo.toml");
        let (base, ours, theirs) = ("libc = \"1\"\n", "libc = \"2\"\n", "libc = \"3\"\n");
        let text = Merged::of_three(path, base, ours, theirs).with_markers(path, &labels());
        assert_eq!(
            text,
            "# <<<<<<< ours\nlibc = \"2\"\n# ||||||| base\n# libc = \"1\"\n# =======\n\
             # libc = \"3\"\n# >>>>>>> theirs\n"
        );
        assert!(has_markers(&text));
    }

    #[test]
    fn two_texts_without_a_base_share_what_is_alike() {
        let merged = Merged::of_two("a\nb\nc\n", "a\nB\nc\n");
        assert_eq!(
            merged.with_markers(Path::new("a.rs"), &labels()),
            "a\n<<<<<<< ours\nb\n=======\nB\n>>>>>>> theirs\nc\n"
        );
        assert!(Merged::of_two("a\n", "a\n").is_settled());
    }

    #[test]
    fn a_chapters_own_lines_are_no_change() {
        let adopted = |path: &str, ours: &str, base: &str, theirs: &str| {
            let (mut base, mut theirs) = (base.to_owned(), theirs.to_owned());
            adopt_own_lines(Path::new(path), ours, &mut base, &mut theirs);
            (base, theirs)
        };
        assert_eq!(
            adopted("Cargo.toml", "name = \"ch04\"\n", "name = \"ch03\"\nx\n", "name = \"ch3\""),
            ("name = \"ch04\"\nx\n".to_owned(), "name = \"ch04\"".to_owned())
        );
        assert_eq!(
            adopted(
                "src/main.rs",
                "a\nconst CHAPTER: u8 = 4;\n",
                "const CHAPTER: u8 = 3;\n",
                "b\n"
            ),
            ("const CHAPTER: u8 = 3;\n".to_owned(), "b\n".to_owned()),
            "a line that is gone is a change"
        );
        let shared = ("//! Chapter 3: a".to_owned(), "//! Chapter 3: b".to_owned());
        assert_eq!(adopted("src/main.rs", "//! Chapter 3: a", &shared.0, &shared.1), shared);
        let other = ("name = 1\n".to_owned(), "name = 2\n".to_owned());
        assert_eq!(adopted("src/a.rs", "name = 3\n", &other.0, &other.1), other);
    }
}
