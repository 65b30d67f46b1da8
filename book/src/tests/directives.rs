//! Directives that are wrong in themselves, and names that lead nowhere.

use super::fixture::Fixture;

/// What is said of a directive on the preface.
#[track_caller]
fn said_of(directive: &str) -> String {
    let book = Fixture::new();
    book.replace("book/pages/preface.md", "{{#code", &format!("{directive}\n\n{{{{#code"));
    let problem = book.the_problem();
    let said = problem.strip_prefix("pages/preface.md:6: ");
    said.unwrap_or_else(|| panic!("{problem}")).to_owned()
}

#[test]
fn wrong_directives_are_told_how_to_be_right() {
    for (directive, said) in [
        (
            "{{#dif src/main.rs}}",
            "{{#dif}}: there is no such directive\n  there are:\n    {{#diff FI",
        ),
        ("{{#diff}}", "there is no FILE\n  the forms are: {{#diff FILE}}, {{#diff FILE item=NAME"),
        ("{{#diff src/main.rs fold}}", "fold: the directive knows no such argument"),
        ("{{#diff src/main.rs itme=a}}", "itme=a: the directive knows no such argument"),
        ("{{#diff src/main.rs item=a,}}", "item=a,: an item has no name"),
        ("{{#diff src/main.rs item=a,b hunk=1}}", "hunk= counts within one item, and here are sev"),
        ("{{#diff src/main.rs hunk=0}}", "hunk=0: no numbers from 1, as in hunk=2"),
        ("{{#diff src/main.rs hunk=3-2}}", "hunk=3-2: no numbers from 1"),
        ("{{#diff src/main.rs", "{{#diff src/main.rs: the directive does not end with its line"),
        ("{{#diff src/main.rs item=\"a}}", "a quote is not closed"),
        ("{{#diff src/ma\"in\"}}", "src/ma\": a quote in the middle of a word"),
        ("see {{#diff src/main.rs}}", "a directive within a line\n  it stands alone"),
        ("{{#omit Cargo.toml}}", "there is no reason=\"...\""),
        ("{{#code a.rs item=a from=b}}", "both item= and from= or to="),
        ("{{#figure machine}}", "there is no \"Caption.\""),
        ("{{#figure machines \"Some.\"}}", "there is no figure machines\n  draw book/figures/mac"),
        ("{{#table nothing}}", "there is no table nothing\n  the tables:"),
        (
            "{{#code nothing.rs}}",
            "nothing.rs: there is no such file\n  a path is of the chapter, or",
        ),
        (
            "{{#code src/main.rs chapter=ch03-three}}",
            "chapter=ch03-three: there is no such chapter",
        ),
        (
            "{{#code src/main.rs chapter=ch01-one item=run}}",
            "chapters/ch01-one/src/main.rs: there is no item \"run\"\n  the items: doc, LIMIT, main, gr",
        ),
        (
            "{{#code Cargo.toml item=a}}",
            "Cargo.toml: there is no item \"a\"\n  items are of Rust; use",
        ),
        ("{{#code Cargo.toml from=\"[pack\"}}", "Cargo.toml: no line has \"[pack\"\n"),
        (
            "{{#code Cargo.toml from=\"[workspace.package]\" to=members}}",
            "Cargo.toml: no line has \"members\" there or after it\n",
        ),
    ] {
        let problem = said_of(directive);
        assert!(problem.starts_with(said), "{directive}: {problem}");
    }
}

#[test]
fn a_directive_in_a_fenced_block_or_in_backticks_is_none() {
    let book = Fixture::new();
    let text = "```text\n{{#diff nothing}}\n```\n\nAs in `{{#diff nothing}}`.\n\n{{#code";
    book.replace("book/pages/preface.md", "{{#code", text);
    assert_eq!(book.problems(), [""; 0]);
}
