//! What a reader has at the end of a step compiles.

use super::fixture::{Fixture, problems};

const PAGE: &str = "book/pages/ch02-two.md";

#[test]
fn every_finished_step_compiles() {
    let book = Fixture::new();
    let verdict = crate::steps(book.checkout(), &[]).unwrap();
    assert!(verdict.is_good, "{}", verdict.report);
    assert_eq!(
        verdict.report,
        "
          steps  unfinished  as such  compiled
ch01-one      1           0        1         0
ch02-two      4           1        1         2
(as such: the chapter itself, or the same as the step before)
no problems
"
    );
}

#[test]
fn a_step_that_does_not_compile_is_named() {
    let book = Fixture::new();
    book.replace(PAGE, "{{#diff src/main.rs item=LIMIT}}\n", "");
    book.replace(PAGE, "### Counting\n", "### Counting\n\n{{#diff src/main.rs item=greeting}}\n");
    book.replace(
        PAGE,
        "item=mod,use,main}}\n\n{{#diff src/main.rs item=greeting}}",
        "item=mod,use,LIMIT,main}}",
    );
    let verdict = crate::steps(book.checkout(), &["ch02".to_owned()]).unwrap();
    assert!(!verdict.is_good);
    let problems = problems(&verdict.report);
    let expected = "pages/ch02-two.md:45: the step \"Counting\" does not compile when it ends\n  \
                    show what it lacks in it, or mark it with {{#unfinished}}:\n  \
                    error[E0425]: cannot find function `greeting` in this scope\n";
    assert!(problems[0].starts_with(expected), "{}", verdict.report);
}

#[test]
fn a_chapter_without_a_page_has_no_good_steps() {
    let book = Fixture::new();
    std::fs::remove_file(book.path(PAGE)).unwrap();
    let verdict = crate::steps(book.checkout(), &[]).unwrap();
    assert!(!verdict.is_good);
    assert!(verdict.report.starts_with("error: book/pages/ch02-two.md: no page for chapter 2\n"));
}
