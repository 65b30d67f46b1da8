//! What it was measured on.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::programs;

/// The day, in UTC: `2026-11-23`.
pub fn date() -> Result<String> {
    said(Command::new("date").args(["-u", "+%Y-%m-%d"]))
}

/// The machine and its programs, to be shown.
pub fn describe() -> Result<Vec<(String, String)>> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let rows = [
        ("CPU", format!("{}, {cpus} CPUs", field(&cpuinfo, "model name", ':'))),
        ("system", field(&system, "PRETTY_NAME", '=')),
        ("kernel", said(Command::new("uname").arg("-r"))?),
        ("QEMU", said(Command::new("qemu-system-x86_64").arg("--version"))?),
        ("Rust", said(Command::new("rustc").arg("--version"))?),
        ("C", said(Command::new("cc").arg("--version"))?),
    ];
    Ok(rows.map(|(name, what)| (name.to_owned(), what)).into())
}

/// The first line of what a program says.
fn said(command: &mut Command) -> Result<String> {
    let output = programs::output_of(command)?;
    Ok(String::from_utf8_lossy(&output).lines().next().unwrap_or_default().to_owned())
}

/// The value in a line like `name : value` or `name="value"`.
fn field(text: &str, name: &str, separator: char) -> String {
    let values = text.lines().filter_map(|line| {
        let (key, value) = line.split_once(separator)?;
        (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
    });
    values.into_iter().next().unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        assert_eq!(
            field("vendor\t: x\nmodel name\t: A CPU @ 2 GHz\n", "model name", ':'),
            "A CPU @ 2 GHz"
        );
        assert_eq!(field("PRETTY_NAME=\"Debian 12\"\n", "PRETTY_NAME", '='), "Debian 12");
        assert_eq!(field("", "model name", ':'), "unknown");
    }

    #[test]
    fn dates_are_days() {
        let date = date().unwrap();
        assert_eq!(date.len(), 10);
        assert_eq!(date.split('-').count(), 3);
    }
}
