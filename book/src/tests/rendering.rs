//! What a reader sees, and what the clipboard gets.

use scraper::{ElementRef, Html, Selector};

use super::fixture::Fixture;

fn select<'a>(html: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    html.select(&Selector::parse(selector).unwrap()).collect()
}

fn text(element: &ElementRef) -> String {
    element.text().collect()
}

/// The block with this label, and its lines as `theme/listings.js` copies them.
fn block(html: &str, label: &str) -> (String, String) {
    let html = Html::parse_document(html);
    let blocks = select(&html, ".code");
    let label_of = |block: &ElementRef| {
        let name = Selector::parse(".code-name").unwrap();
        block.select(&name).next().map(|name| text(&name)).unwrap()
    };
    let block = blocks.iter().find(|block| label_of(block) == label);
    let block =
        block.unwrap_or_else(|| panic!("{:?}", blocks.iter().map(label_of).collect::<Vec<_>>()));
    let lines = Selector::parse(".l:not(del, .note)").unwrap();
    (block.html(), block.select(&lines).map(|line| text(&line)).collect())
}

fn page(book: &Fixture, name: &str) -> String {
    assert_eq!(book.problems(), [""; 0]);
    book.html(name)
}

#[test]
fn a_whole_new_file_is_copied_as_it_is() {
    let book = Fixture::new();
    let (html, copied) = block(&page(&book, "ch01-one"), "src/main.rs (new)");
    assert_eq!(copied, book.read("chapters/ch01-one/src/main.rs"));
    assert_eq!(html.matches("<ins class=\"l\">").count(), copied.lines().count());
}

#[test]
fn items_are_shown_as_they_stand_after_the_directive() {
    let book = Fixture::new();
    let html = page(&book, "ch02-two");
    let (html_of_main, copied) = block(&html, "src/main.rs: mod, use, main");
    assert_eq!(
        copied,
        "mod number;\n\nuse crate::number::Number;\n\nfn main() {\n    for number in 1..=LIMIT {\n        \
         println!(\"{}\", Number::new(number).greeting());\n    }\n}\n"
    );
    assert!(
        html_of_main.contains("<del class=\"l\">    println!(\"{}\", greeting(LIMIT));\n</del>")
    );
    // What stands between the items is passed over.
    assert_eq!(html_of_main.matches("<span class=\"l note\">⋯\n</span>").count(), 1);
}

#[test]
fn moved_lines_say_where_they_went() {
    let book = Fixture::new();
    let html = page(&book, "ch02-two");
    let (here, copied) = block(&html, "src/number.rs: doc, greeting");
    assert!(
        here.contains("<span class=\"l note\">moved from src/main.rs: greeting\n</span>"),
        "{here}"
    );
    assert!(here.contains("<ins class=\"l moved\">"), "{here}");
    assert!(copied.ends_with("\n    words.to_uppercase()\n}\n"));
    let (gone, copied) = block(&html, "src/main.rs: greeting");
    assert!(gone.contains("moved to src/number.rs: greeting"), "{gone}");
    assert_eq!(copied, "");
}

#[test]
fn long_unchanged_runs_are_folded_and_copied_all_the_same() {
    let book = Fixture::new();
    let body: String = (0..30).map(|n| format!("    let n{n} = {n};\n")).collect();
    let function = |last: &str| format!("\n/// Long.\nfn long() {{\n{body}    {last};\n}}\n");
    for (chapter, last) in [("ch01-one", "old()"), ("ch02-two", "new()")] {
        let file = format!("chapters/{chapter}/src/main.rs");
        let text = book.read(&file) + &function(last);
        book.write(&file, text);
    }
    book.replace(
        "book/pages/ch02-two.md",
        "### Using it\n",
        "### Using it\n\n{{#diff src/main.rs item=long}}\n",
    );
    let (html, copied) = block(&page(&book, "ch02-two"), "src/main.rs: long");
    assert_eq!(copied, function("new()").trim_start());
    // All but the head, and three lines before the change.
    assert!(
        html.contains("<details class=\"fold\"><summary>27 unchanged lines</summary>"),
        "{html}"
    );
}

#[test]
fn an_output_is_what_a_terminal_shows() {
    let book = Fixture::new();
    let html = page(&book, "ch02-two");
    let html = Html::parse_document(&html);
    let blocks = select(&html, ".output[data-case]");
    let shown: Vec<_> = blocks.iter().map(|block| select_in(block, "pre").concat()).collect();
    assert_eq!(
        shown,
        [
            "$ cargo run -p ch02-two\nHELLO, NUMBER 1\nHELLO, NUMBER 2\ngreeted 2 numbers\n",
            "$ printf 'x\\n' | cargo run -p ch02-two -- --limit <3>\na guest's line\n\
             (no newline at the end)\nerror: --limit is unknown\nexit status 64\n",
            "$ cargo run -p ch02-two\n⋯\nHELLO, NUMBER 2\ngreeted 2 numbers\n",
        ]
    );
    assert_eq!(select_in(&blocks[0], ".err"), ["greeted 2 numbers\n"]);
    assert_eq!(select_in(&blocks[1], ".code-name"), ["terminal, without KVM"]);
}

fn select_in(element: &ElementRef, selector: &str) -> Vec<String> {
    element.select(&Selector::parse(selector).unwrap()).map(|found| text(&found)).collect()
}

#[test]
fn code_is_shown_whole_by_item_and_by_line() {
    let book = Fixture::new();
    book.replace(
        "book/pages/preface.md",
        "{{#code",
        "{{#code src/number.rs chapter=ch02-two item=\"impl Number\"}}\n\n\
         {{#code Cargo.toml from=\"[workspace.package]\" to=\"publish\"}}\n\n\
         {{#code Cargo.toml}}\n\n{{#code",
    );
    let html = page(&book, "preface");
    let (_, copied) = block(&html, "chapters/ch02-two/src/number.rs: impl Number");
    assert_eq!(copied, "impl Number {\n}\n");
    let blocks = Html::parse_document(&html);
    let copied: Vec<String> = select(&blocks, ".code")
        .iter()
        .map(|block| select_in(block, ".l:not(.note)").concat())
        .collect();
    assert_eq!(
        copied[1],
        "[workspace.package]\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n"
    );
    assert_eq!(copied[2], book.read("Cargo.toml"));
}

#[test]
fn a_figure_has_its_caption_and_ids_of_its_own() {
    let book = Fixture::new();
    let html = page(&book, "ch01-one");
    assert!(
        html.contains("<figcaption>A <code>number</code>, and where it goes.</figcaption>"),
        "{html}"
    );
    assert!(html.contains("<title>A number</title>"));
    assert!(html.contains("id=\"machine-arrow\"") && html.contains("url(#machine-arrow)"));
    assert!(html.contains("role=\"img\""));
}

#[test]
fn a_wrong_directive_says_so_on_the_page() {
    let book = Fixture::new();
    book.replace("book/pages/ch01-one.md", "{{#output ch01}}", "{{#output ch0}}");
    book.check();
    let html = book.html("ch01-one");
    assert!(html.contains("<div class=\"wrong\"><strong>there is no case ch0</strong>"), "{html}");
}

#[test]
fn commands_and_code_of_the_page_look_like_the_others() {
    let book = Fixture::new();
    let code = "```rust\nfn one() {}\n\nfn two() {}\n```\n\n## Lab\n";
    book.replace("book/pages/ch01-one.md", "## Lab\n", code);
    let html = page(&book, "ch01-one");
    assert_eq!(block(&html, "rust").1, "fn one() {}\n\nfn two() {}\n");
    assert!(html.contains("<kbd>cargo run -p ch02-two -- --limit '&lt;3&gt;'</kbd>"), "{html}");
    assert!(html.contains("<span class=\"k\">fn </span>"));
}
