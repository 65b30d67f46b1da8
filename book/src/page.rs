//! A page, read line by line: its headings, its directives, its fenced blocks.

use std::path::PathBuf;

use crate::directive::{self, Directive};
use crate::problem::{Mistake, Problem};

/// One file of `book/pages`.
pub struct Page {
    /// From the top of the checkout.
    pub file: PathBuf,
    pub text: String,
    pub headings: Vec<Heading>,
    /// With the numbers of their lines, from 1.
    pub directives: Vec<(usize, Directive)>,
    pub fences: Vec<Fence>,
    /// What was found wrong while reading.
    pub problems: Vec<Problem>,
}

/// `## Goal`
pub struct Heading {
    pub line: usize,
    pub level: usize,
    pub text: String,
}

/// A block between two lines of backticks.
pub struct Fence {
    /// Where it begins.
    pub line: usize,
    /// What follows the backticks.
    pub info: String,
    /// The lines between.
    pub lines: Vec<String>,
    /// Not indented, as in a list.
    pub is_flush: bool,
}

impl Page {
    /// Reads a page. What is in a fenced block is neither heading nor directive.
    pub fn read(file: PathBuf, text: String) -> Self {
        let mut page = Self {
            file,
            headings: Vec::new(),
            directives: Vec::new(),
            fences: Vec::new(),
            problems: Vec::new(),
            text: String::new(),
        };
        let mut open: Option<(String, Fence)> = None;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let marker = fence_marker(line);
            match (open.take(), marker) {
                (Some((fence, block)), Some(marker))
                    if marker.starts_with(&fence) && line.trim() == marker =>
                {
                    page.fences.push(block);
                }
                (Some((fence, mut block)), _) => {
                    block.lines.push(line.to_owned());
                    open = Some((fence, block));
                }
                (None, Some(marker)) => {
                    let info = line.trim().trim_start_matches(['`', '~']).trim().to_owned();
                    let is_flush = line.starts_with(['`', '~']);
                    let fence = Fence { line: number, info, lines: Vec::new(), is_flush };
                    open = Some((marker, fence));
                }
                (None, None) => page.read_line(number, line),
            }
        }
        if let Some((_, block)) = open {
            let what = ("the fenced block does not end".to_owned(), "add a line ```".to_owned());
            page.problems.push(page.problem(block.line, what));
        }
        page.text = text;
        page
    }

    fn read_line(&mut self, number: usize, line: &str) {
        match directive::parse(line) {
            Some(Ok(directive)) => self.directives.push((number, directive)),
            Some(Err(mistake)) => self.problems.push(self.problem(number, mistake)),
            None => self.headings.extend(heading(number, line)),
        }
    }

    /// Something that is wrong on this page.
    pub fn problem(&self, line: usize, (what, advice): Mistake) -> Problem {
        Problem { file: self.file.clone(), line, what, advice }
    }

    /// `ch04-exits` of `book/pages/ch04-exits.md`.
    pub fn name(&self) -> &str {
        self.file.file_stem().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The H2 and the H3 under which a line stands.
    pub fn place(&self, line: usize) -> (Option<&Heading>, Option<&Heading>) {
        let before = self.headings.iter().take_while(|heading| heading.line < line);
        let (mut section, mut step) = (None, None);
        for heading in before {
            match heading.level {
                1 | 2 => (section, step) = (Some(heading), None),
                3 => step = Some(heading),
                _ => {}
            }
        }
        (section, step)
    }
}

/// The backticks or tildes at the beginning of a fence, or at its end.
fn fence_marker(line: &str) -> Option<String> {
    let trimmed = line.trim_start();
    let sign = trimmed.chars().next().filter(|sign| matches!(sign, '`' | '~'))?;
    let length = trimmed.chars().take_while(|c| *c == sign).count();
    // ```code``` within one line is no fence.
    let rest = &trimmed[length..];
    (length >= 3 && !rest.contains('`')).then(|| sign.to_string().repeat(length))
}

fn heading(line: usize, text: &str) -> Option<Heading> {
    let level = text.chars().take_while(|c| *c == '#').count();
    let rest = text.get(level..)?.strip_prefix(' ')?;
    (1..=6).contains(&level).then(|| Heading { line, level, text: rest.trim().to_owned() })
}
