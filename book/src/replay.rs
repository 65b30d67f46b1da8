//! A chapter's page as a series of changes: what the directives do to the previous chapter, one
//! after the other.

use crate::change::{Applied, Change};
use crate::directive::{Directive, Target};
use crate::page::Page;
use crate::problem::Problem;

/// The section that the steps are in.
pub const SECTION: &str = "The diff";

/// What a page does to the previous chapter.
pub struct Replay {
    pub blocks: Vec<Block>,
    pub steps: Vec<Step>,
    /// How many hunks are shown, or omitted with a reason.
    pub told: usize,
    pub problems: Vec<Problem>,
}

/// What a `diff` directive shows.
pub struct Block {
    /// Of the directive, in the page.
    pub line: usize,
    /// Position in the change's list of files.
    pub file: usize,
    /// None: the whole file.
    pub items: Vec<String>,
    /// Positions in the change's list of hunks.
    pub hunks: Vec<usize>,
    /// The state after this directive.
    pub after: Applied,
    pub folded: bool,
}

/// What is under a `###` heading.
pub struct Step {
    pub line: usize,
    pub title: String,
    /// It builds when it ends.
    pub is_finished: bool,
    /// The state when it ends.
    pub after: Applied,
}

struct Walk<'a> {
    page: &'a Page,
    change: &'a Change,
    applied: Applied,
    /// The line in which each hunk is shown.
    shown: Vec<Option<usize>>,
    replay: Replay,
}

/// Reads a page as changes to the chapter before.
pub fn replay(page: &Page, change: &Change) -> Replay {
    let count = change.hunks.len();
    let replay = Replay { blocks: Vec::new(), steps: Vec::new(), told: 0, problems: Vec::new() };
    let (applied, shown) = (vec![false; count], vec![None; count]);
    let mut walk = Walk { page, change, applied, shown, replay };
    for (line, directive) in &page.directives {
        walk.directive(*line, directive);
    }
    walk.end();
    walk.replay
}

impl Walk<'_> {
    fn problem(&mut self, line: usize, what: String, advice: &str) {
        let problem = self.page.problem(line, (what, advice.to_owned()));
        self.replay.problems.push(problem);
    }

    fn directive(&mut self, line: usize, directive: &Directive) {
        let (target, folded) = match directive {
            Directive::Diff { target, folded } => (target, Some(*folded)),
            Directive::Omit { target, .. } => (target, None),
            Directive::Unfinished => {
                if let Some(step) = self.step(line) {
                    step.is_finished = false;
                }
                return;
            }
            _ => return,
        };
        if self.step(line).is_none() {
            return;
        }
        let (file, hunks) = match self.change.find(target) {
            Ok(found) => found,
            Err((what, advice)) => return self.problem(line, what, &advice),
        };
        for &hunk in &hunks {
            match self.shown[hunk].replace(line) {
                Some(before) => {
                    let target = self.change.target(&self.change.hunks[hunk]);
                    self.problem(
                        line,
                        format!("{target}: this hunk is shown in line {before} already"),
                        "show each hunk once: narrow one of the two with item= or hunk=",
                    );
                }
                None => self.applied[hunk] = true,
            }
        }
        let after = self.applied.clone();
        if let Some(step) = self.replay.steps.last_mut() {
            step.after.clone_from(&after);
        }
        if let Some(folded) = folded {
            let Target { items, .. } = target.clone();
            self.replay.blocks.push(Block { line, file, items, hunks, after, folded });
        }
    }

    /// The step that a line belongs to; none, and a problem, if it is outside the section.
    fn step(&mut self, line: usize) -> Option<&mut Step> {
        let (section, heading) = self.page.place(line);
        let Some(section) = section.filter(|section| section.text == SECTION) else {
            self.problem(
                line,
                format!("a directive of the diff outside \"## {SECTION}\""),
                "move it into a step there; {{#code ...}} shows code elsewhere",
            );
            return None;
        };
        let heading = heading.unwrap_or(section);
        if self.replay.steps.last().is_none_or(|last| last.line != heading.line) {
            self.replay.steps.push(Step {
                line: heading.line,
                title: heading.text.clone(),
                is_finished: true,
                after: self.applied.clone(),
            });
        }
        self.replay.steps.last_mut()
    }

    fn end(&mut self) {
        let unshown: Vec<_> = (0..self.shown.len()).filter(|&i| self.shown[i].is_none()).collect();
        self.replay.told = self.shown.len() - unshown.len();
        for &hunk in &unshown {
            let hunk = &self.change.hunks[hunk];
            let target = self.change.target(hunk);
            let first = self.change.files[hunk.file].lines[hunk.lines.clone()]
                .iter()
                .find(|line| !line.text.is_empty())
                .map_or("", |line| line.text.trim());
            self.problem(
                0,
                format!("a hunk is shown nowhere: {target} ({first})"),
                &format!("add {{{{#diff {target}}}}}, or {{{{#omit {target} reason=\"...\"}}}}"),
            );
        }
        if let Some(last) = self.replay.steps.last()
            && !last.is_finished
        {
            self.problem(
                last.line,
                "the last step is marked as unfinished".to_owned(),
                "take {{#unfinished}} out: the last step is the chapter itself",
            );
        }
        if unshown.is_empty() {
            self.compare();
        }
    }

    /// All hunks have been applied: is it the chapter now?
    fn compare(&mut self) {
        let tree = self.change.tree(&self.applied);
        let paths: std::collections::BTreeSet<_> =
            tree.keys().chain(self.change.new.keys()).collect();
        for path in paths {
            let (ours, theirs) = (tree.get(path), self.change.new.get(path));
            if ours != theirs {
                let line = match (ours, theirs) {
                    (Some(ours), Some(theirs)) => first_difference(ours, theirs),
                    (Some(_), None) => "it should be gone".to_owned(),
                    _ => "it should be there".to_owned(),
                };
                self.problem(
                    0,
                    format!(
                        "the page's hunks do not give {} byte for byte: {}: {line}",
                        self.change.chapter,
                        path.display()
                    ),
                    "no directive can show this: the file is empty, no text, or has other line \
                     ends than \\n; change the chapter",
                );
            }
        }
    }
}

fn first_difference(ours: &[u8], theirs: &[u8]) -> String {
    let same = ours.iter().zip(theirs).take_while(|(one, other)| one == other).count();
    let line = 1 + ours[..same].iter().filter(|byte| **byte == b'\n').count();
    format!("the first difference is in line {line}")
}
