use super::*;

#[test]
fn wherever_a_change_slides_to_both_texts_stay_what_they_are() {
    let mut seed = 1_u32;
    let mut text = || {
        let mut line = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ["}\n", "\n", "fn a() {\n", "    b\n", "        c\n"][seed as usize / 7919 % 5]
        };
        (0..12).map(|_| line()).collect::<String>()
    };
    for _ in 0..2000 {
        let (old, new) = (text(), text());
        let lines = lines(
            Path::new("a.rs"),
            Some(&old.clone().into_bytes()),
            Some(&new.clone().into_bytes()),
            View::Patch,
        );
        for (number, expected) in
            [((|line| line.old) as fn(&Line) -> usize, old), (|line| line.new, new)]
        {
            let side: Vec<_> = lines.iter().filter(|line| number(line) > 0).collect();
            assert!(side.iter().map(|line| number(line)).eq(1..=expected.lines().count()));
            assert!(side.iter().map(|line| line.text.as_str()).eq(expected.lines()));
        }
        for line in &lines {
            let (has_old, has_new) = (line.kind != Kind::Added, line.kind != Kind::Removed);
            assert_eq!((line.old > 0, line.new > 0), (has_old, has_new));
        }
    }
}

fn tree(text: &str) -> Tree {
    Tree::from([("a.rs".into(), text.as_bytes().to_vec())])
}

/// The changed lines with their items, as `hunks` of the book lists them.
fn changes(old: &str, new: &str) -> Vec<String> {
    let files = compare(&tree(old), &tree(new), View::Items);
    let lines = files.iter().flat_map(|file| &file.lines).filter(|line| line.kind != Kind::Same);
    lines.map(|Line { kind, text, item, .. }| format!("{item}: {kind:?} {text}")).collect()
}

#[test]
fn every_line_belongs_to_an_item() {
    let text = "\
//! Of the file.
#![allow(dead_code)]

mod one;
mod two;

use std::fmt;
use std::io;

/// Documented.
#[derive(Debug)]
struct Thing<T>(T);

// Before the block.
impl<T> Thing<T>
where
    T: Copy,
{
    const SIZE: usize = 1;

    // Before the method.
    fn new(it: T) -> Self {
        Self(it)
    }
    // At the end.
}

impl<T> fmt::Display for Thing<T> {
    fn fmt(&self, _: &mut fmt::Formatter) -> fmt::Result {
        Ok(())
    }
}

impl Drop for Two {}

macro_rules! say { () => {} }

#[cfg(test)]
mod tests {
    fn inner() {}
}
// After everything.
";
    let items = items(Path::new("a.rs"), text);
    let found: Vec<_> = items
        .iter()
        .map(|item| (item.name.as_str(), item.lines.start + 1, item.lines.end))
        .collect();
    assert_eq!(
        found,
        [
            ("doc", 1, 2),
            ("mod", 3, 5),
            ("use", 6, 8),
            ("Thing", 9, 12),
            ("impl Thing", 13, 18),
            ("Thing::SIZE", 19, 19),
            ("Thing::new", 20, 24),
            ("impl Thing", 25, 26),
            ("impl Display for Thing", 27, 28),
            ("Thing::fmt", 29, 31),
            ("impl Display for Thing", 32, 32),
            ("impl Drop for Two", 33, 34),
            ("say", 35, 36),
            ("tests", 37, 42),
        ]
    );
}

#[test]
fn what_is_not_rust_is_one_item_without_a_name() {
    for (path, text) in [("Cargo.toml", "[package]\nname = \"a\"\n"), ("a.rs", "fn fn fn\n}\n")] {
        let items = items(Path::new(path), text);
        assert_eq!(items, [Item { name: String::new(), lines: 0..2 }]);
    }
}

#[test]
fn no_line_of_an_item_is_taken_for_one_of_another() {
    // As text, `new` is `old` with a line less and a blank line more.
    let old = "fn one() {\n    start();\n    end();\n}\n";
    let new = "fn one() {\n    start();\n}\n\nfn two() {\n    end();\n}\n";
    assert_eq!(
        changes(old, new),
        [
            "one: Removed     end();",
            "two: Added ",
            "two: Added fn two() {",
            "two: Added     end();",
            "two: Added }",
        ]
    );
}

#[test]
fn a_renamed_item_is_one() {
    let old = "fn one() {\n    start();\n    end();\n}\n";
    assert_eq!(
        changes(old, &old.replace("one", "two")),
        ["two: Removed fn one() {", "two: Added fn two() {"]
    );
}
