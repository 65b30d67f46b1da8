//! Patterns for names of files: `*` is any text, `?` any character, and neither is a slash.

use std::fs;

/// What a character of a word stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyph {
    /// Itself.
    Is(char),
    /// `*`
    Any,
    /// `?`
    One,
}

/// The word as it was written.
pub fn text(pattern: &[Glyph]) -> String {
    pattern
        .iter()
        .map(|glyph| match glyph {
            Glyph::Is(character) => *character,
            Glyph::Any => '*',
            Glyph::One => '?',
        })
        .collect()
}

/// The files whose names match, in order. None if it is no pattern.
pub fn matching_files(pattern: &[Glyph]) -> Vec<String> {
    let is_plain = |pattern: &[Glyph]| pattern.iter().all(|glyph| matches!(glyph, Glyph::Is(_)));
    if is_plain(pattern) {
        return Vec::new();
    }
    // One component after the other: each path that matches so far, with all that can follow.
    let mut paths = vec![String::new()];
    for (index, component) in pattern.split(|glyph| *glyph == Glyph::Is('/')).enumerate() {
        let slash = if index == 0 { "" } else { "/" };
        let mut longer = Vec::new();
        for path in paths {
            let path = path + slash;
            if is_plain(component) {
                longer.push(path + &text(component));
            } else {
                longer.extend(
                    names(&path, component).into_iter().map(|name| format!("{path}{name}")),
                );
            }
        }
        paths = longer;
    }
    paths.retain(|path| fs::symlink_metadata(path).is_ok());
    paths
}

/// The names in a directory that match. Hidden ones do only if the pattern begins with a dot.
fn names(directory: &str, pattern: &[Glyph]) -> Vec<String> {
    let directory = if directory.is_empty() { "." } else { directory };
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') || pattern.first() == Some(&Glyph::Is('.')))
        .filter(|name| matches(pattern, &name.chars().collect::<Vec<_>>()))
        .collect();
    names.sort();
    names
}

/// Without trying all ways to divide the name among several `*`: if the rest does not match, only the
/// last one can take more.
fn matches(pattern: &[Glyph], name: &[char]) -> bool {
    let (mut at, mut taken) = (0, 0);
    let mut last_any = None;
    while taken < name.len() {
        match pattern.get(at) {
            Some(Glyph::Any) => {
                last_any = Some((at, taken));
                at += 1;
            }
            Some(glyph) if matches!(glyph, Glyph::One) || *glyph == Glyph::Is(name[taken]) => {
                (at, taken) = (at + 1, taken + 1);
            }
            _ => {
                let Some((any, from)) = last_any else { return false };
                last_any = Some((any, from + 1));
                (at, taken) = (any + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|glyph| *glyph == Glyph::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Vec<Glyph> {
        let glyph = |character| match character {
            '*' => Glyph::Any,
            '?' => Glyph::One,
            other => Glyph::Is(other),
        };
        text.chars().map(glyph).collect()
    }

    #[test]
    fn names_match() {
        let is_match =
            |glob: &str, name: &str| matches(&pattern(glob), &name.chars().collect::<Vec<_>>());
        assert!(is_match("*", ""));
        assert!(is_match("tty*", "ttyS0"));
        assert!(is_match("*S?", "ttyS0"));
        assert!(is_match("a*b*c", "aXbXbc"));
        assert!(!is_match("a*b", "abc"));
        assert!(!is_match("?", ""));
        assert!(!is_match("a", "b"));
        assert!(is_match("*ab*b", "aababbab"));
        assert!(!is_match("*a*b", "aaba"));
        assert!(is_match("**", ""));
        // To try every way would take longer than the universe has been there.
        assert!(!is_match(&("*a".repeat(40) + "*b"), &"a".repeat(250)));
    }

    #[test]
    fn files_match() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_str().unwrap();
        fs::create_dir(directory.path().join("d")).unwrap();
        for file in ["b1", "b2", ".b3", "d/c"] {
            fs::write(directory.path().join(file), "").unwrap();
        }
        let found = |glob: &str| -> Vec<String> {
            let found = matching_files(&pattern(&format!("{root}/{glob}")));
            found
                .iter()
                .map(|path| path.strip_prefix(&format!("{root}/")).unwrap().to_owned())
                .collect()
        };
        assert_eq!(found("*"), ["b1", "b2", "d"]);
        assert_eq!(found("b?"), ["b1", "b2"]);
        assert_eq!(found(".*"), [".b3"]);
        assert_eq!(found("*/c"), ["d/c"]);
        assert!(found("x*").is_empty());
        assert!(found("b1").is_empty(), "no pattern");
    }
}
