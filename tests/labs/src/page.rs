//! The book's page of a chapter: its section on the lab, and whether that says what `labs.toml` says.
//!
//! ```text
//! ## Lab
//!
//! **Ten times fewer exits** · 10 points, about 90 minutes. Read …
//!
//! 1. **`HC_PUTS`** (4 points). …
//! 2. **Every pointer checked** (3 points). …
//! ```

use crate::Lab;

/// The text of the section `## Lab`, without its heading. `None` if the page has none.
pub fn section(page: &str) -> Option<&str> {
    let heading = "\n## Lab\n";
    let start = page.find(heading)? + heading.len();
    let end = page[start..].find("\n## ").map_or(page.len(), |end| start + end);
    Some(page[start..end].trim())
}

/// What the page and `labs.toml` disagree about; empty if all is well.
pub fn disagreements(page: &str, lab: &Lab) -> Vec<String> {
    let Some(section) = section(page) else {
        return vec!["the page has no section \"## Lab\"".to_owned()];
    };
    let mut problems = Vec::new();
    let (title, points, minutes) = (&lab.title, lab.points(), lab.minutes);
    let head = format!("**{title}** · {points} points, about {minutes} minutes");
    let rest = section.strip_prefix(&head);
    if !rest.is_some_and(|rest| rest.starts_with(['.', ','])) {
        problems.push(format!("the section has to begin with: {head}"));
    }
    let stated: Vec<_> = section.lines().filter(|line| is_task(line)).collect();
    for (number, task) in (1..).zip(&lab.tasks) {
        let points = if task.points == 1 { "point" } else { "points" };
        let head = format!("{number}. **{}** ({} {points}).", task.title, task.points);
        match stated.get(number - 1) {
            Some(line) if line.starts_with(&head) => {}
            Some(line) => problems.push(format!("task {}: {head}\n  the page: {line}", task.id)),
            None => problems.push(format!("task {}: the page lacks it: {head}", task.id)),
        }
    }
    for line in stated.iter().skip(lab.tasks.len()) {
        problems.push(format!("labs.toml lacks this task: {line}"));
    }
    problems
}

/// Whether a task begins with this line: `1. **`.
fn is_task(line: &str) -> bool {
    line.split_once(". **").is_some_and(|(number, _)| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::{Labs, Task};

    fn lab() -> Lab {
        let task = |id: &str, title: &str, points| Task {
            id: id.to_owned(),
            title: title.to_owned(),
            points,
        };
        Lab {
            chapter: "ch01-a".to_owned(),
            title: "A CPU".to_owned(),
            minutes: 60,
            prerequisites: Vec::new(),
            folders: Vec::new(),
            needs: Vec::new(),
            tasks: vec![task("cpu", "`--cpu`", 5), task("card", "A card", 1)],
        }
    }

    const PAGE: &str = "# 1\n\n## Lab\n\n**A CPU** · 6 points, about 60 minutes. Read.\n\n\
        1. **`--cpu`** (5 points). Do.\n2. **A card** (1 point). Do.\n\n## Sources\n\n3. **x** (1)\n";

    #[test]
    fn a_page_that_says_the_same_is_well() {
        assert_eq!(disagreements(PAGE, &lab()), [""; 0]);
        assert!(section(PAGE).unwrap().ends_with("(1 point). Do."));
    }

    #[test]
    fn what_differs_is_named() {
        for (old, new, part) in [
            ("60 minutes", "90 minutes", "has to begin with: **A CPU** · 6 points"),
            ("(5 points)", "(4 points)", "task cpu: 1. **`--cpu`** (5 points)."),
            ("2. **A card", "2. **Card", "task card: "),
            ("2. **A card** (1 point). Do.\n", "", "task card: the page lacks it"),
            ("\n\n## Sources", "\n3. **More** (1 point).\n\n## Sources", "labs.toml lacks this"),
            ("## Lab", "## Laboratory", "no section"),
        ] {
            let problems = disagreements(&PAGE.replace(old, new), &lab());
            assert!(problems.len() == 1 && problems[0].contains(part), "{part:?}: {problems:?}");
        }
    }

    /// The book, where there is one: a student's workspace has none.
    #[test]
    fn the_book_says_of_each_lab_what_the_list_says() {
        let checkout = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let pages = checkout.join("book/pages");
        let labs = Labs::read(checkout).unwrap();
        let mut problems = Vec::new();
        for lab in labs.labs.iter().filter(|_| pages.exists()) {
            let path = pages.join(&lab.chapter).with_extension("md");
            match fs::read_to_string(&path) {
                Ok(page) => problems.extend(
                    disagreements(&page, lab)
                        .iter()
                        .map(|problem| format!("{}: {problem}\n", path.display())),
                ),
                Err(error) => problems.push(format!("{}: {error}\n", path.display())),
            }
        }
        assert!(problems.is_empty(), "\n{}", problems.concat());
    }
}
