//! From the words of a command to its arguments: variables are replaced, what they hold is split
//! into words, and patterns become the names of files. Quotes prevent the latter two.

use super::glob::{self, Glyph};
use super::lexer::{Part, Word};

/// The value of a variable; none if it has none.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The arguments that a word becomes: one, but for variables and patterns.
pub fn arguments(word: &Word, lookup: Lookup) -> Vec<String> {
    let mut arguments = Vec::new();
    for field in fields(word, lookup) {
        let matches = glob::matching_files(&field);
        if matches.is_empty() {
            arguments.push(glob::text(&field));
        } else {
            arguments.extend(matches);
        }
    }
    arguments
}

/// The one text that a word is where there can only be one: the value of a variable, the target of
/// a redirection.
pub fn text(word: &Word, lookup: Lookup) -> String {
    word.0
        .iter()
        .map(|part| match part {
            Part::Text { text, .. } => text.clone(),
            Part::Variable { name, .. } => lookup(name).unwrap_or_default(),
        })
        .collect()
}

fn fields(word: &Word, lookup: Lookup) -> Vec<Vec<Glyph>> {
    let mut fields = Vec::new();
    let mut field: Option<Vec<Glyph>> = None;
    for part in &word.0 {
        match part {
            Part::Text { text, quoted } => {
                field.get_or_insert_default().extend(glyphs(text, *quoted));
            }
            Part::Variable { name, quoted: true } => {
                let value = lookup(name).unwrap_or_default();
                field.get_or_insert_default().extend(glyphs(&value, true));
            }
            Part::Variable { name, quoted: false } => {
                let value = lookup(name).unwrap_or_default();
                for glyph in glyphs(&value, false) {
                    match glyph {
                        Glyph::Is(' ' | '\t' | '\n') => fields.extend(field.take()),
                        glyph => field.get_or_insert_default().push(glyph),
                    }
                }
            }
        }
    }
    fields.extend(field);
    fields
}

fn glyphs(text: &str, quoted: bool) -> impl Iterator<Item = Glyph> {
    text.chars().map(move |character| match character {
        '*' if !quoted => Glyph::Any,
        '?' if !quoted => Glyph::One,
        other => Glyph::Is(other),
    })
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;

    fn expanded(words: &str) -> Vec<String> {
        let lookup = |name: &str| match name {
            "two" => Some(" a  b ".to_owned()),
            "star" => Some("*".to_owned()),
            "empty" => Some(String::new()),
            _ => None,
        };
        let list = parse(words).unwrap();
        list[0].commands[0].words.iter().flat_map(|word| arguments(word, &lookup)).collect()
    }

    #[test]
    fn values_are_split_unless_quoted() {
        assert_eq!(expanded("x$two"), ["x", "a", "b"]);
        assert_eq!(expanded("$two-"), ["a", "b", "-"]);
        assert_eq!(expanded("x${two}y"), ["x", "a", "b", "y"]);
        assert_eq!(expanded("\"x$two\""), ["x a  b "]);
        assert_eq!(expanded("'$two'"), ["$two"]);
    }

    #[test]
    fn nothing_is_no_argument_unless_quoted() {
        assert_eq!(expanded("e $empty $unset e"), ["e", "e"]);
        assert_eq!(expanded("e \"$empty\" ''"), ["e", "", ""]);
        assert_eq!(expanded("$empty''"), [""]);
    }

    #[test]
    fn a_pattern_that_matches_nothing_stays() {
        assert_eq!(expanded("/no/such*"), ["/no/such*"]);
        assert_eq!(expanded("\"$star\" '*' \\*"), ["*", "*", "*"]);
    }

    #[test]
    fn a_text_is_neither_split_nor_matched() {
        let list = parse("a=$two*").unwrap();
        let lookup = |_: &str| Some("a  b".to_owned());
        assert_eq!(text(&list[0].commands[0].assignments[0].1, &lookup), "a  b*");
    }
}
