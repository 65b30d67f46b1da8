//! Code with its words coloured, in a handful of classes that the style sheets know.

use std::path::Path;

use syntect::parsing::{ParseState, Scope, ScopeStack, SyntaxReference, SyntaxSet};

use super::escape;

/// Scopes of Sublime's syntaxes and our classes; the first that fits the innermost scope counts.
const CLASSES: [(&str, &str); 16] = [
    ("markup.inserted", "a"),
    ("markup.deleted", "r"),
    ("comment", "c"),
    ("string", "s"),
    ("constant.character", "s"),
    ("constant.numeric", "n"),
    ("constant.language", "n"),
    ("keyword.operator", ""),
    ("keyword", "k"),
    ("storage.type.function", "k"),
    ("storage", "k"),
    ("entity.name.function", "f"),
    ("support.function", "f"),
    ("support.macro", "f"),
    ("entity.name", "t"),
    ("support.type", "t"),
];

/// Knows the syntaxes.
pub struct Highlighter {
    syntaxes: SyntaxSet,
    classes: Vec<(Scope, &'static str)>,
}

impl Highlighter {
    /// Loads the syntaxes.
    pub fn new() -> Self {
        let class = |&(scope, class): &(&str, &'static str)| Some((Scope::new(scope).ok()?, class));
        Self {
            syntaxes: two_face::syntax::extra_newlines(),
            classes: CLASSES.iter().filter_map(class).collect(),
        }
    }

    /// The language of a file, for [`Self::lines`].
    pub fn language(path: &Path) -> String {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        match extension.as_ref() {
            "S" | "s" | "asm" => "asm".to_owned(),
            other => other.to_owned(),
        }
    }

    fn syntax(&self, language: &str) -> Option<&SyntaxReference> {
        // Sublime's assembly is NASM's: its comments are not those of GNU.
        (language != "asm").then(|| self.syntaxes.find_syntax_by_token(language)).flatten()
    }

    /// Lines of code as HTML, a line each.
    pub fn lines<'a>(&self, language: &str, lines: impl Iterator<Item = &'a str>) -> Vec<String> {
        if language == "asm" {
            return lines.map(assembly).collect();
        }
        let Some(syntax) = self.syntax(language) else {
            return lines.map(escape).collect();
        };
        let mut state = (ParseState::new(syntax), ScopeStack::new());
        lines.map(|line| self.line(&mut state, line)).collect()
    }

    fn line(&self, (parser, stack): &mut (ParseState, ScopeStack), line: &str) -> String {
        let text = format!("{line}\n");
        let Ok(changes) = parser.parse_line(&text, &self.syntaxes) else {
            return escape(line);
        };
        let mut html = Html::default();
        let mut done = 0;
        for (position, change) in changes {
            html.push(self.class(stack), &text[done..position]);
            done = position;
            if stack.apply(&change).is_err() {
                return escape(line);
            }
        }
        html.push(self.class(stack), &text[done..]);
        html.end()
    }

    fn class(&self, stack: &ScopeStack) -> &'static str {
        // The marks around a comment or a string belong to it.
        let scopes = || stack.as_slice().iter().rev();
        let class = |scope: &Scope| {
            self.classes
                .iter()
                .find(|(known, _)| known.is_prefix_of(*scope))
                .map(|(_, class)| *class)
        };
        scopes().find_map(class).unwrap_or_default()
    }
}

/// Spans, as few as will do.
#[derive(Default)]
struct Html {
    text: String,
    class: &'static str,
    pending: String,
}

impl Html {
    fn push(&mut self, class: &'static str, text: &str) {
        let is_blank = text.trim().is_empty();
        if class != self.class && !is_blank {
            self.flush();
            self.class = class;
        }
        self.pending += text;
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.pending);
        if text.is_empty() {
            return;
        }
        self.text += &match self.class {
            "" => escape(&text),
            class => format!("<span class=\"{class}\">{}</span>", escape(&text)),
        };
    }

    fn end(mut self) -> String {
        self.pending.truncate(self.pending.trim_end_matches('\n').len());
        self.flush();
        self.text
    }
}

/// A line that GNU's assembler reads: a label, an instruction, a comment.
fn assembly(line: &str) -> String {
    let is_directive = |word: &str| word.starts_with('.');
    let comment = line.find('#').filter(|at| !line[..*at].contains('"'));
    let (code, comment) = line.split_at(comment.unwrap_or(line.len()));
    let mut html = String::new();
    let mut rest = code;
    let mut seen_instruction = false;
    while !rest.is_empty() {
        let blank = rest.len() - rest.trim_start().len();
        html += &rest[..blank];
        rest = &rest[blank..];
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let class = match word {
            "" => "",
            label if !seen_instruction && label.ends_with(':') => "f",
            _ if seen_instruction => "",
            word => {
                seen_instruction = true;
                if is_directive(word) { "t" } else { "k" }
            }
        };
        html += &match class {
            "" => escape(word),
            class => format!("<span class=\"{class}\">{}</span>", escape(word)),
        };
        rest = after;
    }
    if !comment.is_empty() {
        html += &format!("<span class=\"c\">{}</span>", escape(comment));
    }
    html
}
