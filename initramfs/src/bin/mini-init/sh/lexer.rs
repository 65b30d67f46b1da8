//! From characters to words, operators and redirections.

use std::iter::Peekable;
use std::str::Chars;

use super::parse::Flaw;

/// A part of a word: a text as it is, or the name of a variable. What was quoted is neither split into
/// words nor taken for a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text { text: String, quoted: bool },
    Variable { name: String, quoted: bool },
}

/// A word, before its variables are replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word(pub Vec<Part>);

/// Where a redirection leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `<`
    From,
    /// `>`
    To,
    /// `>>`
    Append,
    /// `>&` and `<&`: to where another descriptor leads.
    Copy,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Token {
    Word(Word),
    /// `|`, `;`, `&&`, `||` or a newline.
    Operator(&'static str),
    /// The word that follows is its target.
    Redirection {
        descriptor: u8,
        direction: Direction,
    },
}

pub struct Lexer<'a> {
    characters: Peekable<Chars<'a>>,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { characters: text.chars().peekable() }
    }

    /// The next token; none at the end.
    pub fn next(&mut self) -> Result<Option<Token>, Flaw> {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.skip(),
                Some('#') => while self.characters.next_if(|next| *next != '\n').is_some() {},
                Some('\\') if self.second() == Some('\n') => {
                    self.skip();
                    self.skip();
                    if self.peek().is_none() {
                        return Err(Flaw::Incomplete);
                    }
                }
                _ => break,
            }
        }
        let Some(first) = self.peek() else { return Ok(None) };
        let operator = match first {
            '\n' => "\n",
            ';' => ";",
            '|' if self.second() == Some('|') => "||",
            '|' => "|",
            '&' if self.second() == Some('&') => "&&",
            '&' => return unsupported("commands in the background (`&`)"),
            '(' | ')' => return unsupported("subshells and functions (`(`)"),
            '<' | '>' => return self.redirection(None).map(Some),
            '0'..='9' if matches!(self.second(), Some('<' | '>')) => {
                self.skip();
                return self.redirection(Some(first)).map(Some);
            }
            _ => return Ok(Some(Token::Word(self.word()?))),
        };
        operator.chars().for_each(|_| self.skip());
        Ok(Some(Token::Operator(operator)))
    }

    fn redirection(&mut self, descriptor: Option<char>) -> Result<Token, Flaw> {
        let sign = self.peek();
        self.skip();
        let default = if sign == Some('<') { '0' } else { '1' };
        let direction = match (sign, self.peek()) {
            (Some('<'), Some('<')) => return unsupported("here documents (`<<`)"),
            (_, Some('&')) => Direction::Copy,
            (Some('>'), Some('>')) => Direction::Append,
            (Some('<'), _) => Direction::From,
            _ => Direction::To,
        };
        if matches!(direction, Direction::Copy | Direction::Append) {
            self.skip();
        }
        let digit = descriptor.unwrap_or(default);
        let descriptor = match digit {
            '0' => 0,
            '1' => 1,
            '2' => 2,
            _ => return Err(wrong(format!("{digit}: only 0, 1 and 2 can be redirected"))),
        };
        Ok(Token::Redirection { descriptor, direction })
    }

    fn word(&mut self) -> Result<Word, Flaw> {
        let mut word = Word::default();
        while let Some(next) = self.peek() {
            match next {
                ' ' | '\t' | '\r' | '\n' | ';' | '|' | '&' | '<' | '>' | '(' | ')' => break,
                '\'' => {
                    self.skip();
                    word.push(&self.up_to_quote()?, true);
                }
                '"' => {
                    self.skip();
                    self.double_quoted(&mut word)?;
                }
                '\\' => {
                    self.skip();
                    match self.characters.next() {
                        None => return Err(Flaw::Incomplete),
                        Some('\n') if self.peek().is_none() => return Err(Flaw::Incomplete),
                        Some('\n') => {}
                        Some(escaped) => word.push(escaped.encode_utf8(&mut [0; 4]), true),
                    }
                }
                '$' => self.variable(&mut word, false)?,
                '`' => return unsupported("the output of commands (`` ` ``)"),
                other => {
                    self.skip();
                    word.push(other.encode_utf8(&mut [0; 4]), false);
                }
            }
        }
        Ok(word)
    }

    fn up_to_quote(&mut self) -> Result<String, Flaw> {
        let mut text = String::new();
        loop {
            match self.characters.next() {
                None => return Err(Flaw::Incomplete),
                Some('\'') => return Ok(text),
                Some(other) => text.push(other),
            }
        }
    }

    fn double_quoted(&mut self, word: &mut Word) -> Result<(), Flaw> {
        // Even if nothing follows, there is a word now.
        word.push("", true);
        loop {
            match self.peek() {
                None => return Err(Flaw::Incomplete),
                Some('"') => {
                    self.skip();
                    return Ok(());
                }
                Some('$') => self.variable(word, true)?,
                Some('`') => return unsupported("the output of commands (`` ` ``)"),
                Some('\\') => {
                    self.skip();
                    match self.characters.next() {
                        None => return Err(Flaw::Incomplete),
                        Some('\n') => {}
                        Some(special @ ('$' | '`' | '"' | '\\')) => {
                            word.push(special.encode_utf8(&mut [0; 4]), true);
                        }
                        // Before anything else it means itself.
                        Some(other) => word.push(&format!("\\{other}"), true),
                    }
                }
                Some(other) => {
                    self.skip();
                    word.push(other.encode_utf8(&mut [0; 4]), true);
                }
            }
        }
    }

    /// `$NAME`, `${NAME}`, `$?`, `$$`, `$#`, `$0` to `$9`; any other `$` means itself.
    fn variable(&mut self, word: &mut Word, quoted: bool) -> Result<(), Flaw> {
        self.skip();
        let name = match self.peek() {
            Some('(') => return unsupported("the output of commands (`$(`)"),
            Some('@' | '*') => return unsupported("all arguments at once (`$@`)"),
            Some('{') => {
                self.skip();
                let mut name = String::new();
                loop {
                    match self.characters.next() {
                        None => return Err(Flaw::Incomplete),
                        Some('}') => break,
                        Some(other) => name.push(other),
                    }
                }
                if !is_name(&name) && !is_special(&name) {
                    return Err(wrong(format!("${{{name}}}: not the name of a variable")));
                }
                name
            }
            Some(special) if is_special(special.encode_utf8(&mut [0; 4])) => {
                self.skip();
                special.to_string()
            }
            _ => {
                let mut name = String::new();
                let is_next = |next: &char| next.is_ascii_alphanumeric() || *next == '_';
                while let Some(next) = self.characters.next_if(is_next) {
                    name.push(next);
                }
                name
            }
        };
        if name.is_empty() {
            word.push("$", quoted);
        } else {
            word.0.push(Part::Variable { name, quoted });
        }
        Ok(())
    }

    fn peek(&mut self) -> Option<char> {
        self.characters.peek().copied()
    }

    fn second(&self) -> Option<char> {
        self.characters.clone().nth(1)
    }

    fn skip(&mut self) {
        self.characters.next();
    }
}

impl Word {
    fn push(&mut self, more: &str, is_quoted: bool) {
        match self.0.last_mut() {
            Some(Part::Text { text, quoted }) if *quoted == is_quoted => text.push_str(more),
            _ => self.0.push(Part::Text { text: more.to_owned(), quoted: is_quoted }),
        }
    }

    /// `NAME=VALUE` taken apart.
    pub fn as_assignment(&self) -> Option<(String, Self)> {
        let Some(Part::Text { text, quoted: false }) = self.0.first() else { return None };
        let (name, value) = text.split_once('=')?;
        if !is_name(name) {
            return None;
        }
        let mut rest = Self::default();
        if !value.is_empty() {
            rest.push(value, false);
        }
        rest.0.extend(self.0[1..].iter().cloned());
        Some((name.to_owned(), rest))
    }
}

/// Whether a variable can have that name.
pub fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn is_special(name: &str) -> bool {
    matches!(name.as_bytes(), [b'?' | b'$' | b'#' | b'0'..=b'9'])
}

fn wrong(message: impl Into<String>) -> Flaw {
    Flaw::Wrong(message.into())
}

fn unsupported<T>(what: &str) -> Result<T, Flaw> {
    Err(wrong(format!("this shell has no {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<Token>, Flaw> {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        while let Some(token) = lexer.next()? {
            tokens.push(token);
        }
        Ok(tokens)
    }

    fn word(text: &str) -> Vec<Part> {
        match tokens(text).unwrap().pop() {
            Some(Token::Word(word)) => word.0,
            other => panic!("{other:?}"),
        }
    }

    fn text(text: &str, quoted: bool) -> Part {
        Part::Text { text: text.to_owned(), quoted }
    }

    fn variable(name: &str, quoted: bool) -> Part {
        Part::Variable { name: name.to_owned(), quoted }
    }

    #[test]
    fn operators_need_no_spaces() {
        let shapes: Vec<_> = tokens("a|b&&c||d;e>>f\n2>g <h 2>&1 # i | j")
            .unwrap()
            .into_iter()
            .map(|token| match token {
                Token::Word(_) => "word".to_owned(),
                Token::Operator(operator) => operator.to_owned(),
                Token::Redirection { descriptor, direction } => {
                    format!("{descriptor}{direction:?}")
                }
            })
            .collect();
        assert_eq!(
            shapes.join(" "),
            "word | word && word || word ; word 1Append word \n 2To word 0From word 2Copy word"
        );
    }

    #[test]
    fn quotes() {
        assert_eq!(word("a'b $c'd"), [text("a", false), text("b $c", true), text("d", false)]);
        assert_eq!(word(r#""a\"b\n\\$c""#), [text(r#"a"b\n\"#, true), variable("c", true)]);
        assert_eq!(
            word(r"\$a\ b"),
            [text("$", true), text("a", false), text(" ", true), text("b", false)]
        );
        assert_eq!(word("''"), [text("", true)]);
        assert_eq!(word(r#""""#), [text("", true)]);
        assert_eq!(word("a#b"), [text("a#b", false)]);
        assert_eq!(word("a\\\nb"), [text("ab", false)]);
    }

    #[test]
    fn variables() {
        assert_eq!(
            word("$a-${b}c$?"),
            [
                variable("a", false),
                text("-", false),
                variable("b", false),
                text("c", false),
                variable("?", false),
            ]
        );
        assert_eq!(word("$$$1x"), [variable("$", false), variable("1", false), text("x", false)]);
        assert_eq!(word("$ "), [text("$", false)]);
        assert_eq!(word("a$%"), [text("a$%", false)]);
    }

    #[test]
    fn what_goes_on_in_the_next_line() {
        for open in ["'a", "\"a", "\"a\\", "a\\", "a\\\n", "a \\\n", "${a"] {
            assert_eq!(tokens(open), Err(Flaw::Incomplete), "{open}");
        }
    }

    #[test]
    fn what_there_is_not() {
        for text in ["a &", "(a)", "$(a)", "`a`", "\"`a`\"", "a << b", "3> a", "${a-b}", "$@"] {
            assert!(matches!(tokens(text), Err(Flaw::Wrong(_))), "{text}");
        }
    }

    #[test]
    fn assignments() {
        let split = |text: &str| Word(word(text)).as_assignment();
        assert_eq!(
            split("a=b$c"),
            Some(("a".to_owned(), Word(vec![text("b", false), variable("c", false)])))
        );
        assert_eq!(split("a="), Some(("a".to_owned(), Word(vec![]))));
        assert_eq!(split("1=b"), None);
        assert_eq!(split("'a'=b"), None);
        assert_eq!(split("=b"), None);
    }
}
