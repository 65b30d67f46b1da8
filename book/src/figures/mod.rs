//! Figures that our own code draws: from the chapters' constants where they show any, so that they
//! cannot go stale. Each is SVG to be put into a page, with its text as text.

mod canvas;
mod constants;
mod machine;
mod memory_map;
mod metrics;

use std::path::Path;

use anyhow::{Result, bail};

/// The names of all figures that [`draw`] can draw.
pub const NAMES: &[&str] = &[
    "machine-ch01",
    "machine-ch02",
    "machine-ch03",
    "machine-ch04",
    "machine-ch05",
    "machine-ch06",
    "machine-ch07",
    "machine-ch08",
    "machine-ch09",
    "machine-ch10",
    "machine-ch11",
    "machine-ch12",
    "machine-ch13",
    "machine-ch14",
    "machine-ch15",
];

/// Draws the figure `name` of what the chapters in `checkout` say. `None` if no figure has the name.
///
/// # Errors
///
/// If a constant that the figure shows is missing from its source: the error names it. If what is
/// to be drawn does not fit.
pub fn draw(name: &str, checkout: &Path) -> Option<Result<String>> {
    NAMES.contains(&name).then(|| figure(name, checkout))
}

fn figure(name: &str, checkout: &Path) -> Result<String> {
    if let Some(chapter) = name.strip_prefix("machine-ch") {
        return machine::draw(name, chapter.parse()?, checkout);
    }
    bail!("nobody draws the figure {name}");
}

#[cfg(test)]
mod tests;
