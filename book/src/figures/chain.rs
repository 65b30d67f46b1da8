//! What follows from what: boxes one below the other, with words beside them.

use super::canvas::{Canvas, Fill, LINE, PADDING, Rect};
use super::metrics;

const ARROW: f64 = 20.0;

/// Boxes from top to bottom.
pub struct Chain {
    /// Of the boxes.
    pub left: f64,
    /// Of the boxes.
    pub width: f64,
    /// Of the words at the right of them.
    pub beside: f64,
    links: Vec<(Fill, String, String)>,
}

impl Chain {
    /// Boxes from `left` on, `width` wide, and words at their right that are `beside` wide.
    pub fn new(left: f64, width: f64, beside: f64) -> Self {
        Self { left, width, beside, links: Vec::new() }
    }

    /// The next box, and the words beside it.
    pub fn link(&mut self, fill: Fill, text: &str, words: &str) {
        self.links.push((fill, text.to_owned(), words.to_owned()));
    }

    /// In words.
    pub fn description(&self) -> String {
        let links: Vec<_> = self
            .links
            .iter()
            .map(|(_, text, words)| match words.as_str() {
                "" => text.clone(),
                words => format!("{text} ({words})"),
            })
            .collect();
        links.join("; then: ").replace('`', "") + "."
    }

    /// Draws it from `top` down; returns where it ends.
    pub fn draw(&self, canvas: &mut Canvas, top: f64) -> f64 {
        let (mut y, mut end) = (top, top);
        for (index, (fill, text, words)) in self.links.iter().enumerate() {
            let lines = metrics::wrap(text, self.width - PADDING, *fill == Fill::New).len();
            let beside = metrics::wrap(words, self.beside, false).len();
            let height = lines.max(1) as f64 * LINE + PADDING;
            let whole = height.max(beside as f64 * LINE);
            if index > 0 {
                let x = self.left + self.width / 2.0;
                canvas.arrow(&[(x, end + 1.0), (x, y + ARROW - 1.0)]);
                y += ARROW;
            }
            let rect = Rect::new(self.left, y, self.width, height);
            canvas.node(rect, *fill, text);
            let start = y + (height - beside as f64 * LINE).max(0.0) / 2.0;
            canvas.paragraph(rect.right() + PADDING, start, self.beside, words);
            y += whole;
            end = rect.bottom();
        }
        y
    }
}
