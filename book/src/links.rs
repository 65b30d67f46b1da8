//! The rendered book: links that lead nowhere, and output that is no snapshot's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use scraper::{ElementRef, Html, Selector};

use crate::book::Book;
use crate::problem::{Mistake, Problem};
use crate::snapshot::Snapshot;

/// What mdBook makes of all pages together, or for itself.
const NOT_PAGES: [&str; 2] = ["print.html", "toc.html"];

/// A page of the site.
struct Rendered {
    html: Html,
    ids: BTreeSet<String>,
}

/// What is wrong with the site that was made from the book.
pub fn check(book: &Book, site: &Path) -> Result<Vec<Problem>> {
    let mut rendered = BTreeMap::new();
    for (name, page) in &book.pages {
        let file = format!("{name}.html");
        let path = site.join(&file);
        // Not in the table of contents, which is a problem of its own.
        if path.is_file() {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let html = Html::parse_document(&text);
            let ids = attributes(&html, "[id]", "id").into_iter().collect();
            rendered.insert(file, (page, Rendered { html, ids }));
        }
    }

    let mut problems = Vec::new();
    for (file, (page, Rendered { html, .. })) in &rendered {
        let mut wrong = |sought: &str, mistake: Mistake| {
            problems.push(page.problem(line_of(&page.text, sought), mistake));
        };
        for (selector, attribute) in [("main a[href]", "href"), ("main img[src]", "src")] {
            for link in attributes(html, selector, attribute) {
                let leads_to = |target: &str, anchor: &str| {
                    let target = if target.is_empty() { file } else { target };
                    match rendered.get(target) {
                        Some((_, page)) => anchor.is_empty() || page.ids.contains(anchor),
                        None => {
                            anchor.is_empty()
                                && !NOT_PAGES.contains(&target)
                                && site.join(target).is_file()
                        }
                    }
                };
                if let Some(mistake) = link_mistake(&link, &leads_to) {
                    wrong(&link, mistake);
                }
            }
        }
        for image in elements(html, "main img") {
            if image.attr("alt").is_none_or(|alt| alt.trim().is_empty()) {
                let source = image.attr("src").unwrap_or_default();
                let what = format!("{source}: an image without a text alternative");
                wrong(source, (what, "write ![what it shows](...)".to_owned()));
            }
        }
        for block in elements(html, "main .output[data-case]") {
            let case = block.attr("data-case").unwrap_or_default();
            if !book.snapshots.get(case).is_some_and(|snapshot| shows(&block, snapshot)) {
                let what = format!("the output shown for case {case} is not its snapshot");
                wrong(case, (what, "show it with {{#output CASE}} and nothing else".to_owned()));
            }
        }
        for samp in elements(html, "main samp") {
            let is_ours = samp
                .ancestors()
                .filter_map(ElementRef::wrap)
                .any(|element| element.attr("data-case").is_some());
            if !is_ours {
                let text: String = samp.text().collect();
                let what = format!("output typed by hand: {:?}", text.trim());
                wrong(text.trim(), (what, "show it with {{#output CASE}}".to_owned()));
            }
        }
        for code in elements(html, "main pre > code:not([class*=language-])") {
            let text: String = code.text().collect();
            let first = text.trim().lines().next().unwrap_or_default();
            let what = format!("a block of code that does not say what it is: {first:?}");
            wrong(first, (what, "fence it: ```text, ```rust, ...".to_owned()));
        }
    }
    Ok(problems)
}

fn elements<'a>(html: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    Selector::parse(selector).map_or(Vec::new(), |selector| html.select(&selector).collect())
}

fn attributes(html: &Html, selector: &str, attribute: &str) -> Vec<String> {
    let value = |element: ElementRef| element.attr(attribute).map(str::to_owned);
    elements(html, selector).into_iter().filter_map(value).collect()
}

fn link_mistake(link: &str, leads_to: &dyn Fn(&str, &str) -> bool) -> Option<Mistake> {
    if let Some((scheme, rest)) = link.split_once(':')
        && scheme.chars().all(|c| c.is_ascii_alphanumeric())
    {
        let host = rest.strip_prefix("//").map(|rest| rest.split(['/', '?', '#']).next());
        let is_good = match (scheme, host) {
            ("http" | "https", Some(Some(host))) => {
                host.contains('.') && !link.contains(char::is_whitespace)
            }
            ("mailto", _) => rest.contains('@'),
            _ => false,
        };
        let advice = "write https://HOST/PATH, without blanks";
        return (!is_good).then(|| (format!("{link}: not the form of a link"), advice.to_owned()));
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = normal(path)?;
    if leads_to(&target, "") {
        let exists = leads_to(&target, &percent_decoded(anchor));
        return (!exists).then(|| {
            let advice = "an anchor is a heading in lower case, blanks are -, other signs left out";
            (format!("a dead anchor: {} has no #{anchor}", as_written(path)), advice.to_owned())
        });
    }
    let advice = "link to a page of the book (ch05-uart.md), or with https://";
    Some((format!("a dead link: {}", as_written(link)), advice.to_owned()))
}

/// The path of a link as a name in the site.
fn normal(path: &str) -> Option<String> {
    let mut normal = PathBuf::new();
    for component in Path::new(&percent_decoded(path)).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir => normal.push("outside the book"),
            other => normal.push(other),
        }
    }
    normal.to_str().map(str::to_owned)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// As in the page, where mdBook has not yet changed it.
fn as_written(link: &str) -> String {
    link.replacen(".html", ".md", 1)
}

/// The line of the page that has this in it, as it is or as mdBook found it; 0 if none has.
fn line_of(page: &str, sought: &str) -> usize {
    let has_it = |line: &str| line.contains(sought) || line.contains(&as_written(sought));
    let line = page.lines().position(|line| !sought.is_empty() && has_it(line));
    line.map_or(0, |index| index + 1)
}

/// Whether a block shows the command and lines of a snapshot, in their order, and no others.
fn shows(block: &ElementRef, snapshot: &Snapshot) -> bool {
    let texts = |selector: &str| -> Vec<String> {
        let Ok(selector) = Selector::parse(selector) else {
            return Vec::new();
        };
        block.select(&selector).map(|element| element.text().collect()).collect()
    };
    let mut lines = snapshot.lines();
    texts("kbd") == [snapshot.command.clone()]
        && texts("samp").iter().all(|shown| {
            let shown = shown.strip_suffix('\n').unwrap_or(shown);
            lines.any(|line| line == shown)
        })
}
