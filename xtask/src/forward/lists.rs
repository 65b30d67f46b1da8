//! Sorted lists of lines: modules, imports, dependencies.
//!
//! A later chapter has inserted lines of its own at the very place where an earlier one now inserts
//! another. To a merge of texts that is a conflict, for it does not know in which order they belong.
//! In a sorted list we do.

use std::path::Path;

/// The list `ours` with the change from `base` to `theirs` made in it. `None` if these are no lists,
/// or if both changed the same entry.
pub fn merge(path: &Path, base: &str, ours: &str, theirs: &str) -> Option<String> {
    let entries = |text| entries(path, text);
    let (base, mut ours, theirs) = (entries(base)?, entries(ours)?, entries(theirs)?);
    for gone in base.iter().filter(|entry| !theirs.contains(entry)) {
        match ours.iter().position(|entry| entry == gone) {
            Some(place) => {
                ours.remove(place);
            }
            // Gone here too: well and good if both put the same in its place, or nothing.
            None if about(gone, &ours).eq(about(gone, &theirs)) => {}
            None => return None,
        }
    }
    for new in theirs.iter().filter(|entry| !base.contains(entry)) {
        if ours.contains(new) {
            continue;
        }
        if about(new, &ours).next().is_some() {
            return None;
        }
        let place = ours.iter().position(|entry| entry.trim_end() > new.trim_end());
        ours.insert(place.unwrap_or(ours.len()), new);
    }
    Some(ours.concat())
}

/// The lines, if each is a whole entry of a list.
fn entries<'a>(path: &Path, text: &'a str) -> Option<Vec<&'a str>> {
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let is_entry = |line: &&str| match line.strip_suffix('\n') {
        None => false,
        Some(line) if path.ends_with("Cargo.toml") => {
            line.contains(" = ") && line.starts_with(|c: char| c.is_ascii_alphabetic())
        }
        Some(line) => {
            ["mod ", "use ", "pub mod ", "pub use "].iter().any(|word| line.starts_with(word))
                && line.ends_with(';')
        }
    };
    lines.iter().all(is_entry).then_some(lines)
}

/// The entries that are about the same as this one.
fn about<'a>(entry: &str, list: &[&'a str]) -> impl Iterator<Item = &'a str> {
    list.iter().copied().filter(move |other| subject(other) == subject(entry))
}

/// What there may be only one entry about: the dependency, the module from which something is
/// imported.
fn subject(entry: &str) -> &str {
    match entry.split_once("use ") {
        // `use crate::gdt;` and `use crate::uart;` are about two modules.
        Some((_, path)) => match path.split_once('{').or_else(|| path.rsplit_once("::")) {
            Some(("crate" | "super", _)) | None => path,
            Some((module, _)) => module.trim_end_matches("::"),
        },
        None => entry
            .split(['.', ' ', '='])
            .next()
            .filter(|name| *name != "mod" && *name != "pub")
            .unwrap_or(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge_rust(base: &str, ours: &str, theirs: &str) -> Option<String> {
        merge(Path::new("src/main.rs"), base, ours, theirs)
    }

    fn merge_manifest(base: &str, ours: &str, theirs: &str) -> Option<String> {
        merge(Path::new("Cargo.toml"), base, ours, theirs)
    }

    #[test]
    fn modules_of_both_sides_are_sorted_in() {
        assert_eq!(
            merge_rust("", "mod crash;\nmod guest;\n", "mod dump;\n").unwrap(),
            "mod crash;\nmod dump;\nmod guest;\n"
        );
        assert_eq!(merge_rust("mod a;\n", "mod a;\nmod b;\n", "").unwrap(), "mod b;\n");
        assert_eq!(merge_rust("", "mod a;\n", "mod a;\nmod b;\n").unwrap(), "mod a;\nmod b;\n");
    }

    #[test]
    fn imports_from_one_module_are_for_a_human_to_join() {
        assert_eq!(
            merge_rust("", "use crate::uart;\n", "use crate::gdt;\n").unwrap(),
            "use crate::gdt;\nuse crate::uart;\n"
        );
        assert_eq!(merge_rust("", "use std::io::Write;\n", "use std::io::{Read, stdin};\n"), None);
        let stderr = "use std::io::stderr;\n";
        assert_eq!(merge_rust(stderr, "", "use std::io::{Write, stderr};\n"), None);
        assert_eq!(merge_rust(stderr, "use std::io::{Write, stderr};\n", ""), None);
    }

    #[test]
    fn dependencies_of_both_sides_are_sorted_in_unless_they_differ() {
        let (nix, thiserror) = ("nix.workspace = true\n", "thiserror.workspace = true\n");
        let nix_fs = "nix = { workspace = true, features = [\"fs\"] }\n";
        assert_eq!(merge_manifest("", thiserror, nix).unwrap(), format!("{nix}{thiserror}"));
        assert_eq!(merge_manifest("", nix_fs, thiserror).unwrap(), format!("{nix_fs}{thiserror}"));
        assert_eq!(merge_manifest("", nix, nix_fs), None);
    }

    #[test]
    fn what_is_already_changed_is_left_alone() {
        let ours = "use crate::console::Console;\nuse crate::guest::{ALL, load};\n";
        let (old, new) = ("use crate::guest::{MODES, load};\n", "use crate::guest::{ALL, load};\n");
        assert_eq!(merge_rust(old, ours, new).unwrap(), ours);
        assert_eq!(merge_rust("mod a;\n", "mod b;\n", "").unwrap(), "mod b;\n");
    }

    #[test]
    fn code_is_no_list() {
        assert_eq!(merge_rust("", "mod a;\n", "fn b() {}\n"), None);
        assert_eq!(merge_rust("", "mod a;\n\n", "mod b;\n"), None);
    }
}
