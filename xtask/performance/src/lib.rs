//! What `cargo xtask bench` measured: it writes the file, and the book reads it.

mod format;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

pub use format::{quantity, ratio};

/// Where it is, in a checkout.
pub const FILE: &str = "book/performance.json";

/// All groups, of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// The day of the run: 2026-11-23.
    pub date: String,
    /// What it ran on: a name and what it is, in the order to show them.
    pub machine: Vec<(String, String)>,
    /// What was measured.
    pub groups: Vec<Group>,
}

/// What is compared with each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The word by which pages and the command line know it.
    pub name: String,
    /// What one of its values is the cost of: `an exit`.
    pub title: String,
    /// What is counted: `instructions`, `exits`, `s`.
    pub unit: String,
    /// The clock that it was measured by.
    pub clock: Clock,
    /// The first one is what the others are compared with.
    pub rows: Vec<Row>,
    /// Why there are no rows, if there are none.
    pub missing: Option<String>,
}

/// What time is, in a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// A nanosecond for each instruction of an emulated machine.
    Counted,
    /// This machine's.
    Wall,
}

/// One of those that are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `ch05-uart`.
    pub name: String,
    /// Median over the rounds.
    pub value: f64,
    /// By the value of the first row: the median of the rounds' own ratios.
    pub ratio: f64,
    /// What the value consists of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, f64>,
}

impl Group {
    /// A group of these rows. Each round has a value for each of them.
    ///
    /// # Panics
    ///
    /// If a round has not as many values as there are names.
    #[must_use]
    pub fn of_rounds(
        name: &str,
        title: &str,
        unit: &str,
        rows: &[&str],
        rounds: &[Vec<f64>],
    ) -> Self {
        let row = |(index, name): (usize, &&str)| {
            let values = rounds.iter().map(|round| round[index]);
            let ratios = rounds.iter().map(|round| round[index] / round[0]);
            Row {
                name: (*name).to_owned(),
                value: rounded(median(values)),
                ratio: rounded(median(ratios)),
                parts: BTreeMap::new(),
            }
        };
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            unit: unit.to_owned(),
            clock: Clock::Counted,
            rows: rows.iter().enumerate().map(row).collect(),
            missing: None,
        }
    }

    /// The same, measured by this machine's own clock.
    #[must_use]
    pub fn by_wall_clock(self) -> Self {
        Self { clock: Clock::Wall, ..self }
    }

    /// A group that could not be measured.
    #[must_use]
    pub fn missing(name: &str, title: &str, why: &str) -> Self {
        let missing = Some(why.to_owned());
        Self { missing, ..Self::of_rounds(name, title, "", &[], &[]) }
    }
}

impl Performance {
    /// Reads the file of a checkout.
    ///
    /// # Errors
    ///
    /// If it is not there, or not what [`Performance::write`] writes.
    pub fn read(checkout: &Path) -> Result<Self> {
        let again = "cargo xtask bench writes it";
        let text = fs::read_to_string(checkout.join(FILE))
            .with_context(|| format!("{FILE} cannot be read: {again}"))?;
        let read: Self =
            serde_json::from_str(&text).with_context(|| format!("{FILE} is broken: {again}"))?;
        for group in &read.groups {
            ensure!(
                group.rows.is_empty() == group.missing.is_some(),
                "{FILE} is broken: {} has neither rows nor a reason, or both: {again}",
                group.name
            );
        }
        Ok(read)
    }

    /// Writes the file of a checkout.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&self, checkout: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(checkout.join(FILE), text).with_context(|| format!("{FILE} cannot be written"))
    }

    /// The groups of a checkout's file, with these in the place of those of the same name.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is of another machine.
    pub fn into_those_of(self, checkout: &Path) -> Result<Self> {
        let mut groups = Vec::new();
        if checkout.join(FILE).exists() {
            let old = Self::read(checkout)?;
            ensure!(
                old.machine == self.machine,
                "{FILE} has the figures of another machine: cargo xtask bench measures all anew"
            );
            groups = old.groups;
        }
        for new in self.groups {
            match groups.iter_mut().find(|old| old.name == new.name) {
                Some(old) => *old = new,
                None => groups.push(new),
            }
        }
        Ok(Self { groups, ..self })
    }

    /// The group of this name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }
}

/// The value in the middle, or between the two that are.
#[must_use]
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

/// Five digits: what comes after them is noise, and would change the file each time.
#[must_use]
pub fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median([].into_iter()).is_nan());
    }

    #[test]
    fn five_digits_stay() {
        assert_eq!(rounded(123_456_789.0), 123_460_000.0);
        assert_eq!(rounded(0.001_234_567), 0.001_234_6);
        assert_eq!(rounded(0.0), 0.0);
    }

    #[test]
    fn a_ratio_is_that_of_its_own_round() {
        // The second round met a machine twice as slow.
        let rounds = [vec![10.0, 11.0], vec![20.0, 22.0], vec![10.0, 30.0]];
        let group = Group::of_rounds("x", "a thing", "s", &["a", "b"], &rounds);
        assert_eq!((group.rows[0].value, group.rows[0].ratio), (10.0, 1.0));
        assert_eq!((group.rows[1].value, group.rows[1].ratio), (22.0, 1.1));
    }

    #[test]
    fn new_figures_take_the_place_of_old_ones() {
        let checkout = tempfile::tempdir().unwrap();
        fs::create_dir(checkout.path().join("book")).unwrap();
        let group = |name, value| Group::of_rounds(name, "a thing", "s", &["a"], &[vec![value]]);
        let measured = |date: &str, cpu: &str, groups| {
            let machine = vec![("CPU".to_owned(), cpu.to_owned())];
            Performance { date: date.to_owned(), machine, groups }
        };
        let first = measured("yesterday", "one", vec![group("x", 1.0), group("y", 1.0)]);
        let first = first.into_those_of(checkout.path()).unwrap();
        first.write(checkout.path()).unwrap();

        let second = measured("today", "one", vec![group("z", 2.0), group("x", 2.0)]);
        let both = second.into_those_of(checkout.path()).unwrap();
        let groups = vec![group("x", 2.0), group("y", 1.0), group("z", 2.0)];
        assert_eq!(both, measured("today", "one", groups));

        let other = measured("today", "another", Vec::new());
        let error = other.into_those_of(checkout.path()).unwrap_err().to_string();
        assert!(error.contains("of another machine"), "{error}");
    }

    #[test]
    fn what_is_written_is_read() {
        let checkout = tempfile::tempdir().unwrap();
        let path = checkout.path();
        let error = Performance::read(path).unwrap_err().to_string();
        assert!(error.contains("cargo xtask bench"), "{error}");

        fs::create_dir(path.join("book")).unwrap();
        let groups = vec![
            Group::of_rounds("x", "a thing", "s", &["a"], &[vec![1.0]]).by_wall_clock(),
            Group::missing("y", "another", "no KVM"),
        ];
        let machine = vec![("CPU".to_owned(), "one".to_owned())];
        let written = Performance { date: "2026-11-23".to_owned(), machine, groups };
        written.write(path).unwrap();
        assert_eq!(Performance::read(path).unwrap(), written);

        let neither =
            written.clone().groups.into_iter().map(|group| Group { missing: None, ..group });
        Performance { groups: neither.collect(), ..written }.write(path).unwrap();
        let error = Performance::read(path).unwrap_err().to_string();
        assert!(error.contains("y has neither rows nor a reason"), "{error}");
    }
}
