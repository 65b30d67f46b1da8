//! A line of a page that stands for something else: `{{#diff src/vcpu.rs item=Vcpu::run}}`.

use std::ops::RangeInclusive;

use crate::problem::Mistake;

/// What a page asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// Hunks of the chapter's change.
    Diff { target: Target, folded: bool },
    /// Hunks that are not shown.
    Omit { target: Target, reason: String },
    /// The step does not build when it ends.
    Unfinished,
    /// The snapshot of a test case.
    Output { case: String, lines: Option<Ranges> },
    /// Code as it is.
    Code { file: String, part: Part, chapter: Option<String> },
    /// An SVG.
    Figure { name: String, caption: String },
    /// A table made from sources.
    Table { name: String },
}

/// Some hunks of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub file: String,
    /// None: all of them.
    pub items: Vec<String>,
    pub hunks: Option<Ranges>,
}

/// Which part of a file is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    Items(Vec<String>),
    /// From the first line with one text to the next one with another.
    Lines {
        from: Option<String>,
        to: Option<String>,
    },
}

/// `1-3,7`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges(pub Vec<RangeInclusive<usize>>);

impl Ranges {
    /// Whether a number is in one of them.
    pub fn contains(&self, number: usize) -> bool {
        self.0.iter().any(|range| range.contains(&number))
    }

    /// The highest number.
    pub fn last(&self) -> usize {
        self.0.iter().map(|range| *range.end()).max().unwrap_or(0)
    }

    fn parse(text: &str) -> Option<Self> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first > 0 && first <= last).then_some(first..=last)
        };
        Some(Self(text.split(',').map(range).collect::<Option<_>>()?))
    }
}

/// What each directive looks like, for those who spelled one wrong.
const FORMS: [(&str, &str); 7] = [
    (
        "diff",
        "{{#diff FILE}}, {{#diff FILE item=NAME[,NAME]}}, with hunk=2 or hunk=1-3, with folded",
    ),
    ("omit", "{{#omit FILE item=NAME reason=\"...\"}}"),
    ("unfinished", "{{#unfinished}}"),
    ("output", "{{#output CASE}}, {{#output CASE lines=1-10,70-72}}"),
    (
        "code",
        "{{#code FILE}}, {{#code FILE item=NAME}}, {{#code FILE from=\"text\" to=\"text\"}}, with \
         chapter=chNN-name",
    ),
    ("figure", "{{#figure NAME \"Caption.\"}}"),
    ("table", "{{#table NAME}}"),
];

/// Reads a line. Nothing if there is no directive on it.
pub fn parse(line: &str) -> Option<Result<Directive, Mistake>> {
    let trimmed = line.trim();
    if !trimmed.starts_with("{{#") {
        let bare = outside_code(line);
        return bare.contains("{{#").then(|| {
            Err(mistake("a directive within a line", "it stands alone on its line, outside tables"))
        });
    }
    let Some(inside) = trimmed.strip_prefix("{{#").and_then(|rest| rest.strip_suffix("}}")) else {
        return Some(Err(mistake(
            &format!("{trimmed}: the directive does not end with its line"),
            "it stands alone on its line and ends with }}",
        )));
    };
    Some(words(inside).and_then(|words| directive(&words)))
}

/// The line without what is between backticks.
fn outside_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

fn mistake(what: &str, advice: &str) -> Mistake {
    (what.to_owned(), advice.to_owned())
}

/// An argument, as it is written.
struct Word {
    /// `item` of `item=NAME`.
    key: Option<String>,
    value: String,
    quoted: bool,
}

fn words(text: &str) -> Result<Vec<Word>, Mistake> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find([' ', '\t', '"']).unwrap_or(rest.len());
        let mut key = None;
        let value;
        let quoted = rest[end..].starts_with('"');
        if quoted {
            if end > 0 {
                let name = rest[..end].strip_suffix('=').ok_or_else(|| {
                    mistake(
                        &format!("{}: a quote in the middle of a word", &rest[..=end]),
                        "write key=\"value\", or \"text\" alone",
                    )
                })?;
                key = Some(name.to_owned());
            }
            let inside = &rest[end + 1..];
            let close = inside
                .find('"')
                .ok_or_else(|| mistake("a quote is not closed", "end the text with \""))?;
            value = inside[..close].to_owned();
            rest = inside[close + 1..].trim_start();
        } else {
            match rest[..end].split_once('=') {
                Some((name, text)) => {
                    key = Some(name.to_owned());
                    value = text.to_owned();
                }
                None => value = rest[..end].to_owned(),
            }
            rest = rest[end..].trim_start();
        }
        words.push(Word { key, value, quoted });
    }
    Ok(words)
}

/// The arguments of one directive, taken one by one.
struct Arguments<'a> {
    words: Vec<&'a Word>,
    form: &'static str,
}

impl Arguments<'_> {
    fn plain(&mut self, what: &str) -> Result<String, Mistake> {
        let at = self.words.iter().position(|word| word.key.is_none());
        let at = at.ok_or_else(|| self.wrong(format!("there is no {what}")))?;
        Ok(self.words.remove(at).value.clone())
    }

    fn named(&mut self, key: &str) -> Option<String> {
        let at = self.words.iter().position(|word| word.key.as_deref() == Some(key))?;
        Some(self.words.remove(at).value.clone())
    }

    fn flag(&mut self, name: &str) -> bool {
        let is_it = |word: &&Word| word.key.is_none() && !word.quoted && word.value == name;
        let at = self.words.iter().position(is_it);
        at.map(|at| self.words.remove(at)).is_some()
    }

    fn ranges(&mut self, key: &str) -> Result<Option<Ranges>, Mistake> {
        let Some(text) = self.named(key) else {
            return Ok(None);
        };
        let ranges = Ranges::parse(&text);
        ranges.map(Some).ok_or_else(|| {
            self.wrong(format!("{key}={text}: no numbers from 1, as in {key}=2 or {key}=1-3,7"))
        })
    }

    fn items(&mut self) -> Result<Vec<String>, Mistake> {
        let Some(text) = self.named("item") else {
            return Ok(Vec::new());
        };
        let items: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
        match items.iter().any(String::is_empty) {
            true => Err(self.wrong(format!("item={text}: an item has no name"))),
            false => Ok(items),
        }
    }

    fn target(&mut self) -> Result<Target, Mistake> {
        let target =
            Target { items: self.items()?, hunks: self.ranges("hunk")?, file: self.plain("FILE")? };
        if target.items.len() > 1 && target.hunks.is_some() {
            return Err(self.wrong("hunk= counts within one item, and here are several".to_owned()));
        }
        Ok(target)
    }

    fn wrong(&self, what: String) -> Mistake {
        (what, format!("the forms are: {}", self.form))
    }

    fn end(self, directive: Directive) -> Result<Directive, Mistake> {
        let Some(word) = self.words.first() else {
            return Ok(directive);
        };
        let shown = match &word.key {
            Some(key) => format!("{key}={}", word.value),
            None => word.value.clone(),
        };
        Err(self
            .wrong(format!("{shown}: the directive knows no such argument, or it is there twice")))
    }
}

fn directive(words: &[Word]) -> Result<Directive, Mistake> {
    let name = words.first().map_or("", |word| word.value.as_str());
    let Some((_, form)) = FORMS.iter().find(|(known, _)| *known == name) else {
        let all: Vec<_> = FORMS.iter().map(|(_, form)| *form).collect();
        return Err((
            format!("{{{{#{name}}}}}: there is no such directive"),
            format!("there are:\n  {}", all.join("\n  ")),
        ));
    };
    let mut arguments = Arguments { words: words[1..].iter().collect(), form };
    let directive = match name {
        "diff" => {
            let folded = arguments.flag("folded");
            Directive::Diff { target: arguments.target()?, folded }
        }
        "omit" => {
            let reason = arguments.named("reason").unwrap_or_default();
            if reason.trim().is_empty() {
                return Err(arguments.wrong("there is no reason=\"...\"".to_owned()));
            }
            Directive::Omit { target: arguments.target()?, reason }
        }
        "unfinished" => Directive::Unfinished,
        "output" => {
            let lines = arguments.ranges("lines")?;
            Directive::Output { case: arguments.plain("CASE")?, lines }
        }
        "code" => {
            let items = arguments.items()?;
            let (from, to) = (arguments.named("from"), arguments.named("to"));
            let part = match (items.is_empty(), from.is_none() && to.is_none()) {
                (true, true) => Part::Whole,
                (false, true) => Part::Items(items),
                (true, false) => Part::Lines { from, to },
                (false, false) => {
                    return Err(arguments.wrong("both item= and from= or to=".to_owned()));
                }
            };
            let chapter = arguments.named("chapter");
            Directive::Code { file: arguments.plain("FILE")?, part, chapter }
        }
        "figure" => {
            let name = arguments.plain("NAME")?;
            Directive::Figure { name, caption: arguments.plain("\"Caption.\"")? }
        }
        _ => Directive::Table { name: arguments.plain("NAME")? },
    };
    arguments.end(directive)
}
