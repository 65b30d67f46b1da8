//! The sections that every chapter's page has.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::directive::Directive;
use crate::page::Page;
use crate::problem::{Mistake, Problem};

/// In this order, spelled so.
pub const SECTIONS: [&str; 10] = [
    "Goal",
    "You will be able to",
    "The machine so far",
    "Predict",
    "The diff",
    "Run it",
    "Break it",
    "Lab",
    "Check yourself",
    "Sources",
];

/// Words of prose on a chapter's page: what one reads on an evening, with the code.
pub const WORDS_MAX: usize = 2500;

/// Points of "You will be able to", and questions of "Check yourself".
const POINTS: std::ops::RangeInclusive<usize> = 3..=5;

/// What is wrong with the sections of the page of chapter `number`.
pub fn check(page: &Page, number: u32) -> Vec<Problem> {
    let mut problems = title(page, number);
    let found: Vec<_> = page.headings.iter().filter(|heading| heading.level == 2).collect();
    let mut next = 0;
    for heading in &found {
        let problem = match SECTIONS.iter().position(|section| *section == heading.text) {
            None => Some((
                format!("## {}: the template has no such section", heading.text),
                format!("the sections: {}", SECTIONS.join(" · ")),
            )),
            Some(at) if at < next => Some((
                format!("## {}: misplaced, or there twice", heading.text),
                format!("the order: {}", SECTIONS.join(" · ")),
            )),
            Some(at) => {
                next = at + 1;
                None
            }
        };
        problems.extend(problem.map(|mistake| page.problem(heading.line, mistake)));
    }
    for section in SECTIONS {
        if !found.iter().any(|heading| heading.text == section) {
            let mistake = (
                format!("the section \"## {section}\" is missing"),
                format!("the sections: {}", SECTIONS.join(" · ")),
            );
            problems.push(page.problem(0, mistake));
        }
    }
    for heading in &found {
        let mistake = contents(page, heading.line, &heading.text);
        problems.extend(mistake.map(|mistake| page.problem(heading.line, mistake)));
    }
    let words = words(&page.text);
    if words > WORDS_MAX {
        let mistake = (
            format!("{words} words, {WORDS_MAX} are the most"),
            format!("cut {} words: code, output and directives do not count", words - WORDS_MAX),
        );
        problems.push(page.problem(0, mistake));
    }
    problems
}

fn title(page: &Page, number: u32) -> Vec<Problem> {
    let titles: Vec<_> = page.headings.iter().filter(|heading| heading.level == 1).collect();
    let advice = format!("begin the page with `# {number}. Title`, once");
    match titles.as_slice() {
        [one] if one.text.starts_with(&format!("{number}. ")) => Vec::new(),
        [] => vec![page.problem(0, ("there is no title".to_owned(), advice))],
        [one] => {
            vec![page.problem(one.line, (format!("# {}: not a chapter's title", one.text), advice))]
        }
        [.., last] => {
            vec![page.problem(last.line, (format!("# {}: a second title", last.text), advice))]
        }
    }
}

/// What is wrong with what a section holds.
fn contents(page: &Page, line: usize, section: &str) -> Option<Mistake> {
    let end = page.headings.iter().find(|next| next.line > line && next.level <= 2);
    let end = end.map_or(usize::MAX, |next| next.line);
    let body: Vec<_> = page
        .text
        .lines()
        .enumerate()
        .filter(|(index, _)| (line + 1..end).contains(&(index + 1)))
        .map(|(_, text)| text)
        .collect();
    let text = body.join("\n");
    if text.trim().is_empty() {
        return Some((format!("## {section}: nothing in it"), "write it".to_owned()));
    }
    let count = |text: &str, start: &str| text.matches(start).count();
    let wrong = |what: String, advice: &str| Some((format!("## {section}: {what}"), advice.into()));
    match section {
        "You will be able to" => {
            let points = top_level_points(&text);
            if POINTS.contains(&points) {
                return None;
            }
            wrong(format!("{points} points"), "make it a list of 3 to 5 points")
        }
        "Check yourself" => {
            let questions = count(&text, "<details");
            if POINTS.contains(&questions) {
                return None;
            }
            wrong(
                format!("{questions} folded answers"),
                "ask 3 to 5 questions, each with its answer in <details><summary>Answer</summary>",
            )
        }
        "The machine so far" => {
            let has_figure = page.directives.iter().any(|(at, directive)| {
                (line..end).contains(at) && matches!(directive, Directive::Figure { .. })
            });
            if has_figure {
                return None;
            }
            wrong("no figure".to_owned(), "add {{#figure NAME \"Caption.\"}}")
        }
        _ => None,
    }
}

fn top_level_points(text: &str) -> usize {
    let (mut depth, mut points) = (0, 0);
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::List(_)) => depth += 1,
            Event::End(TagEnd::List(_)) => depth -= 1,
            Event::Start(Tag::Item) if depth == 1 => points += 1,
            _ => {}
        }
    }
    points
}

/// The words of a page's prose: no code blocks, no directives, no tags.
pub fn words(text: &str) -> usize {
    let prose: Vec<_> = text
        .lines()
        .map(|line| if line.trim_start().starts_with("{{#") { "" } else { line })
        .collect();
    let prose = prose.join("\n");
    let mut text = String::new();
    let mut in_code = false;
    for event in Parser::new_ext(&prose, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => in_code = true,
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Text(part) if !in_code => text += &part,
            Event::Code(part) => text += &part,
            Event::Html(part) => text += &without_tags(&part),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            Event::End(end) if !is_inline(end) => text.push(' '),
            _ => {}
        }
    }
    text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
}

/// What ends within a word, perhaps.
fn is_inline(end: TagEnd) -> bool {
    matches!(end, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Link | TagEnd::Strikethrough)
}

fn without_tags(html: &str) -> String {
    let mut inside = false;
    let keep = |c: char| {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            _ => return if inside { ' ' } else { c },
        }
        ' '
    };
    html.chars().map(keep).collect()
}
