//! From the text of commands to their structure.
//!
//! ```text
//! list        = [ chain ] { (";" | newline) [ chain ] }
//! chain       = pipeline { ("&&" | "||") pipeline }
//! pipeline    = command { "|" command }
//! command     = { NAME=word | redirection } { word | redirection }     not empty
//! redirection = [0-2] ("<" | ">" | ">>" | ">&" | "<&") word
//! ```
//!
//! After `&&`, `||` and `|` a new line may begin.

use super::lexer::{Direction, Lexer, Token, Word};

/// When a pipeline runs, given how the one that ran before it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    Success,
    Failure,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Pipeline {
    pub when: When,
    pub commands: Vec<Command>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Command {
    pub assignments: Vec<(String, Word)>,
    pub words: Vec<Word>,
    pub redirections: Vec<Redirection>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Redirection {
    /// 0, 1 or 2.
    pub descriptor: u8,
    pub direction: Direction,
    pub target: Word,
}

/// Why a text is no list of commands.
#[derive(Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It goes on in the next line.
    Incomplete,
    /// No line that follows can mend it.
    Wrong(String),
}

pub fn parse(text: &str) -> Result<Vec<Pipeline>, Flaw> {
    let mut lexer = Lexer::new(text);
    let mut list = Vec::new();
    let mut when = When::Always;
    let mut commands = Vec::new();
    // An operator that needs a command on its right has none yet.
    let mut open = false;
    loop {
        let (command, end) = command(&mut lexer)?;
        let is_missing = command == Command::default();
        match end {
            Some("\n") if is_missing && open => continue,
            None if is_missing && open => return Err(Flaw::Incomplete),
            Some("\n") | None if is_missing => {}
            Some(operator) if is_missing => return Err(unexpected(operator)),
            _ => commands.push(command),
        }
        open = matches!(end, Some("|" | "&&" | "||"));
        if end == Some("|") {
            continue;
        }
        if !commands.is_empty() {
            list.push(Pipeline { when, commands: std::mem::take(&mut commands) });
        }
        when = match end {
            None => return Ok(list),
            Some("&&") => When::Success,
            Some("||") => When::Failure,
            Some(_) => When::Always,
        };
    }
}

/// A command, which is empty if there is none, and the operator that ends it.
fn command(lexer: &mut Lexer) -> Result<(Command, Option<&'static str>), Flaw> {
    let mut command = Command::default();
    loop {
        match lexer.next()? {
            None => return Ok((command, None)),
            Some(Token::Operator(operator)) => return Ok((command, Some(operator))),
            Some(Token::Redirection { descriptor, direction }) => {
                let target = match lexer.next()? {
                    Some(Token::Word(target)) => target,
                    Some(Token::Operator(operator)) => return Err(unexpected(operator)),
                    _ => return Err(Flaw::Wrong("a redirection to nowhere".to_owned())),
                };
                command.redirections.push(Redirection { descriptor, direction, target });
            }
            Some(Token::Word(word)) => match word.as_assignment() {
                Some(assignment) if command.words.is_empty() => {
                    command.assignments.push(assignment);
                }
                _ => command.words.push(word),
            },
        }
    }
}

fn unexpected(operator: &str) -> Flaw {
    let operator = if operator == "\n" { "the end of the line" } else { operator };
    Flaw::Wrong(format!("unexpected {operator}"))
}

#[cfg(test)]
mod tests {
    use super::super::lexer::Part;
    use super::*;

    /// A command in brackets, its words by number.
    fn shape(text: &str) -> Result<String, Flaw> {
        let list = parse(text)?;
        let shapes = list.iter().map(|pipeline| {
            let commands = pipeline.commands.iter().map(|command| {
                let words = command.words.iter().map(plain).collect::<Vec<_>>().join(" ");
                let assignments: String = command
                    .assignments
                    .iter()
                    .map(|(name, value)| format!("{name}={} ", plain(value)))
                    .collect();
                let redirections: String = command
                    .redirections
                    .iter()
                    .map(|to| format!(" {}{:?} {}", to.descriptor, to.direction, plain(&to.target)))
                    .collect();
                format!("[{assignments}{words}{redirections}]")
            });
            format!("{:?} {}", pipeline.when, commands.collect::<Vec<_>>().join("|"))
        });
        Ok(shapes.collect::<Vec<_>>().join("; "))
    }

    fn plain(word: &Word) -> String {
        let part = |part: &Part| match part {
            Part::Text { text, .. } => text.clone(),
            Part::Variable { name, .. } => format!("${name}"),
        };
        word.0.iter().map(part).collect()
    }

    #[test]
    fn lists() {
        assert_eq!(shape("a b; c").unwrap(), "Always [a b]; Always [c]");
        assert_eq!(
            shape("a && b || c;d").unwrap(),
            "Always [a]; Success [b]; Failure [c]; Always [d]"
        );
        assert_eq!(shape("\n a\n\n b ;\n").unwrap(), "Always [a]; Always [b]");
        assert_eq!(shape("  # nothing").unwrap(), "");
    }

    #[test]
    fn pipelines() {
        assert_eq!(shape("a | b -c | d && e").unwrap(), "Always [a]|[b -c]|[d]; Success [e]");
        assert_eq!(shape("a |\n\n b").unwrap(), "Always [a]|[b]");
        assert_eq!(shape("a &&\n b").unwrap(), "Always [a]; Success [b]");
    }

    #[test]
    fn redirections_stand_anywhere() {
        assert_eq!(
            shape(">o a <i b 2>>e 2>&1").unwrap(),
            "Always [a b 1To o 0From i 2Append e 2Copy 1]"
        );
        assert_eq!(shape("> f").unwrap(), "Always [ 1To f]");
    }

    #[test]
    fn assignments_stand_in_front() {
        assert_eq!(shape("A=1 B=$A c D=2").unwrap(), "Always [A=1 B=$A c D=2]");
        assert_eq!(shape("A=1").unwrap(), "Always [A=1 ]");
    }

    #[test]
    fn what_goes_on_in_the_next_line() {
        for text in ["a |", "a &&", "a ||\n", "a | # b", "a 'b"] {
            assert_eq!(shape(text), Err(Flaw::Incomplete), "{text}");
        }
    }

    #[test]
    fn what_is_wrong() {
        let flaw = |text: &str| match shape(text) {
            Err(Flaw::Wrong(message)) => message,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(flaw("| a"), "unexpected |");
        assert_eq!(flaw("a | | b"), "unexpected |");
        assert_eq!(flaw("a ; ; b"), "unexpected ;");
        assert_eq!(flaw("; a"), "unexpected ;");
        assert_eq!(flaw("a && || b"), "unexpected ||");
        assert_eq!(flaw("a &&;"), "unexpected ;");
        assert_eq!(flaw("a >"), "a redirection to nowhere");
        assert_eq!(flaw("a > | b"), "unexpected |");
        assert_eq!(flaw("a > > b"), "a redirection to nowhere");
        assert_eq!(flaw("a >\nb"), "unexpected the end of the line");
    }
}
