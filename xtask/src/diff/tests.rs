use chapter_diff::{Counts, File, count};

use super::*;

fn compare(old: &Tree, new: &Tree) -> Vec<File> {
    chapter_diff::compare(old, new, View::Patch)
}

fn tree(files: &[(&str, &str)]) -> Tree {
    files.iter().map(|(path, text)| (path.into(), text.as_bytes().to_vec())).collect()
}

const HELPER: &str = "\
fn helper(number: u32) -> u32 {
    let double = number * 2;

    double + 1
}
";

fn kept(name: &str) -> String {
    format!("fn {name}() {{\n    println!(\"this is {name}\");\n}}\n")
}

#[test]
fn a_function_that_moved_to_another_file_is_marked() {
    let old = tree(&[("src/main.rs", &format!("{}\n{HELPER}\n{}", kept("one"), kept("two")))]);
    let new = tree(&[
        ("src/helper.rs", HELPER),
        ("src/main.rs", &format!("mod helper;\n\n{}\n{}", kept("one"), kept("two"))),
    ]);
    let files = compare(&old, &new);
    assert_eq!(
        files.iter().map(count).collect::<Vec<_>>(),
        [
            Counts { added: 0, removed: 0, moved: 5 },
            // The blank line that parted the function from the next one, and the new `mod`.
            Counts { added: 2, removed: 1, moved: 0 }
        ]
    );
    assert_eq!(
        print::hunks("ch02-b", Some("ch01-a"), &files, false),
        r#"--- /dev/null
+++ ch02-b/src/helper.rs
@@ -0,0 +1,5 @@
@@ moved from src/main.rs:5 @@
>fn helper(number: u32) -> u32 {
>    let double = number * 2;
>
>    double + 1
>}
--- ch01-a/src/main.rs
+++ ch02-b/src/main.rs
@@ -1,13 +1,9 @@
+mod helper;
+
 fn one() {
     println!("this is one");
 }
 
@@ moved to src/helper.rs:1 @@
<fn helper(number: u32) -> u32 {
<    let double = number * 2;
<
<    double + 1
<}
-
 fn two() {
     println!("this is two");
 }
"#
    );
}

#[test]
fn a_block_that_was_indented_is_marked_and_stray_lines_are_not() {
    let block = "    let report = report(&registers);\n    eprintln!(\"{report}\");\n";
    let indented = block.replace("    ", "        ");
    let old = tree(&[("a.rs", &format!("fn main() {{\n{block}    done();\n}}\n"))]);
    let new = tree(&[(
        "a.rs",
        &format!("fn main() {{\n    if verbose {{\n{indented}        done();\n    }}\n}}\n"),
    )]);
    let files = compare(&old, &new);
    assert_eq!(count(&files[0]), Counts { added: 2, removed: 0, moved: 3 });

    let old = tree(&[("a.rs", "use crate::registers::Registers;\n}\n}\n"), ("b.rs", "x\n")]);
    let new = tree(&[("a.rs", "x\n"), ("b.rs", "use crate::registers::Registers;\nx\n}\n}\n")]);
    assert!(compare(&old, &new).iter().all(|file| count(file).moved == 0));
}

#[test]
fn lines_that_moved_within_a_file_are_counted_once() {
    let old = tree(&[("a.rs", &format!("{HELPER}{}{}", kept("one"), kept("two")))]);
    let new = tree(&[("a.rs", &format!("{}{}{HELPER}", kept("one"), kept("two")))]);
    assert_eq!(count(&compare(&old, &new)[0]), Counts { added: 0, removed: 0, moved: 5 });
}

#[test]
fn a_new_function_begins_with_its_own_first_line() {
    let old = format!("{}\n{}", kept("one"), kept("two"));
    let new = format!("{}\n{}\n{}", kept("one"), kept("three"), kept("two"));
    let files = compare(&tree(&[("a.rs", &old)]), &tree(&[("a.rs", &new)]));
    let hunks = print::hunks("ch02-b", Some("ch01-a"), &files, false);
    assert!(hunks.contains("\n }\n \n+fn three() {\n"), "{hunks}");
}

#[test]
fn the_table_counts_rust_apart_and_holds_it_against_the_budget() {
    let old = tree(&[("Cargo.toml", "name = \"a\"\n"), ("src/main.rs", "one\ntwo\nthree\n")]);
    let new = tree(&[
        ("Cargo.toml", "name = \"b\"\nlibc\n"),
        ("src/main.rs", "one\n2\nthree\n"),
        ("src/new.rs", &"line\n".repeat(249)),
    ]);
    let files = compare(&old, &new);
    let (text, within_budget) = table::table("ch02-b", Some("ch01-a"), &files);
    assert_eq!(
        text,
        "\
ch02-b, against ch01-a
              added  removed  moved
Cargo.toml        2        1      0
src/main.rs       1        1      0
src/new.rs      249        0      0
all             252        2      0
Rust            250        1      0
250 of 250 lines of Rust: within the budget
"
    );
    assert!(within_budget);

    let (text, within_budget) = table::table("ch02-b", None, &compare(&Tree::new(), &new));
    assert!(text.ends_with("252 of 250 lines of Rust: 2 too many, make two steps of it\n"));
    assert!(!within_budget);
}

#[test]
fn the_first_chapter_is_all_new() {
    let files = compare(&Tree::new(), &tree(&[("a.rs", "one\ntwo")]));
    assert_eq!(
        print::hunks("ch01-a", None, &files, false),
        "--- /dev/null\n+++ ch01-a/a.rs\n@@ -0,0 +1,2 @@\n+one\n+two\n\
         \\ No newline at end of file\n"
    );
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    let files = compare(&tree(&[("a.rs", "one\n")]), &tree(&[("a.rs", "two\n")]));
    let colored = print::hunks("ch02-b", Some("ch01-a"), &files, true);
    assert!(colored.contains("\x1b[31m-one\x1b[0m\n\x1b[32m+two\x1b[0m\n"), "{colored:?}");
    assert!(!print::hunks("ch02-b", Some("ch01-a"), &files, false).contains('\x1b'));
}

#[test]
fn what_is_no_text_is_only_named() {
    let binary = |byte| Tree::from([("logo.png".into(), vec![0xff, byte])]);
    let files = compare(&binary(1), &binary(2));
    assert_eq!(
        print::hunks("ch02-b", Some("ch01-a"), &files, false),
        "ch01-a/logo.png and ch02-b/logo.png differ\n"
    );
}
