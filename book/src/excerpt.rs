//! Code as it is: a file, some of its items, or some of its lines.

use std::fs;
use std::path::{Path, PathBuf};

use chapter_diff::items;

use crate::change::quoted;
use crate::directive::Part;
use crate::problem::Mistake;

/// Lines of a file.
#[derive(Debug)]
pub struct Excerpt {
    /// From the top of the checkout.
    pub file: PathBuf,
    /// Their numbers, from 1.
    pub lines: Vec<(usize, String)>,
}

/// What a `code` directive shows. A path is looked up in the chapter's folder first, then at the
/// top of the checkout.
pub fn find(
    checkout: &Path,
    chapter: Option<&str>,
    file: &str,
    part: &Part,
) -> Result<Excerpt, Mistake> {
    let folders = chapter.map(|chapter| Path::new("chapters").join(chapter));
    let candidates = folders.into_iter().map(|folder| folder.join(file));
    let path = candidates
        .chain([PathBuf::from(file)])
        .find(|path| checkout.join(path).is_file())
        .ok_or_else(|| {
        (
            format!("{file}: there is no such file"),
            format!(
                "a path is of the chapter{}, or from the top of the checkout",
                chapter.map_or(String::new(), |chapter| format!(" (chapters/{chapter})"))
            ),
        )
    })?;
    let text = fs::read_to_string(checkout.join(&path)).map_err(|error| {
        (format!("{}: {error}", path.display()), "only text can be shown".to_owned())
    })?;
    let all: Vec<_> = text.lines().collect();
    let chosen = match part {
        Part::Whole => (0..all.len()).collect(),
        Part::Items(names) => of_items(&path, &text, names)?,
        Part::Lines { from, to } => between(&path, &all, from.as_deref(), to.as_deref())?,
    };
    let mut lines: Vec<(usize, String)> =
        chosen.into_iter().map(|index| (index + 1, all[index].to_owned())).collect();
    // The blank line that an item begins with.
    while lines.first().is_some_and(|(_, line)| line.trim().is_empty()) {
        lines.remove(0);
    }
    Ok(Excerpt { file: path, lines })
}

fn of_items(path: &Path, text: &str, names: &[String]) -> Result<Vec<usize>, Mistake> {
    let items = items(path, text);
    if let Some(name) = names.iter().find(|name| items.iter().all(|item| item.name != **name)) {
        let mut known: Vec<_> =
            items.iter().map(|item| quoted(&item.name)).filter(|name| !name.is_empty()).collect();
        known.dedup();
        let advice = match known.is_empty() {
            true => "items are of Rust; use from=\"text\" to=\"text\" here".to_owned(),
            false => format!("the items: {}", known.join(", ")),
        };
        return Err((format!("{}: there is no item {name:?}", path.display()), advice));
    }
    let wanted = items.into_iter().filter(|item| names.contains(&item.name));
    Ok(wanted.flat_map(|item| item.lines).collect())
}

fn between(
    path: &Path,
    lines: &[&str],
    from: Option<&str>,
    to: Option<&str>,
) -> Result<Vec<usize>, Mistake> {
    let line = |text: &str, start: usize| {
        let found = lines[start..].iter().position(|line| line.contains(text));
        found.map(|index| start + index).ok_or_else(|| {
            let after = if start > 0 { " there or after it" } else { "" };
            (
                format!("{}: no line has {text:?}{after}", path.display()),
                "give a text as it stands in the file".to_owned(),
            )
        })
    };
    let first = from.map_or(Ok(0), |text| line(text, 0))?;
    let last = to.map_or(Ok(lines.len().saturating_sub(1)), |text| line(text, first))?;
    Ok((first..=last).collect())
}
