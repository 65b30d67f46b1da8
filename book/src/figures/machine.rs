//! "The machine so far": who talks to whom, in what mode the CPU is, and what lies in the guest's
//! memory. One figure a chapter; what is new in it is marked.

mod early;
mod late;
mod linux;

use std::path::Path;

use anyhow::{Context, Result};

use super::canvas::{Anchor, Canvas, Fill, LINE, PADDING, Rect};
use super::constants::Constants;
use super::memory_map::Map;
use super::metrics;

const WIDTH: f64 = 520.0;
const PART_HEIGHT: f64 = 26.0;
const GAP: f64 = 7.0;
/// Between two bands, where the arrows are.
const LINK_HEIGHT: f64 = 40.0;

/// One of those who talk to each other.
struct Band {
    title: &'static str,
    fill: Fill,
    /// What it has or does, and whether that is new.
    parts: Vec<(String, bool)>,
}

/// What goes down from a band to the next one, and what comes up.
struct Link {
    down: String,
    up: String,
}

/// What is true of a chapter's machine.
struct Machine {
    /// What the chapter adds, for those who cannot see the figure.
    title: &'static str,
    bands: Vec<Band>,
    links: Vec<Link>,
    map: Map,
}

/// Chapters by number.
const CHAPTERS: [fn(&Constants) -> Result<Machine>; 15] = [
    early::open_kvm,
    early::guest_memory,
    early::hlt,
    early::exits,
    early::uart,
    early::uart_input,
    early::hypercall,
    early::multi_vcpu,
    late::protected_mode,
    late::paging,
    late::interrupts,
    late::os_1k,
    late::long_mode,
    linux::linux_boot,
    linux::linux_shell,
];

/// Draws the machine of the chapter with this number.
///
/// # Errors
///
/// If there is no such chapter, or a constant that the figure shows is missing from its source.
pub fn draw(name: &str, chapter: usize, checkout: &Path) -> Result<String> {
    let machine = chapter.checked_sub(1).and_then(|index| CHAPTERS.get(index));
    let machine = machine.with_context(|| format!("chapter {chapter} has no machine"))?;
    let package = package(checkout, chapter)?;
    machine(&Constants::of_chapter(checkout, &package)?)?.draw(name, chapter)
}

/// The folder of a chapter below `chapters`.
///
/// # Errors
///
/// If there is none.
pub fn package(checkout: &Path, chapter: usize) -> Result<String> {
    let folder = checkout.join("chapters");
    let prefix = format!("ch{chapter:02}-");
    let entries = folder.read_dir().with_context(|| folder.display().to_string())?;
    let mut names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .find(|name| name.starts_with(&prefix))
        .with_context(|| format!("{} has no {prefix}…", folder.display()))
}

impl Machine {
    fn draw(self, name: &str, chapter: usize) -> Result<String> {
        let title = format!("The machine in chapter {chapter}: {}", self.title);
        let mut canvas = Canvas::new(name, &title, &self.description(), WIDTH);
        let mut y = 2.0;
        for (index, band) in self.bands.iter().enumerate() {
            y = band.draw(&mut canvas, y);
            if let Some(link) = self.links.get(index) {
                link.draw(&mut canvas, y);
                y += LINK_HEIGHT;
            }
        }
        y += LINE * 0.9;
        canvas.strong(1.0, y, Anchor::Start, "Guest physical memory");
        y += LINE * 0.7;
        if self.map.is_empty() {
            let none = Rect::new(1.0, y, WIDTH - 2.0, 2.0 * PART_HEIGHT);
            canvas.dashed(none, Fill::None);
            canvas.label(none, "There is none: there is no virtual machine yet.", false);
            y = none.bottom();
        } else {
            y = self.map.draw(&mut canvas, y)?;
        }
        legend(&mut canvas, y + LINE);
        canvas.finish()
    }

    fn description(&self) -> String {
        let mut description = String::new();
        for (index, band) in self.bands.iter().enumerate() {
            let parts: Vec<_> = band
                .parts
                .iter()
                .map(|(text, new)| format!("{text}{}", if *new { " (new)" } else { "" }))
                .collect();
            description += &format!("{}: {}. ", band.title, parts.join(", "));
            if let (Some(link), Some(next)) = (self.links.get(index), self.bands.get(index + 1)) {
                let way = |from, to, what: &str| match what {
                    "" => String::new(),
                    what => format!("From {from} to {to}: {what}. "),
                };
                description += &way(band.title, next.title, &link.down);
                description += &way(next.title, band.title, &link.up);
            }
        }
        if !self.map.is_empty() {
            description += &format!("Guest physical memory: {}.", self.map.description());
        }
        description.replace('`', "")
    }
}

impl Band {
    /// Draws it from `top` down; returns where it ends.
    fn draw(&self, canvas: &mut Canvas, top: f64) -> f64 {
        let (left, right) = (1.0 + PADDING, WIDTH - 1.0 - PADDING);
        let width =
            |text: &str, is_new| metrics::width(text, is_new).ceil() + 2.0 * (PADDING - 2.0);
        // Where each part goes: in lines, as words do.
        let mut x = left + metrics::width(self.title, true) + PADDING;
        let mut y = top + GAP;
        let mut places = Vec::new();
        for (text, is_new) in &self.parts {
            let width = width(text, *is_new);
            if x + width > right {
                (x, y) = (left, y + PART_HEIGHT + GAP);
            }
            places.push(Rect::new(x, y, width, PART_HEIGHT));
            x += width + GAP;
        }
        let bottom = y + PART_HEIGHT + GAP;
        canvas.rect(Rect::new(1.0, top, WIDTH - 2.0, bottom - top), self.fill);
        canvas.strong(left, top + GAP + PART_HEIGHT / 2.0, Anchor::Start, self.title);
        for ((text, is_new), place) in self.parts.iter().zip(places) {
            canvas.rect(place, if *is_new { Fill::New } else { Fill::Paper });
            canvas.styled(place.middle(), place.centre(), Anchor::Middle, text, *is_new);
        }
        bottom
    }
}

impl Link {
    fn draw(&self, canvas: &mut Canvas, top: f64) {
        let (start, end) = (top + 3.0, top + LINK_HEIGHT - 3.0);
        let middle = top + LINK_HEIGHT / 2.0;
        if !self.down.is_empty() {
            canvas.arrow(&[(22.0, start), (22.0, end)]);
            canvas.text(30.0, middle, Anchor::Start, &self.down);
        }
        if !self.up.is_empty() {
            let x = WIDTH - 22.0;
            canvas.arrow(&[(x, end), (x, start)]);
            canvas.text(x - 8.0, middle, Anchor::End, &self.up);
        }
    }
}

/// What the colours mean.
fn legend(canvas: &mut Canvas, y: f64) {
    let mut x = 1.0;
    for (fill, text) in [
        (Fill::New, "new here"),
        (Fill::Vmm, "the VMM’s"),
        (Fill::Guest, "the guest’s"),
        (Fill::Kvm, "KVM’s"),
    ] {
        canvas.rect(Rect::new(x, y - 7.0, 14.0, 14.0), fill);
        let is_new = fill == Fill::New;
        canvas.styled(x + 20.0, y, Anchor::Start, text, is_new);
        x += 20.0 + metrics::width(text, is_new) + 16.0;
    }
}

/// Parts that are there already.
fn old<const N: usize>(parts: [&str; N]) -> Vec<(String, bool)> {
    parts.map(|part| (part.to_owned(), false)).into()
}

/// Parts that are new.
fn new<const N: usize>(parts: [&str; N]) -> Vec<(String, bool)> {
    parts.map(|part| (part.to_owned(), true)).into()
}

fn terminal(parts: Vec<(String, bool)>) -> Band {
    Band { title: "You, at a terminal", fill: Fill::None, parts }
}

fn vmm(parts: Vec<(String, bool)>) -> Band {
    Band { title: "VMM", fill: Fill::Vmm, parts }
}

fn kvm(parts: Vec<(String, bool)>) -> Band {
    Band { title: "KVM", fill: Fill::Kvm, parts }
}

fn guest(parts: Vec<(String, bool)>) -> Band {
    Band { title: "Guest", fill: Fill::Guest, parts }
}

fn link(down: &str, up: &str) -> Link {
    Link { down: down.to_owned(), up: up.to_owned() }
}

/// A number of bytes, for people.
fn size(bytes: u64) -> String {
    match bytes {
        mib if mib >= 1 << 20 && mib % (1 << 20) == 0 => format!("{} MiB", mib >> 20),
        kib if kib >= 1 << 10 && kib % (1 << 10) == 0 => format!("{} KiB", kib >> 10),
        bytes => format!("{bytes} bytes"),
    }
}
