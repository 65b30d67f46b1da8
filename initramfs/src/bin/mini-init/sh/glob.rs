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

/// Where a match fails, the last `*` takes one character more. Those before it need never: what lies
/// between them has matched as early as it can.
fn matches(mut pattern: &[Glyph], mut name: &[char]) -> bool {
    let mut last = None;
    loop {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => return true,
            (Some((Glyph::Any, after)), _) => {
                last = Some((after, name));
                pattern = after;
            }
            (Some((Glyph::One, after)), Some((_, rest))) => (pattern, name) = (after, rest),
            (Some((Glyph::Is(wanted), after)), Some((first, rest))) if wanted == first => {
                (pattern, name) = (after, rest);
            }
            _ => match last {
                Some((after, [_, rest @ ..])) => {
                    last = Some((after, rest));
                    (pattern, name) = (after, rest);
                }
                _ => return false,
            },
        }
    }
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
        assert!(is_match("a*bc*c", "abbcbcc"));
        assert!(is_match("*?b*?", "abbb"));
        assert!(!is_match("a*b", "abc"));
        assert!(!is_match("a*b*c", "aXcXb"));
        // Not a way for each star to go, and each after it: that would take until the end of time.
        assert!(!is_match(&("*a".repeat(100) + "b"), &"a".repeat(255)));
        assert!(!is_match("?", ""));
        assert!(!is_match("a", "b"));
        assert!(is_match("*ab*b", "aababbab"));
        assert!(!is_match("*a*b", "aaba"));
        assert!(is_match("**", ""));
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
