//! `hunks`: the hunks of a chapter's change, each with the directive that shows it.

use chapter_diff::Kind;

use crate::change::Change;

/// The whole list.
pub fn list(change: &Change) -> String {
    let mut text = format!(
        "{}: {} hunks in {} files, {} added lines of Rust\n\
         A line begins with its kind: - removed, + added, < moved away, > moved here.\n",
        change.chapter,
        change.hunks.len(),
        change.files.len(),
        change.added
    );
    for (index, file) in change.files.iter().enumerate() {
        let path = file.path.display();
        let count = match change.of_file(index).count() {
            1 => "1 hunk".to_owned(),
            many => format!("{many} hunks; all in one: {{{{#diff {path}}}}}"),
        };
        let kind = match (file.is_new, file.is_gone) {
            (true, _) => "new",
            (_, true) => "gone",
            _ => "changed",
        };
        text += &format!("\n# {path} ({kind}, {count})\n");
        if change.of_file(index).next().is_none() {
            text += "no lines: it is empty or no text, and no directive can show it\n";
        }
        for (_, hunk) in change.of_file(index) {
            text += &format!("\n{{{{#diff {}}}}}\n", change.target(hunk));
            for line in &file.lines[hunk.lines.clone()] {
                let sign = match line.kind {
                    Kind::Same => ' ',
                    Kind::Removed => '-',
                    Kind::Added => '+',
                    Kind::MovedAway(_) => '<',
                    Kind::MovedHere(_) => '>',
                };
                text += &format!("    {sign}{}\n", line.text);
            }
        }
    }
    text
}
