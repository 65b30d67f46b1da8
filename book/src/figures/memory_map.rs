//! A map of guest physical memory: what lies where, the highest address on top. Not to scale: a table
//! of 24 bytes is to be seen beside 16 MiB of memory.

use anyhow::{Result, ensure};

use super::canvas::{Anchor, Canvas, Fill, LINE, PADDING, Rect};
use super::metrics;

/// Where the addresses end, at the left of the map.
const ADDRESSES_END: f64 = 112.0;
const MAP_WIDTH: f64 = 250.0;
/// What is at the right of the map: who points there.
const NOTES: f64 = ADDRESSES_END + 8.0 + MAP_WIDTH;
const ARROW: f64 = 18.0;
const ROW: f64 = 27.0;
/// Of what nobody has spoken of.
const GAP: f64 = 17.0;

/// An address between two regions.
#[derive(Clone, Debug, PartialEq)]
pub enum Edge {
    /// A number that we know.
    At(u64),
    /// One that we do not know, by its name.
    Named(&'static str),
}

/// What lies in memory from one address to another.
struct Region {
    start: Edge,
    end: Edge,
    text: String,
    fill: Fill,
    /// Below it is no memory.
    is_apart: bool,
}

/// What is to be drawn.
#[derive(Default)]
pub struct Map {
    regions: Vec<Region>,
    /// Who points to which address.
    pointers: Vec<(Edge, String)>,
}

impl Map {
    /// Adds what comes next above: `text` says what it is.
    pub fn region(&mut self, start: u64, bytes: u64, text: impl Into<String>, fill: Fill) {
        self.between(Edge::At(start), Edge::At(start + bytes), text, fill);
    }

    /// The same where a number is not known.
    pub fn between(&mut self, start: Edge, end: Edge, text: impl Into<String>, fill: Fill) {
        self.regions.push(Region { start, end, text: text.into(), fill, is_apart: false });
    }

    /// Adds addresses above the memory that are somebody's.
    pub fn apart(&mut self, start: u64, bytes: u64, text: impl Into<String>, fill: Fill) {
        let (start, end) = (Edge::At(start), Edge::At(start + bytes));
        self.regions.push(Region { start, end, text: text.into(), fill, is_apart: true });
    }

    /// Adds a pointer to an address at which a region begins or ends.
    pub fn pointer(&mut self, to: u64, text: impl Into<String>) {
        self.pointers.push((Edge::At(to), text.into()));
    }

    /// The same where the number is not known.
    pub fn pointer_to(&mut self, to: &'static str, text: impl Into<String>) {
        self.pointers.push((Edge::Named(to), text.into()));
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// In words, from low to high addresses.
    pub fn description(&self) -> String {
        let regions = self.regions.iter().map(|region| {
            let new = if region.fill == Fill::New { ", new" } else { "" };
            format!("{} to {}: {}{new}", name(&region.start), name(&region.end), region.text)
        });
        let pointers = self.pointers.iter().map(|(to, text)| format!("{text} at {}", name(to)));
        let all: Vec<_> = regions.chain(pointers).collect();
        all.join("; ").replace('`', "")
    }

    /// Draws it from `top` down, and returns where it ends.
    ///
    /// # Errors
    ///
    /// If two regions overlap, or a pointer leads to where nothing begins or ends.
    pub fn draw(mut self, canvas: &mut Canvas, top: f64) -> Result<f64> {
        self.fill_gaps()?;
        let mut y = top + LINE / 2.0;
        let mut edges = Vec::new();
        let room = MAP_WIDTH - 2.0 * PADDING;
        for (index, region) in self.regions.iter().enumerate().rev() {
            let is_new = region.fill == Fill::New;
            let lines = metrics::wrap(&region.text, room, is_new).len().max(1);
            let height = match region.text.as_str() {
                "" => GAP,
                _ => ROW + (lines as f64 - 1.0) * LINE,
            };
            let rect = Rect::new(ADDRESSES_END + 8.0, y, MAP_WIDTH, height);
            let above = self.regions.get(index + 1);
            if above.is_none_or(|above| above.start != region.end) {
                edges.push((region.end.clone(), y));
            }
            canvas.rect(rect, region.fill);
            canvas.label(rect, &region.text, is_new);
            y += height;
            edges.push((region.start.clone(), y));
            let below = index.checked_sub(1).map(|below| &self.regions[below].end);
            if below.is_some_and(|end| *end != region.start) {
                y += break_between(canvas, y);
            }
        }
        for (edge, y) in &edges {
            canvas.text(ADDRESSES_END, *y, Anchor::End, &format!("`{}`", name(edge)));
            let pointers = self.pointers.iter().filter(|(to, _)| to == edge);
            let texts: Vec<_> = pointers.map(|(_, text)| text.as_str()).collect();
            if !texts.is_empty() {
                canvas.arrow(&[(NOTES + ARROW, *y), (NOTES + 3.0, *y)]);
                canvas.text(NOTES + ARROW + 4.0, *y, Anchor::Start, &texts.join(", "));
            }
        }
        for (to, text) in &self.pointers {
            let known = edges.iter().any(|(edge, _)| edge == to);
            ensure!(known, "{text} points to {}, where nothing begins or ends", name(to));
        }
        Ok(y + LINE / 2.0)
    }

    /// Below the first region and between regions there may be memory that nobody has spoken of.
    fn fill_gaps(&mut self) -> Result<()> {
        let mut filled: Vec<Region> = Vec::new();
        for region in self.regions.drain(..) {
            let (end, text) = match filled.last() {
                Some(last) => (last.end.clone(), last.text.clone()),
                None => (Edge::At(0), String::new()),
            };
            let start = region.start.clone();
            if let (Edge::At(end), Edge::At(start)) = (&end, &start) {
                let next = &region.text;
                ensure!(end <= start, "{text} ends at {end:#x}, but {next} begins at {start:#x}");
            }
            if end != start && !region.is_apart {
                let (text, fill) = (String::new(), Fill::None);
                filled.push(Region { start: end, end: start, text, fill, is_apart: false });
            }
            filled.push(region);
        }
        self.regions = filled;
        Ok(())
    }
}

/// Where no memory is: the map goes on after dots. Returns the height.
fn break_between(canvas: &mut Canvas, y: f64) -> f64 {
    let x = ADDRESSES_END + 8.0;
    for side in [x, x + MAP_WIDTH] {
        canvas.dashes(&[(side, y), (side, y + 2.0 * LINE)]);
    }
    canvas.text(x + MAP_WIDTH / 2.0, y + LINE, Anchor::Middle, "no memory here");
    2.0 * LINE
}

fn name(edge: &Edge) -> String {
    match edge {
        Edge::At(address) => format!("{address:#x}"),
        Edge::Named(name) => (*name).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(map: Map) -> Result<String> {
        let mut canvas = Canvas::new("test", "title", "description", 520.0);
        map.draw(&mut canvas, 0.0)?;
        canvas.finish()
    }

    #[test]
    fn regions_that_overlap_are_an_error() {
        let mut map = Map::default();
        map.region(0x500, 0x20, "GDT", Fill::Vmm);
        map.region(0x510, 0x20, "IDT", Fill::Vmm);
        let error = draw(map).unwrap_err().to_string();
        assert_eq!(error, "GDT ends at 0x520, but IDT begins at 0x510");
    }

    #[test]
    fn pointers_lead_somewhere() {
        let mut map = Map::default();
        map.region(0, 0x1000, "code", Fill::Guest);
        map.pointer(0x10, "RIP");
        assert!(draw(map).unwrap_err().to_string().contains("RIP points to 0x10"));
    }

    #[test]
    fn gaps_have_both_their_addresses() {
        let mut map = Map::default();
        map.region(0, 0x1000, "code", Fill::Guest);
        map.region(0x3000, 0x1000, "data", Fill::Guest);
        let svg = draw(map).unwrap();
        for address in ["0x0", "0x1000", "0x3000", "0x4000"] {
            assert!(svg.contains(&format!(">{address}<")), "{address} in {svg}");
        }
    }
}
