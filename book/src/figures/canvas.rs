//! Drawing in SVG: boxes, arrows, and text that is measured, so that none is lost or covered.

use std::fmt::Write;

use anyhow::{Result, ensure};

use super::metrics::{self, SIZE, SMALL};

/// How far lines of text are apart.
pub const LINE: f64 = 20.0;
/// Between a box and the text in it.
pub const PADDING: f64 = 10.0;
/// How long the head of an arrow is.
const HEAD: f64 = 9.0;

/// A rectangle: its corner at the top left, its width and its height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// Of the left edge.
    pub x: f64,
    /// Of the upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl Rect {
    /// A rectangle from its corner at the top left, width and height.
    pub fn new(x: f64, y: f64, w: f64, h: f64) -> Self {
        Self { x, y, w, h }
    }

    /// Where the right edge is.
    pub fn right(&self) -> f64 {
        self.x + self.w
    }

    /// Where the lower edge is.
    pub fn bottom(&self) -> f64 {
        self.y + self.h
    }

    /// Half-way between the left and the right edge.
    pub fn middle(&self) -> f64 {
        self.x + self.w / 2.0
    }

    /// Half-way between the upper and the lower edge.
    pub fn centre(&self) -> f64 {
        self.y + self.h / 2.0
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.x < other.right()
            && other.x < self.right()
            && self.y < other.bottom()
            && other.y < self.bottom()
    }
}

/// What a box is filled with: a colour of `book/figures/figures.css`, by what it stands for. What is
/// given after it is for a viewer that does not know the style sheet: see-through, so that it does on
/// light and on dark paper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// Nothing.
    None,
    /// The page's own colour, to be read on another.
    Paper,
    /// The VMM, and what it has written.
    Vmm,
    /// The guest, and what is its own.
    Guest,
    /// KVM, the host's kernel, the CPU.
    Kvm,
    /// New in this chapter, or what the figure is about.
    New,
}

impl Fill {
    fn paint(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Paper => "var(--bg, transparent)",
            Self::Vmm => "var(--mk-fill-1, #2a9d8f33)",
            Self::Guest => "var(--mk-fill-2, #4a80d933)",
            Self::Kvm => "var(--mk-fill-3, #8e6ad033)",
            Self::New => "var(--mk-fill-new, #f0b02066)",
        }
    }
}

/// Which part of the text is where it is put.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// A figure that is being drawn.
pub struct Canvas {
    name: String,
    title: String,
    description: String,
    width: f64,
    height: f64,
    body: String,
    texts: Vec<(Rect, String)>,
}

impl Canvas {
    /// An empty figure. `title` and `description` are for those who cannot see it.
    pub fn new(name: &str, title: &str, description: &str, width: f64) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            description: description.to_owned(),
            width,
            height: 0.0,
            body: String::new(),
            texts: Vec::new(),
        }
    }

    /// A box.
    pub fn rect(&mut self, rect: Rect, fill: Fill) {
        self.shape(rect, fill, "stroke-width=\"1.2\"");
    }

    /// Hides the lines behind a text.
    pub fn background(&mut self, rect: Rect) {
        let Rect { x, y, w, h } = rect;
        self.push(&format!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{w:.1}" height="{h:.1}" fill="var(--bg, none)"/>"#
        ));
        self.reach(rect.bottom());
    }

    /// A box of which the edge is broken: what is not there, or not always.
    pub fn dashed(&mut self, rect: Rect, fill: Fill) {
        self.shape(rect, fill, "stroke-width=\"1.2\" stroke-dasharray=\"5 4\"");
    }

    fn shape(&mut self, rect: Rect, fill: Fill, stroke: &str) {
        let Rect { x, y, w, h } = rect;
        let paint = fill.paint();
        self.push(&format!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{w:.1}" height="{h:.1}" rx="3" fill="{paint}" stroke="currentColor" {stroke}/>"#
        ));
        self.reach(rect.bottom());
    }

    /// A straight line, or one with corners.
    pub fn line(&mut self, points: &[(f64, f64)]) {
        self.path(points, "stroke-width=\"1.4\"");
    }

    /// A line of dashes.
    pub fn dashes(&mut self, points: &[(f64, f64)]) {
        self.path(points, "stroke-width=\"1.2\" stroke-dasharray=\"5 4\"");
    }

    fn path(&mut self, points: &[(f64, f64)], stroke: &str) {
        for (_, y) in points {
            self.reach(y + HEAD / 2.0);
        }
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        self.push(&format!(
            r#"<polyline points="{points}" fill="none" stroke="currentColor" {stroke}/>"#
        ));
    }

    /// A line with a head at its last point.
    pub fn arrow(&mut self, points: &[(f64, f64)]) {
        let [.., (from_x, from_y), (x, y)] = points else { return };
        let (dx, dy) = (x - from_x, y - from_y);
        let length = dx.hypot(dy).max(1.0);
        let (ux, uy) = (dx / length, dy / length);
        let (neck_x, neck_y) = (x - ux * HEAD, y - uy * HEAD);
        let mut shaft = points.to_vec();
        if let Some(last) = shaft.last_mut() {
            *last = (neck_x, neck_y);
        }
        self.line(&shaft);
        let side = HEAD * 0.45;
        let [a, b] = [side, -side].map(|side| (neck_x - uy * side, neck_y + ux * side));
        self.push(&format!(
            r#"<polygon points="{x:.1},{y:.1} {:.1},{:.1} {:.1},{:.1}" fill="currentColor"/>"#,
            a.0, a.1, b.0, b.1
        ));
    }

    /// One line of text, its middle at height `y`. Code is in backticks.
    pub fn text(&mut self, x: f64, y: f64, anchor: Anchor, text: &str) {
        self.styled(x, y, anchor, text, false);
    }

    /// The same in bold.
    pub fn strong(&mut self, x: f64, y: f64, anchor: Anchor, text: &str) {
        self.styled(x, y, anchor, text, true);
    }

    /// One line of text, bold if that `is_strong`.
    pub fn styled(&mut self, x: f64, y: f64, anchor: Anchor, text: &str, is_strong: bool) {
        if text.is_empty() {
            return;
        }
        let width = metrics::width(text, is_strong);
        let (name, left) = match anchor {
            Anchor::Start => ("start", x),
            Anchor::Middle => ("middle", x - width / 2.0),
            Anchor::End => ("end", x - width),
        };
        let weight = if is_strong { r#" font-weight="700""# } else { "" };
        let mut spans = String::new();
        for run in metrics::runs(text) {
            let escaped = escape(run.text);
            // Writing to a String cannot fail.
            let _ = match run.is_code {
                true => write!(
                    spans,
                    r#"<tspan font-family="var(--mono-font, monospace)" font-size="{SMALL}">{escaped}</tspan>"#
                ),
                false => write!(spans, "{escaped}"),
            };
        }
        // A third of the size below the middle is the base line.
        let base = y + SIZE * 0.34;
        self.push(&format!(
            r#"<text x="{x:.1}" y="{base:.1}" text-anchor="{name}"{weight}>{spans}</text>"#
        ));
        let extent = Rect::new(left, y - SMALL / 2.0, width, SMALL);
        self.texts.push((extent, text.to_owned()));
        self.reach(y + LINE / 2.0);
    }

    /// Lines of text in the middle of a rectangle.
    pub fn label(&mut self, rect: Rect, text: &str, is_strong: bool) {
        let lines = metrics::wrap(text, rect.w - PADDING, is_strong);
        let mut y = rect.centre() - (lines.len() as f64 - 1.0) / 2.0 * LINE;
        for line in lines {
            self.styled(rect.middle(), y, Anchor::Middle, &line, is_strong);
            y += LINE;
        }
    }

    /// A box with text in its middle.
    pub fn node(&mut self, rect: Rect, fill: Fill, text: &str) {
        self.rect(rect, fill);
        self.label(rect, text, fill == Fill::New);
    }

    /// A paragraph from `y` down, `room` wide. Returns where it ends.
    pub fn paragraph(&mut self, x: f64, y: f64, room: f64, text: &str) -> f64 {
        let lines = metrics::wrap(text, room, false);
        for (index, line) in lines.iter().enumerate() {
            self.text(x, y + LINE * (index as f64 + 0.5), Anchor::Start, line);
        }
        y + LINE * lines.len() as f64
    }

    fn push(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    fn reach(&mut self, y: f64) {
        self.height = self.height.max(y);
    }

    /// The figure as SVG.
    ///
    /// # Errors
    ///
    /// If a text is not within the figure, or over another one: then the figure is drawn badly.
    pub fn finish(self) -> Result<String> {
        let Self { name, width, .. } = &self;
        let height = (self.height + 4.0).ceil();
        for (index, (extent, text)) in self.texts.iter().enumerate() {
            ensure!(
                extent.x >= 0.0 && extent.right() <= *width && extent.y >= 0.0,
                "figure {name}: the text “{text}” is not within it: {extent:?} of {width}\n  shorten it, or move it, in book/src/figures"
            );
            let covered = self.texts[..index].iter().find(|(other, _)| other.overlaps(extent));
            ensure!(
                covered.is_none(),
                "figure {name}: the text “{text}” is over another, {covered:?}\n  move it, in book/src/figures"
            );
        }
        let (title, description) = (escape(&self.title), escape(&self.description));
        let body = &self.body;
        // No blank line: in Markdown, HTML ends there.
        Ok(format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="mk-figure" role="img" aria-labelledby="{name}-title" aria-describedby="{name}-desc" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="var(--mk-font, sans-serif)" font-size="{SIZE}" fill="currentColor">
<title id="{name}-title">{title}</title>
<desc id="{name}-desc">{description}</desc>
{body}</svg>
"#
        ))
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvas() -> Canvas {
        Canvas::new("test", "A title", "A description", 100.0)
    }

    #[test]
    fn text_outside_is_an_error() {
        let mut figure = canvas();
        figure.text(50.0, 20.0, Anchor::Start, "much too long for this");
        let error = figure.finish().unwrap_err().to_string();
        assert!(error.contains("much too long"), "{error}");
    }

    #[test]
    fn text_over_text_is_an_error() {
        let mut figure = canvas();
        figure.text(0.0, 20.0, Anchor::Start, "first");
        figure.text(5.0, 25.0, Anchor::Start, "second");
        let error = figure.finish().unwrap_err().to_string();
        assert!(error.contains("second") && error.contains("first"), "{error}");
    }

    #[test]
    fn markup_is_text() {
        let mut figure = canvas();
        figure.text(0.0, 20.0, Anchor::Start, "a < `b & c`");
        let svg = figure.finish().unwrap();
        assert!(svg.contains("a &lt; <tspan") && svg.contains(">b &amp; c</tspan>"), "{svg}");
    }
}
