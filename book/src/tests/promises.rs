//! Sections, lengths, outputs, links: each broken once.

use super::fixture::Fixture;

const PAGE: &str = "book/pages/ch02-two.md";
const PREFACE: &str = "book/pages/preface.md";

/// What `check` says of the book once `from` is `to` in a file.
#[track_caller]
fn spoilt(file: &str, from: &str, to: &str) -> String {
    let book = Fixture::new();
    book.replace(file, from, to);
    book.the_problem()
}

#[test]
fn a_missing_section() {
    let problem = spoilt(PAGE, "## Lab\n\nPrint another number.\n", "");
    assert!(problem.starts_with("pages/ch02-two.md: the section \"## Lab\" is missing\n  the sec"));
}

#[test]
fn a_misspelled_section() {
    let book = Fixture::new();
    book.replace(PAGE, "## Break it", "## Break It");
    let problems = book.problems();
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(problems[0].contains("the section \"## Break it\" is missing"));
    assert!(problems[1].contains("md:59: ## Break It: the template has no such section"));
}

#[test]
fn a_misplaced_section() {
    let book = Fixture::new();
    book.replace(PAGE, "## Lab\n\nPrint another number.\n", "");
    book.replace(PAGE, "## Predict", "## Lab\n\nPrint another number.\n\n## Predict");
    let problems = book.problems();
    assert!(problems[0].contains("misplaced, or there twice"), "{problems:#?}");
}

#[test]
fn a_section_without_what_it_promises() {
    for (from, to, expected) in [
        ("- run it\n", "", "## You will be able to: 2 points"),
        ("Print another number.\n", "", "## Lab: nothing in it"),
        ("{{#figure machine", "`{{#figure` machine", "## The machine so far: no figure"),
        ("<details><summary>Why?</summary>\n\nTo see it.\n\n</details>\n", "", "2 folded answers"),
    ] {
        let problem = spoilt(PAGE, from, to);
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn a_title_of_another_form() {
    let problem = spoilt(PAGE, "# 2. Two", "# Two");
    assert_eq!(
        problem,
        "pages/ch02-two.md:1: # Two: not a chapter's title\n  begin the page with `# 2. Title`, once"
    );
}

#[test]
fn too_many_words() {
    let book = Fixture::new();
    let words = "number ".repeat(2438);
    book.replace(PAGE, "Print another number.", &words);
    assert!(book.the_problem().starts_with("pages/ch02-two.md: 2501 words, 2500 are the most"));
    // Code, output and directives are no words.
    let book = Fixture::new();
    book.replace(PAGE, "Print another", &format!("```rust\n{words}\n```\n\nPrint another"));
    assert_eq!(book.problems(), [""; 0]);
}

#[test]
fn too_many_added_lines() {
    let book = Fixture::new();
    let constants: String = (0..226).map(|n| format!("pub const N{n}: u8 = 0;\n")).collect();
    book.replace(
        "chapters/ch02-two/src/number.rs",
        "/// A number.\n",
        &format!("{constants}///\n"),
    );
    book.replace(PAGE, "### Counting", "### Counting\n\n{{#diff src/number.rs}}\n");
    let report = book.check().report;
    assert!(
        report.contains(
            "error: chapters/ch02-two: 251 added lines of Rust, 250 are the most\n  \
             make two steps of it\n"
        ),
        "{report}"
    );
}

#[test]
fn a_chapter_without_a_page() {
    let book = Fixture::new();
    std::fs::remove_file(book.path(PAGE)).unwrap();
    book.replace("book/pages/SUMMARY.md", "- [Two](ch02-two.md)\n", "");
    assert_eq!(
        book.the_problem(),
        "pages/ch02-two.md: no page for chapter 2\n  write it, and name it in SUMMARY.md"
    );
}

#[test]
fn the_table_of_contents_has_all_pages_and_no_others() {
    let book = Fixture::new();
    book.replace("book/pages/SUMMARY.md", "[Preface](preface.md)", "[Preface](foreword.md)");
    let problems = book.problems();
    assert!(problems[0].contains("SUMMARY.md:3: foreword.md: there is no such page"));
    assert!(problems[1].contains("preface.md: the page is not in the table of contents"));
}

#[test]
fn an_unknown_case() {
    assert_eq!(
        spoilt(PAGE, "{{#output ch02_argument}}", "{{#output ch02_arguments}}"),
        "pages/ch02-two.md:65: there is no case ch02_arguments\n  the cases of ch02: ch02, ch02_argument"
    );
}

#[test]
fn a_snapshot_that_has_changed() {
    // It lost the line that the page shows.
    let problem = spoilt("tests/snapshots/ch02.snap", "greeted 2 numbers\n", "");
    assert_eq!(
        problem,
        "pages/ch02-two.md:67: lines=3: case ch02 has 2 lines after the command\n  \
         see tests/snapshots/ch02.snap"
    );
    // The tests have seen something else, and nobody has looked at it.
    let book = Fixture::new();
    book.write("tests/snapshots/ch01.snap.new", "");
    let problem = book.the_problem();
    assert!(
        problem.starts_with(
            "pages/ch01-one.md:37: case ch01: the tests have seen something else than \
             tests/snapshots/ch01.snap\n"
        ),
        "{problem}"
    );
}

#[test]
fn output_typed_by_hand() {
    let block = |language: &str, text: &str| format!("```{language}\n{text}\n```\n\n## Lab\n");
    for (language, text, expected) in [
        ("console", "$ cargo run\nHELLO", "\"HELLO\" in a console block is no command"),
        ("text", "HELLO, NUMBER 2", "output typed by hand: \"HELLO, NUMBER 2\" is printed by case"),
        ("text", "$ cargo run", "a command in a block of text"),
        ("", "anything", "a fenced block that does not say what it is"),
    ] {
        let problem = spoilt(PAGE, "## Lab\n", &block(language, text));
        assert!(problem.contains(expected), "{problem}");
    }
    let raw = "<pre><samp>HELLO, NUMBER 7</samp></pre>\n\n## Lab\n";
    assert!(spoilt(PAGE, "## Lab\n", raw).contains("output typed by hand: \"HELLO, NUMBER 7\""));
    let indented = "    HELLO, NUMBER 7\n\n## Lab\n";
    assert!(spoilt(PAGE, "## Lab\n", indented).contains("a block of code that does not say what"));
    let forged = "<div class=\"output\" data-case=\"ch02\"><kbd>x</kbd></div>\n\n## Lab\n";
    assert!(spoilt(PAGE, "## Lab\n", forged).contains("for case ch02 is not its snapshot"));
}

#[test]
fn a_command_may_take_several_lines() {
    let book = Fixture::new();
    book.replace(
        PAGE,
        "## Lab\n",
        "```console\n$ cargo run \\\n    -p ch02-two\n\n$ ls\n```\n\n## Lab\n",
    );
    assert_eq!(book.problems(), [""; 0]);
}

#[test]
fn a_dead_link() {
    assert_eq!(
        spoilt(PREFACE, "[One](ch01-one.md)", "[One](ch01-on.md)"),
        "pages/preface.md:3: a dead link: ch01-on.md\n  \
         link to a page of the book (ch05-uart.md), or with https://"
    );
    for link in ["../../README.md", "/ch01-one.md", "print.html", "javascript:alert(1)"] {
        let problem = spoilt(PREFACE, "[One](ch01-one.md)", &format!("[One]({link})"));
        assert!(problem.starts_with("pages/preface.md:3: "), "{problem}");
    }
}

#[test]
fn a_dead_anchor() {
    for (from, to) in
        [("ch01-one.md#the-diff", "ch01-one.md#the-dif"), ("ch01-one.md)", "#nowhere)")]
    {
        let problem = spoilt(PREFACE, from, to);
        assert!(problem.starts_with("pages/preface.md:3: a dead anchor: "), "{problem}");
    }
}

#[test]
fn a_link_out_of_the_book_has_the_form_of_one() {
    let problem = spoilt(PREFACE, "https://doc.rust-lang.org/cargo/", "https:/doc.rust-lang.org");
    assert!(problem.contains("https:/doc.rust-lang.org: not the form of a link"), "{problem}");
}

#[test]
fn a_figure_without_words() {
    let problem = spoilt(PAGE, "\"A `number`, and where it goes.\"", "\" \"");
    assert!(problem.contains("md:15: figure machine: an empty caption"), "{problem}");

    let book = Fixture::new();
    book.replace("book/figures/machine.svg", "<title>A number</title>", "");
    let problems = book.problems();
    assert_eq!(problems.len(), 2, "one for each page: {problems:#?}");
    assert!(problems[0].contains("figure machine: the <svg> has no <title>"), "{problems:#?}");

    let book = Fixture::new();
    book.write("book/pages/one.svg", book.read("book/figures/machine.svg"));
    book.replace(PREFACE, "# Preface\n", "# Preface\n\n![](one.svg)\n");
    let problem = book.the_problem();
    assert!(
        problem.starts_with("pages/preface.md:3: one.svg: an image without a text"),
        "{problem}"
    );
}

#[test]
fn mdbooks_warnings_count() {
    let problem = spoilt(PAGE, "Print another number.", "Print <b>another number.");
    assert!(
        problem.starts_with("pages/ch02-two.md: mdBook warns: unclosed HTML tag `<b>`"),
        "{problem}"
    );
}

#[test]
fn one_page_alone() {
    let book = Fixture::new();
    book.replace(PAGE, "# 2. Two", "# Two");
    assert!(crate::check(book.checkout(), &["ch01".to_owned()]).unwrap().is_good);
    assert!(!crate::check(book.checkout(), &["ch02".to_owned()]).unwrap().is_good);
}
