//! Directives that name what does not exist.

use crate::book::Book;
use crate::directive::Directive;
use crate::page::Page;
use crate::problem::{Mistake, Problem};
use crate::{excerpt, figure, snapshot, tables};

/// What is wrong with the directives of a page. Those of the diff are `replay`'s business, where
/// there is a chapter.
pub fn check(book: &Book, page: &Page) -> Vec<Problem> {
    let is_chapter = book.change(page.name()).is_some();
    let problem = |(line, directive): &(usize, Directive)| {
        let mistake = match directive {
            Directive::Diff { .. } | Directive::Omit { .. } | Directive::Unfinished => {
                (!is_chapter).then(|| {
                    (
                        "a directive of the diff on a page that is no chapter's".to_owned(),
                        "{{#code ...}} shows code; a chapter's page is named as its package".into(),
                    )
                })
            }
            Directive::Output { case, lines } => {
                let last = lines.as_ref().map_or(0, |lines| lines.last());
                output(book, case, last)
            }
            Directive::Code { file, part, chapter } => code_chapter(book, page, chapter.as_deref())
                .and_then(|chapter| excerpt::find(&book.checkout.root, chapter, file, part))
                .err(),
            Directive::Figure { name, caption } => match figure::find(&book.checkout.root, name) {
                Ok(svg) => figure::without_alternative(name, &svg, caption),
                Err(mistake) => Some(mistake),
            },
            Directive::Table { name } => table(book, name).err(),
        };
        mistake.map(|mistake| page.problem(*line, mistake))
    };
    page.directives.iter().filter_map(problem).collect()
}

/// The chapter in whose folder a `code` directive looks first.
pub fn code_chapter<'a>(
    book: &Book,
    page: &'a Page,
    named: Option<&'a str>,
) -> Result<Option<&'a str>, Mistake> {
    match named {
        None => Ok(book.change(page.name()).map(|_| page.name())),
        Some(chapter) if book.change(chapter).is_some() => Ok(Some(chapter)),
        Some(chapter) => Err((
            format!("chapter={chapter}: there is no such chapter"),
            format!("the chapters: {}", book.checkout.chapters.join(", ")),
        )),
    }
}

fn output(book: &Book, case: &str, last: usize) -> Option<Mistake> {
    let Some(snapshot) = book.snapshots.get(case) else {
        let prefix = case.get(..4).unwrap_or(case);
        let like: Vec<_> =
            book.snapshots.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        let advice = match like.is_empty() {
            true => format!("the cases are the names of {}/*.snap", snapshot::FOLDER),
            false => format!("the cases of {prefix}: {}", like.join(", ")),
        };
        return Some((format!("there is no case {case}"), advice));
    };
    let file = format!("{}/{case}.snap", snapshot::FOLDER);
    if snapshot.is_stale {
        return Some((
            format!("case {case}: the tests have seen something else than {file}"),
            format!("look at {file}.new: take it over, or mend the chapter and delete it"),
        ));
    }
    let count = snapshot.count();
    (last > count).then(|| {
        let what = format!("lines={last}: case {case} has {count} lines after the command");
        (what, format!("see {file}"))
    })
}

/// A table in Markdown.
pub fn table(book: &Book, name: &str) -> Result<String, Mistake> {
    let Some(made) = tables::table(name, &book.checkout.root) else {
        let all = tables::NAMES.join(", ");
        return Err((format!("there is no table {name}"), format!("the tables: {all}")));
    };
    made.map_err(|error| (format!("table {name}: {error:#}"), String::new()))
}
