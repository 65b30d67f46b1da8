//! No `unsafe` but where `unsafe.toml` says, each with its reason: a place that is new, or gone, or has
//! more of it or less, is an error.
#![allow(clippy::unwrap_used, reason = "it is a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use toml_edit::{DocumentMut, Table};

/// How often `unsafe` is in Rust code. In comments and texts it is only a word.
fn count(code: &str) -> usize {
    fn of(tokens: TokenStream) -> usize {
        let count = |token| match token {
            TokenTree::Ident(word) => usize::from(word == "unsafe"),
            TokenTree::Group(group) => of(group.stream()),
            _ => 0,
        };
        tokens.into_iter().map(count).sum()
    }
    of(code.parse().expect("the compiler has read it"))
}

/// All Rust files below `folder`, by their path from `root`.
fn add_files(root: &Path, folder: &Path, found: &mut BTreeMap<String, usize>) {
    for entry in fs::read_dir(folder).expect("the sources can be listed") {
        let path = entry.expect("the sources can be listed").path();
        let name = path.strip_prefix(root).expect("it is below").display().to_string();
        let is_ours = !name.starts_with("target") && !name.starts_with('.');
        if path.is_dir() && is_ours {
            add_files(root, &path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let count = count(&fs::read_to_string(&path).expect("it is text"));
            if count > 0 {
                found.insert(name, count);
            }
        }
    }
}

/// The places in the list. A `file` of chapters is in each of them and of their solutions.
fn listed(root: &Path) -> BTreeMap<String, usize> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("unsafe.toml");
    let list: DocumentMut = fs::read_to_string(&path).unwrap().parse().unwrap();
    let places = list["place"].as_array_of_tables().expect("[[place]]");
    let mut found = BTreeMap::new();
    for place in places {
        let text = |key: &str| place.get(key).and_then(|it| it.as_str()).map(str::to_owned);
        let file = text("file").expect("each place has a file");
        let reason = text("reason").unwrap_or_default();
        assert!(reason.len() > 20, "{file}: without a reason");
        let count = place.get("count").and_then(|it| it.as_integer()).expect("a count");
        let files = if place.contains_key("chapters") {
            of_chapters(root, place, &file)
        } else {
            vec![file]
        };
        for file in files {
            let before = found.insert(file.clone(), usize::try_from(count).unwrap());
            assert_eq!(before, None, "{file} is in the list twice");
        }
    }
    found
}

fn of_chapters(root: &Path, place: &Table, file: &str) -> Vec<String> {
    let numbers = place["chapters"].as_array().expect("the first and the last");
    let numbers: Vec<_> = numbers.iter().map(|it| it.as_integer().expect("a number")).collect();
    let [first, last] = numbers[..] else { panic!("{file}: chapters = [first, last]") };
    let mut files = Vec::new();
    for folder in ["chapters", "solutions"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let number = name.get(2..4).and_then(|digits| digits.parse().ok());
            if number.is_some_and(|number: i64| first <= number && number <= last) {
                files.push(format!("{folder}/{name}/src/{file}"));
            }
        }
    }
    files
}

#[test]
fn unsafe_is_only_where_the_list_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut found = BTreeMap::new();
    add_files(&root, &root, &mut found);
    let listed = listed(&root);
    let mut wrong = Vec::new();
    for (file, count) in &found {
        match listed.get(file) {
            Some(expected) if expected == count => {}
            Some(expected) => wrong.push(format!("{file}: {count} unsafe, {expected} in the list")),
            None => wrong.push(format!("{file}: {count} unsafe, none in the list")),
        }
    }
    let gone = listed.keys().filter(|file| !found.contains_key(*file));
    wrong.extend(gone.map(|file| format!("{file}: in the list, but has none")));
    assert!(wrong.is_empty(), "tests/fuzz/unsafe.toml:\n  {}", wrong.join("\n  "));
}

#[test]
fn words_in_comments_and_texts_do_not_count() {
    assert_eq!(count("/// unsafe\nfn f() { let a = \"unsafe\"; /* unsafe */ }"), 0);
    assert_eq!(count("#[unsafe(no_mangle)] unsafe fn f() { m! { unsafe { g() } } }"), 3);
}
