//! Who tells whom what, in which order: a column for each, time goes down.

use super::canvas::{Anchor, Canvas, Fill, LINE, PADDING, Rect};
use super::metrics;

const HEAD: f64 = 46.0;
const GAP: f64 = 9.0;

enum Step {
    Message { from: usize, to: usize, text: String },
    Note { from: usize, to: usize, fill: Fill, text: String },
    Between { text: String },
}

/// What happens between some parties.
pub struct Sequence {
    lanes: Vec<(String, Fill)>,
    steps: Vec<Step>,
    left: f64,
    width: f64,
}

impl Sequence {
    /// Of these parties, from left to right, in the given width.
    pub fn new(lanes: &[(&str, Fill)], left: f64, width: f64) -> Self {
        let lanes = lanes.iter().map(|(title, fill)| ((*title).to_owned(), *fill)).collect();
        Self { lanes, steps: Vec::new(), left, width }
    }

    /// One tells another.
    pub fn message(&mut self, from: usize, to: usize, text: &str) {
        self.steps.push(Step::Message { from, to, text: text.to_owned() });
    }

    /// What one does, or several do together.
    pub fn note(&mut self, from: usize, to: usize, fill: Fill, text: &str) {
        self.steps.push(Step::Note { from, to, fill, text: text.to_owned() });
    }

    /// What is to be known before the next step.
    pub fn between(&mut self, text: &str) {
        self.steps.push(Step::Between { text: text.to_owned() });
    }

    /// In words.
    pub fn description(&self) -> String {
        let lane = |index: usize| self.lanes[index].0.as_str();
        let steps: Vec<_> = self
            .steps
            .iter()
            .map(|step| match step {
                Step::Message { from, to, text } => {
                    format!("{} to {}: {text}", lane(*from), lane(*to))
                }
                Step::Note { from, to, text, .. } if from == to => {
                    format!("{}: {text}", lane(*from))
                }
                Step::Note { text, .. } | Step::Between { text } => text.clone(),
            })
            .collect();
        steps.join(". ").replace('`', "") + "."
    }

    /// Draws it from `top` down; returns where it ends.
    pub fn draw(&self, canvas: &mut Canvas, top: f64) -> f64 {
        let bottom = top + HEAD + self.steps.iter().map(|step| self.height(step)).sum::<f64>();
        for (index, (title, fill)) in self.lanes.iter().enumerate() {
            let room = self.room() - 8.0;
            let head = Rect::new(self.x(index) - room / 2.0, top, room, HEAD - 4.0);
            canvas.rect(head, *fill);
            canvas.label(head, title, true);
            canvas.dashes(&[(self.x(index), head.bottom()), (self.x(index), bottom)]);
        }
        let mut y = top + HEAD;
        for step in &self.steps {
            self.step(canvas, step, y);
            y += self.height(step);
        }
        bottom
    }

    fn room(&self) -> f64 {
        self.width / self.lanes.len() as f64
    }

    fn x(&self, lane: usize) -> f64 {
        self.left + self.room() * (lane as f64 + 0.5)
    }

    /// How wide the text of a step may be.
    fn text_room(&self, step: &Step) -> f64 {
        match step {
            // A message may be longer than its way.
            Step::Message { from, to, .. } => {
                (self.room() * (from.abs_diff(*to) as f64 + 0.9)).min(self.width)
            }
            Step::Note { from, to, .. } => {
                self.room() * (from.abs_diff(*to) as f64 + 1.0) - 8.0 - PADDING
            }
            Step::Between { .. } => self.width,
        }
    }

    fn height(&self, step: &Step) -> f64 {
        let (Step::Message { text, .. } | Step::Note { text, .. } | Step::Between { text }) = step;
        let is_bold = matches!(step, Step::Note { fill: Fill::New, .. });
        let lines = metrics::wrap(text, self.text_room(step), is_bold).len() as f64 * LINE;
        match step {
            Step::Message { .. } => lines + 2.0 * GAP,
            Step::Note { .. } => lines + 2.0 * GAP + 4.0,
            Step::Between { .. } => lines + GAP,
        }
    }

    fn step(&self, canvas: &mut Canvas, step: &Step, y: f64) {
        let room = self.text_room(step);
        let height = self.height(step);
        match step {
            Step::Message { from, to, text } => {
                let middle = (self.x(*from) + self.x(*to)) / 2.0;
                let below = self.over_lines(canvas, middle, y + GAP / 2.0, room, text);
                canvas.arrow(&[(self.x(*from), below + 3.0), (self.x(*to), below + 3.0)]);
            }
            Step::Note { from, to, fill, text } => {
                let left = self.x(*from.min(to)) - self.room() / 2.0 + 4.0;
                let rect = Rect::new(left, y + GAP, room + PADDING, height - 2.0 * GAP + 2.0);
                canvas.background(rect);
                canvas.node(rect, *fill, text);
            }
            Step::Between { text } => {
                self.over_lines(canvas, self.left + self.width / 2.0, y, room, text);
            }
        }
    }

    /// Text for which the columns' lines make room. Returns where it ends.
    fn over_lines(&self, canvas: &mut Canvas, x: f64, mut y: f64, room: f64, text: &str) -> f64 {
        for line in metrics::wrap(text, room, false) {
            let width = metrics::width(&line, false);
            let least = self.left + width / 2.0;
            let x = x.clamp(least, (self.left + self.width - width / 2.0).max(least));
            canvas.background(Rect::new(x - width / 2.0 - 3.0, y, width + 6.0, LINE));
            canvas.text(x, y + LINE / 2.0, Anchor::Middle, &line);
            y += LINE;
        }
        y
    }
}
