//! All figures, as a reader's program reads them.

use std::fs;
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node};

use super::metrics::{SIZE, SMALL};
use super::{NAMES, draw};

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn svg(name: &str) -> String {
    draw(name, &checkout()).expect(name).unwrap_or_else(|error| panic!("{name}: {error:#}"))
}

fn number(node: Node, attribute: &str) -> f64 {
    node.attribute(attribute).and_then(|value| value.parse().ok()).expect(attribute)
}

#[test]
fn each_figure_says_what_it_shows() {
    for name in NAMES {
        let svg = svg(name);
        let document = Document::parse(&svg).unwrap_or_else(|error| panic!("{name}: {error}"));
        let root = document.root_element();
        assert_eq!(
            (root.tag_name().name(), root.attribute("role")),
            ("svg", Some("img")),
            "{name}"
        );
        for (kind, least, by) in
            [("title", 10, "aria-labelledby"), ("desc", 40, "aria-describedby")]
        {
            let node = root
                .children()
                .find(|child| child.has_tag_name(("http://www.w3.org/2000/svg", kind)));
            let node = node.unwrap_or_else(|| panic!("{name} has no {kind}"));
            let text = node.text().unwrap_or_default();
            assert!(text.len() >= least, "{name}: {kind} {text:?}");
            assert!(!text.contains('`'), "{name}: {text}");
            assert_eq!(node.attribute("id"), root.attribute(by), "{name}");
            assert!(node.attribute("id").is_some(), "{name}");
        }
        // Markdown would end the HTML there.
        assert!(!svg.contains("\n\n"), "{name}");
    }
}

/// By an estimate of its own: half the size for each character is what most letters need.
#[test]
fn no_text_is_outside() {
    for name in NAMES {
        let svg = svg(name);
        let document = Document::parse(&svg).unwrap();
        let root = document.root_element();
        let (width, height) = (number(root, "width"), number(root, "height"));
        assert_eq!(root.attribute("viewBox"), Some(format!("0 0 {width} {height}").as_str()));
        assert!(width <= 760.0, "{name} is {width} wide");
        let texts: Vec<_> =
            root.descendants().filter(|node| node.tag_name().name() == "text").collect();
        assert!(!texts.is_empty(), "{name} has no text");
        for node in texts {
            let runs = node.descendants().filter(|node| node.is_text());
            let text: String = runs.filter_map(|run| run.text()).collect();
            let room = text.chars().count() as f64 * SMALL / 2.0;
            let left = match node.attribute("text-anchor") {
                Some("middle") => number(node, "x") - room / 2.0,
                Some("end") => number(node, "x") - room,
                _ => number(node, "x"),
            };
            assert!(left >= 0.0 && left + room <= width, "{name}: {text:?} from {left}");
            let base = number(node, "y");
            assert!(base > SIZE / 2.0 && base < height, "{name}: {text:?} at {base}");
        }
    }
}

#[test]
fn unknown_names_are_none() {
    assert!(draw("machine-ch16", &checkout()).is_none());
    assert!(draw("", &checkout()).is_none());
}

/// A checkout with nothing but one chapter, with `old` in its `layout.rs` changed to `new`.
fn changed(package: &str, old: &str, new: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = checkout().join("chapters").join(package).join("src");
    let to = folder.path().join("chapters").join(package).join("src");
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let mut source = fs::read_to_string(entry.path()).unwrap();
        if entry.file_name() == "layout.rs" {
            assert!(source.contains(old), "{old}");
            source = source.replace(old, new);
        }
        fs::write(to.join(entry.file_name()), source).unwrap();
    }
    folder
}

#[test]
fn a_changed_constant_changes_the_map() {
    let before = svg("machine-ch09");
    assert!(before.contains(">0x500<") && !before.contains(">0x540<"));
    let folder = changed("ch09-protected-mode", "GuestAddress(0x500)", "GuestAddress(0x540)");
    let after = draw("machine-ch09", folder.path()).unwrap().unwrap();
    assert!(after.contains(">0x540<") && !after.contains(">0x500<"));
}

#[test]
fn a_missing_constant_is_an_error_that_names_it() {
    let folder = changed("ch09-protected-mode", "GDT_ADDRESS", "TABLE_ADDRESS");
    let error = draw("machine-ch09", folder.path()).unwrap().unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("layout.rs has no constant GDT_ADDRESS"), "{error}");
}

#[test]
fn tables_that_overlap_are_an_error() {
    let folder = changed("ch10-paging", "GuestAddress(0x600)", "GuestAddress(0x510)");
    let error = draw("machine-ch10", folder.path()).unwrap().unwrap_err().to_string();
    assert!(error.contains("GDT") && error.contains("0x510"), "{error}");
}
