//! Figures that our own code draws: from the chapters' constants where they show any, so that they
//! cannot go stale. Each is SVG to be put into a page, with its text as text.

mod bits;
pub mod boot_fields;
mod canvas;
mod chain;
pub mod constants;
mod exits;
mod interrupts;
mod linux;
mod machine;
mod memory;
mod memory_map;
mod metrics;
mod modes;
mod sequence;
mod walks;

use std::path::Path;

use anyhow::{Result, bail};

pub use machine::package;

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
    "run-loop",
    "hypercall",
    "triple-fault",
    "four-vcpus",
    "interrupt-path",
    "serial-interrupt",
    "terminal-modes",
    "segment-descriptor",
    "page-table-entry",
    "two-level-walk",
    "four-level-walk",
    "two-translations",
    "mode-real",
    "mode-protected",
    "mode-paging",
    "mode-long",
    "zero-page",
    "boot-timeline",
    "initrd-placement",
    "acpi-tables",
    "ram-as-slot",
    "elf-segments",
    "processes",
    "nest",
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
    let draw = match name {
        "run-loop" => exits::run_loop,
        "hypercall" => exits::hypercall,
        "triple-fault" => exits::triple_fault,
        "four-vcpus" => exits::four_vcpus,
        "interrupt-path" => interrupts::interrupt_path,
        "serial-interrupt" => interrupts::serial_interrupt,
        "terminal-modes" => interrupts::terminal_modes,
        "segment-descriptor" => bits::segment_descriptor,
        "page-table-entry" => bits::page_table_entry,
        "two-level-walk" => walks::two_levels,
        "four-level-walk" => walks::four_levels,
        "two-translations" => walks::two_translations,
        "mode-real" => modes::real,
        "mode-protected" => modes::protected,
        "mode-paging" => modes::paging,
        "mode-long" => modes::long,
        "zero-page" => linux::zero_page,
        "boot-timeline" => linux::boot_timeline,
        "initrd-placement" => linux::initrd_placement,
        "acpi-tables" => linux::acpi_tables,
        "ram-as-slot" => memory::ram_as_slot,
        "elf-segments" => memory::elf_segments,
        "processes" => memory::processes,
        "nest" => memory::nest,
        _ => bail!("nobody draws the figure {name}"),
    };
    draw(name, checkout)
}

#[cfg(test)]
mod tests;
