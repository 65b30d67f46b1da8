//! What `cargo xtask bench` measured.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use performance::{Group, Performance, quantity, ratio};

use super::{markdown, row};

/// A table of what each row costs, one way or several; and the machine.
pub fn table(name: &str, checkout: &Path) -> Result<String> {
    let measured = Performance::read(checkout)?;
    match name {
        "performance-machine" => Ok(machine(&measured)),
        "performance-kinds" => kinds(find(&measured, "linux-exits")?),
        "performance-idle" => groups(&measured, &["idle", "idle-exits"]),
        "performance-linux" => groups(&measured, &["linux", "linux-exits"]),
        _ => {
            let group = name.strip_prefix("performance-").unwrap_or(name);
            groups(&measured, &[group])
        }
    }
}

fn find<'a>(measured: &'a Performance, name: &str) -> Result<&'a Group> {
    measured.group(name).with_context(|| format!("{} has no group {name}", performance::FILE))
}

fn machine(measured: &Performance) -> String {
    let mut rows = vec![row(["measured", &measured.date])];
    rows.extend(measured.machine.iter().map(|(name, what)| row([name, what])));
    markdown(&rows)
}

/// Groups with the same rows, beside each other.
fn groups(measured: &Performance, names: &[&str]) -> Result<String> {
    let groups = names.iter().map(|name| find(measured, name)).collect::<Result<Vec<_>>>()?;
    let first = groups[0];
    let mut head = vec![first.title.clone()];
    let mut rows: Vec<Vec<String>> = first.rows.iter().map(|row| vec![row.name.clone()]).collect();
    for group in groups {
        head.extend([group.unit.clone(), "times".to_owned()]);
        let is_same = group.rows.len() == rows.len()
            && group.rows.iter().zip(&rows).all(|(row, cells)| row.name == cells[0]);
        ensure!(is_same, "the groups {} have not the same rows", names.join(" and "));
        for (cells, row) in rows.iter_mut().zip(&group.rows) {
            cells
                .extend([quantity(row.value, ""), ratio(row.ratio)].map(|it| it.trim().to_owned()));
        }
    }
    if let Some(why) = &first.missing {
        rows.push(vec![format!("not measured: {why}"), String::new(), String::new()]);
    }
    rows.insert(0, head);
    Ok(markdown(&rows))
}

/// What the exits of each row were for.
fn kinds(group: &Group) -> Result<String> {
    let seen: BTreeSet<&str> = group
        .rows
        .iter()
        .flat_map(|row| row.parts.iter().filter(|(_, count)| **count > 0.0))
        .map(|(kind, _)| kind.as_str())
        .collect();
    ensure!(!seen.is_empty(), "{}: the exits of {} have no kinds", performance::FILE, group.name);
    let mut kinds: Vec<&str> = seen.into_iter().collect();
    // What there is most of in the first row, first.
    let count = |kind: &str| group.rows[0].parts.get(kind).copied().unwrap_or(0.0);
    kinds.sort_by(|a, b| count(b).total_cmp(&count(a)));
    let mut head = vec![format!("exits of {}, by kind", group.title)];
    head.extend(kinds.iter().map(|kind| (*kind).to_owned()));
    let mut rows = vec![head];
    for of in &group.rows {
        let mut cells = vec![of.name.clone()];
        cells.extend(kinds.iter().map(|kind| {
            let count = of.parts.get(*kind).copied().unwrap_or(0.0);
            quantity(count, "").trim().to_owned()
        }));
        rows.push(cells);
    }
    Ok(markdown(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout(groups: Vec<Group>) -> tempfile::TempDir {
        let checkout = tempfile::tempdir().unwrap();
        std::fs::create_dir(checkout.path().join("book")).unwrap();
        let machine = vec![("CPU".to_owned(), "one".to_owned())];
        Performance { date: "2026-11-23".to_owned(), machine, groups }
            .write(checkout.path())
            .unwrap();
        checkout
    }

    fn linux() -> Vec<Group> {
        let rounds = [vec![2e9, 3e9]];
        let cpu = Group::of_rounds("linux", "Linux", "instructions", &["`a`", "b"], &rounds);
        let mut exits =
            Group::of_rounds("linux-exits", "Linux", "exits", &["`a`", "b"], &[vec![10.0, 40.0]]);
        for (row, io) in exits.rows.iter_mut().zip([4.0, 2000.0]) {
            row.parts =
                [("I/O".to_owned(), io), ("halt".to_owned(), 6.0), ("MMIO".to_owned(), 0.0)].into();
        }
        vec![cpu, exits]
    }

    #[test]
    fn two_measures_stand_beside_each_other() {
        let checkout = checkout(linux());
        assert_eq!(
            table("performance-linux", checkout.path()).unwrap(),
            "| Linux | instructions | times | exits | times |\n|---|---|---|---|---|\n\
             | `a` | 2.00 billion | 1.00 | 10 | 1.00 |\n| b | 3.00 billion | 1.50 | 40 | 4.00 |\n"
        );
        assert_eq!(
            table("performance-kinds", checkout.path()).unwrap(),
            "| exits of Linux, by kind | halt | I/O |\n|---|---|---|\n\
             | `a` | 6 | 4 |\n| b | 6 | 2,000 |\n"
        );
        let machine = table("performance-machine", checkout.path()).unwrap();
        assert_eq!(machine, "| measured | 2026-11-23 |\n|---|---|\n| CPU | one |\n");
    }

    #[test]
    fn what_was_not_measured_says_why() {
        let checkout = checkout(vec![Group::missing("exits", "an exit", "no KVM")]);
        assert_eq!(
            table("performance-exits", checkout.path()).unwrap(),
            "| an exit |  | times |\n|---|---|---|\n| not measured: no KVM |  |  |\n"
        );
        let error = table("performance-start", checkout.path()).unwrap_err().to_string();
        assert!(error.contains("has no group start"), "{error}");
    }
}
