//! The plot for the book: each row's cost by that of the first row of its group.
//!
//! Figures have the colours of the page that they are on. plotters knows numbers only: it draws with
//! two of ours, which become the page's when all is drawn.

use anyhow::{Error, Result};
use performance::{Group, Performance, Row, quantity, ratio};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Where it is, in a checkout.
pub const FILE: &str = "book/figures/performance.svg";

/// It counts calls, of which one may be all: next to that, no difference of costs would be seen.
const NOT_SHOWN: [&str; 1] = ["output"];

const WIDTH: u32 = 740;
/// Of a row, and of a group's heading.
const ROW: u32 = 24;
/// Between two groups.
const GAP: u32 = 10;
/// Where the scale begins and ends.
const SCALE: (u32, u32) = (250, 660);
/// The numbers of the scale have a row of their own.
const TOP: u32 = 30;

/// The numbers of the scale.
const TICKS: [f64; 14] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];

/// Stands for the colour of text and lines.
const INK: RGBColor = RGBColor(1, 2, 3);
/// Stands for the colour of bars.
const BAR: RGBColor = RGBColor(3, 2, 1);

/// plotters draws text smaller than it is told.
const TEXT: f64 = 14.0 * 1.24;

/// The SVG, with its text as text.
pub fn draw(measured: &Performance) -> Result<String> {
    let is_shown = |group: &&Group| group.rows.len() > 1 && !NOT_SHOWN.contains(&&*group.name);
    let groups: Vec<&Group> = measured.groups.iter().filter(is_shown).collect();
    let height = TOP + groups.iter().map(|group| group_height(group)).sum::<u32>();
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        let scale = Scale::of(&groups);
        for tick in scale.ticks() {
            let number = Text::new(format!("{tick}"), (scale.x(tick), 12), style(HPos::Center));
            area.draw(&number).map_err(failed)?;
        }
        let mut y = TOP;
        for group in &groups {
            draw_group(&area, &scale, group, y).map_err(failed)?;
            y += group_height(group);
        }
        area.present().map_err(failed)?;
    }
    Ok(for_the_page(&svg, &alternative(&groups)))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn failed(error: impl std::error::Error) -> Error {
    Error::msg(format!("the plot: {error}"))
}

fn group_height(group: &Group) -> u32 {
    // The heading; the first row is what the others are compared with, and has no bar.
    ROW * u32::try_from(group.rows.len()).unwrap_or(1) + GAP
}

/// A logarithmic scale: twice as much is as far from 1 as half as much.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    fn of(groups: &[&Group]) -> Self {
        let ratios = || groups.iter().flat_map(|group| &group.rows).map(|row| row.ratio);
        let least = ratios().fold(0.8, f64::min) / 1.1;
        let most = ratios().fold(2.0, f64::max) * 1.1;
        Self { least, most }
    }

    /// Where a line helps the eye.
    fn ticks(&self) -> impl Iterator<Item = f64> {
        TICKS.into_iter().filter(|tick| (self.least..self.most).contains(tick))
    }

    fn x(&self, ratio: f64) -> i32 {
        let share = (ratio / self.least).ln() / (self.most / self.least).ln();
        let (left, right) = (f64::from(SCALE.0), f64::from(SCALE.1));
        (left + share * (right - left)).round() as i32
    }
}

fn style(place: HPos) -> TextStyle<'static> {
    let font = ("sans-serif", TEXT).into_font();
    font.color(&INK).pos(Pos::new(place, VPos::Center))
}

fn draw_group<'a>(area: &Area<'a>, scale: &Scale, group: &Group, y: u32) -> Drawn<'a> {
    let middle = |row: u32| (y + row * ROW + ROW / 2) as i32;
    let unit = if group.unit == "s" { "seconds" } else { &group.unit };
    let title = format!("{}: {unit} (1 = {})", group.title, group.rows[0].name);
    area.draw(&Text::new(plain(&title), (4, middle(0)), style(HPos::Left)))?;
    for tick in scale.ticks() {
        let (x, top) = (scale.x(tick), (y + ROW) as i32);
        let line = vec![(x, top), (x, (y + group_height(group) - GAP) as i32)];
        let strength = if tick == 1.0 { 0.9 } else { 0.2 };
        area.draw(&PathElement::new(line, INK.mix(strength)))?;
    }
    for (number, row) in (1..).zip(&group.rows[1..]) {
        let (from, to) = (scale.x(1.0), scale.x(row.ratio));
        // A bar of no length is to be seen, too.
        let (left, right) = (from.min(to), from.max(to).max(from.min(to) + 2));
        let half = ROW as i32 / 2 - 4;
        let (top, bottom) = (middle(number) - half, middle(number) + half);
        let bar = [(left, top), (right, bottom)];
        area.draw(&Rectangle::new(bar, BAR.filled()))?;
        area.draw(&Rectangle::new(bar, INK.stroke_width(1)))?;
        area.draw(&Text::new(
            plain(&row.name),
            (SCALE.0 as i32 - 8, middle(number)),
            style(HPos::Right),
        ))?;
        let value = ratio(row.ratio);
        area.draw(&Text::new(value, (WIDTH as i32 - 4, middle(number)), style(HPos::Right)))?;
    }
    Ok(())
}

fn plain(text: &str) -> String {
    text.replace('`', "")
}

/// What the plot shows, for those who do not see it.
fn alternative(groups: &[&Group]) -> String {
    let row = |row: &Row| format!("{} {}", plain(&row.name), ratio(row.ratio));
    let group = |group: &&Group| {
        let rows: Vec<String> = group.rows[1..].iter().map(row).collect();
        let first = &group.rows[0];
        let value = plain(&quantity(first.value, &group.unit));
        format!(
            "{}: {} takes {value}; times that, {}.",
            plain(&group.title),
            plain(&first.name),
            rows.join(", ")
        )
    };
    groups.iter().map(group).collect::<Vec<_>>().join(" ")
}

/// What plotters drew, with the page's colours, and words for those who do not see it.
fn for_the_page(svg: &str, alternative: &str) -> String {
    let body = svg.split_once('>').map_or(svg, |(_, body)| body);
    let height = svg
        .split_once("height=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("0", |(height, _)| height);
    let colour =
        |colour: RGBColor| format!("\"#{:02X}{:02X}{:02X}\"", colour.0, colour.1, colour.2);
    let body = body
        .replace(&colour(INK), "\"currentColor\"")
        .replace(&colour(BAR), "\"var(--mk-fill-2)\"")
        .replace("font-family=\"sans-serif\" ", "");
    let lines = body.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let body = lines.collect::<Vec<_>>().join("\n");
    let alternative = alternative.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="mk-figure" role="img" aria-labelledby="performance-title" aria-describedby="performance-desc" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="var(--mk-font, sans-serif)">
<title id="performance-title">What things cost, by what they are compared with</title>
<desc id="performance-desc">{alternative}</desc>
{body}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Performance {
        let rounds = [vec![10.0, 11.0, 150.0, 0.5]];
        let names = ["`a`", "b & c", "d", "e"];
        let one = Group::of_rounds("one", "a `thing`", "instructions", &names, &rounds);
        let missing = Group::missing("two", "nothing", "no reason");
        Performance { date: String::new(), machine: Vec::new(), groups: vec![one, missing] }
    }

    #[test]
    fn text_is_text_and_colours_are_the_pages() {
        let svg = draw(&measured()).unwrap();
        assert!(
            svg.contains("a thing: instructions (1 = a)") && svg.contains("b &amp; c"),
            "{svg}"
        );
        assert!(
            svg.contains(">\n1.10\n<") && svg.contains(">\n15.0\n<") && svg.contains(">\n0.05"),
            "{svg}"
        );
        assert!(!svg.contains("\"#"), "a colour of its own: {svg}");
        assert!(svg.contains("fill=\"currentColor\"") && svg.contains("fill=\"var(--mk-fill-2)\""));
        // Markdown ends HTML there.
        assert!(!svg.contains("\n\n") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(!svg.contains("nothing"), "{svg}");
    }

    #[test]
    fn half_is_as_far_from_one_as_twice() {
        let scale = Scale { least: 0.1, most: 100.0 };
        assert_eq!((scale.x(0.1), scale.x(100.0)), (250, 660));
        assert!((scale.x(1.0) - scale.x(0.5) - (scale.x(2.0) - scale.x(1.0))).abs() <= 1);
    }

    #[test]
    fn the_books_plot_shows_the_books_numbers() {
        let checkout = crate::places::Places::workspace();
        let drawn = draw(&Performance::read(checkout).unwrap()).unwrap();
        let there = std::fs::read_to_string(checkout.join(FILE)).unwrap();
        assert!(drawn == there, "{FILE} is not what performance.json says: cargo xtask bench");
    }
}
