//! `--stat`: how many lines, and whether they are few enough.

use chapter_diff::{BUDGET, Counts, File, count, rust};

/// The table, and whether the chapter keeps to its budget.
pub fn table(new: &str, old: Option<&str>, files: &[File]) -> (String, bool) {
    let mut all = Counts::default();
    let mut rows = Vec::new();
    for file in files {
        let counts = count(file);
        all += counts;
        rows.push((file.path.display().to_string(), counts));
    }
    rows.push(("all".to_owned(), all));
    let rust = rust(files);
    rows.push(("Rust".to_owned(), rust));

    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = format!("{new}, against {}\n", old.unwrap_or("nothing"));
    text += &format!("{:width$}  {:>6} {:>8} {:>6}\n", "", "added", "removed", "moved");
    for (name, Counts { added, removed, moved }) in rows {
        text += &format!("{name:width$}  {added:>6} {removed:>8} {moved:>6}\n");
    }
    let added = rust.added;
    text += &match added.checked_sub(BUDGET) {
        None | Some(0) => format!("{added} of {BUDGET} lines of Rust: within the budget\n"),
        Some(excess) => {
            format!("{added} of {BUDGET} lines of Rust: {excess} too many, make two steps of it\n")
        }
    };
    (text, added <= BUDGET)
}
