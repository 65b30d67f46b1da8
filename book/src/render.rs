//! Pages with their directives expanded.
//!
//! What a directive stands for is HTML in one line: Markdown ends a block of HTML at a blank line,
//! and line ends within code are written as `&#10;`.

mod diff;
mod highlight;
mod listing;
mod output;
mod svg;

use pulldown_cmark::{Parser, html};

use crate::book::Book;
use crate::check::{code_chapter, table};
use crate::directive::Directive;
use crate::page::{Fence, Page};
use crate::problem::Mistake;
use crate::replay::Replay;
use crate::{excerpt, figure};

pub use highlight::Highlighter;

/// The page in Markdown and HTML. A directive that is wrong stands there with what is wrong.
pub fn expand(book: &Book, page: &Page, highlighter: &Highlighter) -> String {
    let change = book.change(page.name());
    let replay = change.and_then(|change| book.replay(change));
    let renderer = Renderer { book, page, replay, highlighter };
    let mut directives = page.directives.iter().peekable();
    let mut fences = page.fences.iter().filter(|fence| fence.is_flush).peekable();
    let mut text = String::new();
    let mut lines = page.text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if let Some((_, directive)) = directives.next_if(|(at, _)| *at == index + 1) {
            let block =
                renderer.directive(index + 1, directive).unwrap_or_else(|mistake| wrong(&mistake));
            text += &format!("\n{block}\n\n");
        } else if let Some(fence) = fences.next_if(|fence| fence.line == index + 1) {
            text += &format!("\n{}\n\n", renderer.fence(fence));
            // Its lines, and its end.
            lines.nth(fence.lines.len());
        } else {
            text += line;
            text.push('\n');
        }
    }
    text
}

/// What stands where a directive is wrong, until it is mended.
fn wrong((what, advice): &Mistake) -> String {
    format!("<div class=\"wrong\"><strong>{}</strong> {}</div>", one_line(what), one_line(advice))
}

struct Renderer<'a> {
    book: &'a Book,
    page: &'a Page,
    replay: Option<Replay>,
    highlighter: &'a Highlighter,
}

impl Renderer<'_> {
    fn directive(&self, line: usize, directive: &Directive) -> Result<String, Mistake> {
        let root = &self.book.checkout.root;
        match directive {
            Directive::Diff { target, .. } => {
                let change = self.book.change(self.page.name());
                let blocks = self.replay.iter().flat_map(|replay| &replay.blocks);
                let block = blocks.into_iter().find(|block| block.line == line);
                match (change, block) {
                    (Some(change), Some(block)) => Ok(diff::html(change, block, self.highlighter)),
                    (Some(change), None) => Err(change.find(target).err().unwrap_or_else(|| {
                        ("the diff".to_owned(), "it is shown only in its section".to_owned())
                    })),
                    (None, _) => Err(("the diff".to_owned(), "this is no chapter's page".into())),
                }
            }
            Directive::Omit { target, reason } => Ok(format!(
                "<p class=\"omitted\">Not shown: <code>{}{}</code>. {}</p>",
                escape(&target.file),
                escape(&target.items.iter().map(|item| format!(" {item}")).collect::<String>()),
                inline(reason)
            )),
            Directive::Unfinished => Ok(String::new()),
            Directive::Output { case, lines } => match self.book.snapshots.get(case) {
                Some(snapshot) => Ok(output::html(case, snapshot, lines.as_ref())),
                None => Err((format!("there is no case {case}"), String::new())),
            },
            Directive::Code { file, part, chapter } => {
                let chapter = code_chapter(self.book, self.page, chapter.as_deref())?;
                let excerpt = excerpt::find(root, chapter, file, part)?;
                Ok(listing::excerpt(&excerpt, part, self.highlighter))
            }
            Directive::Figure { name, caption } => {
                Ok(svg::html(name, &figure::find(root, name)?, caption))
            }
            Directive::Table { name } => table(self.book, name),
        }
    }

    fn fence(&self, fence: &Fence) -> String {
        match fence.info.as_str() {
            "console" => output::commands(&fence.lines),
            language => listing::typed(language, &fence.lines, self.highlighter),
        }
    }
}

/// Text for HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            // Else Markdown might see the end of a block, or mdBook something of its own.
            '\n' => escaped += "&#10;",
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text for HTML, its lines one after the other.
fn one_line(text: &str) -> String {
    escape(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A sentence in Markdown, for a caption.
fn inline(markdown: &str) -> String {
    let mut out = String::new();
    html::push_html(&mut out, Parser::new(markdown));
    let out = out.trim();
    let out = out.strip_prefix("<p>").and_then(|out| out.strip_suffix("</p>")).unwrap_or(out);
    out.replace('\n', " ")
}
