//! Tables made from the sources, in Markdown: what they say is what the chapters do.

mod boot;
mod calls;
mod chapters;
mod docs;
mod exit_status;
mod hypercalls;
mod performance;

use std::path::Path;

use anyhow::{Result, bail};

/// The names of all tables that [`table`] can make.
pub const NAMES: &[&str] = &[
    "kvm-calls",
    "hypercalls",
    "boot-fields",
    "exit-status",
    "chapters",
    "performance-machine",
    "performance-exits",
    "performance-idle",
    "performance-start",
    "performance-parallel",
    "performance-parallel-wall",
    "performance-linux",
    "performance-kinds",
    "performance-emulation",
    "performance-output",
    "performance-output-bytes",
    "performance-nest",
];

/// Makes the table `name` of what the sources in `checkout` say. `None` if no table has the name.
///
/// # Errors
///
/// If a source lacks what the table is made from, or has what nobody has found words for.
pub fn table(name: &str, checkout: &Path) -> Option<Result<String>> {
    NAMES.contains(&name).then(|| make(name, checkout))
}

fn make(name: &str, checkout: &Path) -> Result<String> {
    match name {
        "kvm-calls" => calls::table(checkout),
        "hypercalls" => hypercalls::table(checkout),
        "boot-fields" => boot::table(checkout),
        "exit-status" => exit_status::table(checkout),
        "chapters" => chapters::table(checkout),
        _ if name.starts_with("performance-") => performance::table(name, checkout),
        _ => bail!("nobody makes the table {name}"),
    }
}

/// Rows of cells, the first one the head, as Markdown.
fn markdown(rows: &[Vec<String>]) -> String {
    let mut lines = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<_> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        lines.push(format!("| {} |", cells.join(" | ")));
        if index == 0 {
            lines.push(format!("|{}", "---|".repeat(row.len())));
        }
    }
    lines.join("\n") + "\n"
}

/// A row of cells.
fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn checkout() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    fn lines(name: &str) -> Vec<String> {
        let table = table(name, &checkout()).expect(name);
        let table = table.unwrap_or_else(|error| panic!("{name}: {error:#}"));
        table.lines().map(str::to_owned).collect()
    }

    #[test]
    fn each_table_has_as_many_cells_in_each_row() {
        for name in NAMES {
            let lines = lines(name);
            assert!(lines.len() >= 4, "{name}: {lines:?}");
            let cells = |line: &str| line.replace("\\|", "").matches('|').count();
            for line in &lines {
                assert!(line.starts_with('|') && line.ends_with('|'), "{name}: {line}");
                assert_eq!(cells(line), cells(&lines[0]), "{name}: {line}");
            }
        }
    }

    #[test]
    fn unknown_names_are_none() {
        assert!(table("calls", &checkout()).is_none());
    }

    #[test]
    fn tables_say_what_the_sources_say() {
        let has = |name: &str, start: &str| {
            assert!(lines(name).iter().any(|line| line.starts_with(start)), "{name}: {start}");
        };
        has("kvm-calls", "| `KVM_RUN`<br>`VcpuFd::run` |");
        has("kvm-calls", "| `KVM_GET_STATS_FD`<br>no method |");
        has("hypercalls", "| 0 | `HC_EXIT` | `BL` = status | the guest ends with it |");
        has("boot-fields", "| `hdr.cmd_line_ptr` | `0x228` | 4 | `0x20000` |");
        has("exit-status", "| 69 |");
        has("exit-status", "| 1 to 63 |");
        has("chapters", "| `ch05-uart` |");
        assert_eq!(lines("chapters").len(), 17);
    }

    #[test]
    fn bars_do_not_end_a_cell() {
        assert_eq!(markdown(&[row(["a"]), row(["b | c"])]), "| a |\n|---|\n| b \\| c |\n");
    }
}
