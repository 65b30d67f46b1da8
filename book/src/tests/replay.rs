//! Every hunk is shown, once, and all of them are the chapter.

use super::fixture::Fixture;

const PAGE: &str = "book/pages/ch02-two.md";

#[test]
fn the_small_book_is_good() {
    let verdict = Fixture::new().check();
    assert!(verdict.is_good, "{}", verdict.report);
    assert_eq!(
        verdict.report,
        "
            hunks shown        words  added lines
ch01-one      5/5 100 %      57/2500       14/250
ch02-two    14/14 100 %      66/2500       25/250
all         19/19 100 %          123           39
no problems
"
    );
}

#[test]
fn a_hunk_that_is_shown_nowhere() {
    let book = Fixture::new();
    book.replace(PAGE, "{{#diff src/main.rs item=LIMIT}}\n", "");
    assert_eq!(
        book.the_problem(),
        "pages/ch02-two.md: a hunk is shown nowhere: src/main.rs item=LIMIT (const LIMIT: u8 = 1;)\n  \
         add {{#diff src/main.rs item=LIMIT}}, or {{#omit src/main.rs item=LIMIT reason=\"...\"}}"
    );
    let report = book.check().report;
    assert!(report.contains("ch02-two    13/14  92 %"), "{report}");
}

#[test]
fn a_hunk_that_is_shown_twice() {
    let book = Fixture::new();
    book.replace(PAGE, "### Using it\n", "### Using it\n\n{{#diff src/main.rs item=LIMIT}}\n");
    assert_eq!(
        book.the_problem(),
        "pages/ch02-two.md:51: src/main.rs item=LIMIT: this hunk is shown in line 47 already\n  \
         show each hunk once: narrow one of the two with item= or hunk="
    );
}

#[test]
fn an_omitted_hunk_that_is_shown_all_the_same() {
    let book = Fixture::new();
    book.replace(PAGE, "### Using it\n", "### Using it\n\n{{#diff Cargo.toml}}\n");
    assert!(book.the_problem().contains("shown in line 31 already"));
}

#[test]
fn hunks_are_counted_within_their_item() {
    let book = Fixture::new();
    let whole = "item=\"Number,impl Number,Number::new,Number::greeting\" folded";
    book.replace(PAGE, whole, "item=Number");
    book.replace(
        PAGE,
        "### Counting",
        "{{#diff src/number.rs item=\"impl Number\" hunk=1}}\n\n\
         {{#diff src/number.rs item=Number::new,Number::greeting}}\n\n\
         {{#diff src/number.rs item=\"impl Number\" hunk=2-2}}\n\n### Counting",
    );
    assert_eq!(book.problems(), [""; 0]);
    book.replace(PAGE, "hunk=2-2", "hunk=2-3");
    let problems = book.problems();
    assert_eq!(
        problems[1],
        "pages/ch02-two.md:49: hunk=3: impl Number has 2 hunks\n  \
         `cargo run -p book -- hunks ch02-two` lists them"
    );
    assert!(problems[0].contains("shown nowhere: src/number.rs item=\"impl Number\" hunk=2 (})"));
}

#[test]
fn a_file_that_no_directive_can_show() {
    for (contents, why) in
        [(&b"\xff\xfe"[..], "no text"), (b"", "empty"), (b"one\r\ntwo\r\n", "other line ends")]
    {
        let book = Fixture::new();
        book.write("chapters/ch02-two/notes", contents);
        if why == "other line ends" {
            book.replace(PAGE, "### Using it\n", "### Using it\n\n{{#diff notes}}\n");
        }
        let problem = book.the_problem();
        assert!(
            problem.starts_with(
                "pages/ch02-two.md: the page's hunks do not give ch02-two byte for byte: notes: "
            ),
            "{why}: {problem}"
        );
    }
}

#[test]
fn what_does_not_exist_or_change() {
    for (from, to, problem) in [
        (
            "{{#diff src/main.rs item=LIMIT}}",
            "{{#diff src/mian.rs item=LIMIT}}",
            "src/mian.rs: there is no such file in ch02-two\n  \
             the files that change: Cargo.toml, src/main.rs, src/number.rs",
        ),
        (
            "{{#diff src/main.rs item=LIMIT}}",
            "{{#diff src/main.rs item=LIMITS}}",
            "src/main.rs: there is no item \"LIMITS\" in ch02-two\n  \
             the items that change: doc, mod, use, LIMIT, main, greeting",
        ),
    ] {
        let book = Fixture::new();
        book.replace(PAGE, from, to);
        let problems = book.problems();
        assert_eq!(problems.len(), 2, "{problems:#?}");
        assert!(problems[0].contains("shown nowhere"));
        assert_eq!(problems[1], format!("pages/ch02-two.md:47: {problem}"));
    }
}

#[test]
fn an_item_that_does_not_change() {
    let book = Fixture::new();
    let main = "chapters/ch02-two/src/main.rs";
    book.replace(main, "/// Where we stop.", "/// Where to stop.");
    book.replace("chapters/ch01-one/src/main.rs", "const LIMIT: u8 = 1;", "const LIMIT: u8 = 2;");
    book.replace("chapters/ch01-one/src/main.rs", "Where we stop", "Where to stop");
    assert_eq!(
        book.the_problem(),
        "pages/ch02-two.md:47: src/main.rs item=LIMIT: ch02-two does not change this item\n  \
         the items that change: doc, mod, use, main, greeting"
    );
}

#[test]
fn the_diff_stays_in_its_section() {
    let book = Fixture::new();
    book.replace(PAGE, "{{#diff src/main.rs item=LIMIT}}\n", "");
    book.replace(PAGE, "## Lab\n", "## Lab\n\n{{#diff src/main.rs item=LIMIT}}\n");
    let problems = book.problems();
    assert_eq!(
        problems[1],
        "pages/ch02-two.md:70: a directive of the diff outside \"## The diff\"\n  \
         move it into a step there; {{#code ...}} shows code elsewhere"
    );

    let book = Fixture::new();
    book.replace("book/pages/preface.md", "{{#code", "{{#unfinished}}\n\n{{#code");
    assert!(book.the_problem().contains("a directive of the diff on a page that is no chapter's"));
}

#[test]
fn the_last_step_is_finished() {
    let book = Fixture::new();
    book.replace(PAGE, "### Using it\n", "### Using it\n\n{{#unfinished}}\n");
    assert!(book.the_problem().contains("49: the last step is marked as unfinished"));
}

#[test]
fn the_hunks_come_with_their_directives() {
    let list = crate::hunks(&Fixture::new().checkout(), "2").unwrap();
    assert!(list.starts_with("ch02-two: 14 hunks in 3 files, 25 added lines of Rust\n"), "{list}");
    assert!(list.contains(
        "
{{#diff src/number.rs item=\"impl Number\" hunk=1}}
    +
    +impl Number {
"
    ));
    assert!(list.contains("\n{{#diff src/main.rs item=greeting}}\n    <\n    </// What to say.\n"));
    assert!(crate::hunks(&Fixture::new().checkout(), "ch03").is_err());
}
