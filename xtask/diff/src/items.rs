//! Which lines of a file belong to which item.
//!
//! Every line belongs to exactly one. Doc comments, attributes and comments belong to the item that
//! they stand before, and so does a blank line.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use syn::spanned::Spanned;
use syn::{ImplItem, Type};

/// Lines of one item, without a gap. An `impl` block has several, between its methods.
#[derive(Debug)]
pub struct Segment {
    /// What it is found by in another version of the file.
    pub id: String,
    pub item: Arc<str>,
    /// Positions in the file's list of lines, from 0.
    pub lines: Range<usize>,
}

/// Lines of an item of a Rust file, without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// `run`, `Vcpu::run`, `impl Vcpu`, `use`, ...; nothing for a whole file that is not Rust.
    pub name: String,
    /// Positions in the file's list of lines, from 0.
    pub lines: Range<usize>,
}

/// The items of a file, in their order. An item that is in pieces is there more than once.
pub fn items(path: &Path, text: &str) -> Vec<Item> {
    let segments = segments(path, text).into_iter();
    segments.map(|it| Item { name: it.item.to_string(), lines: it.lines }).collect()
}

/// The segments of a file: together all its lines.
pub fn segments(path: &Path, text: &str) -> Vec<Segment> {
    let all = text.split_inclusive('\n').count();
    let is_rust = path.extension().is_some_and(|extension| extension == "rs");
    match is_rust.then(|| syn::parse_file(text)) {
        Some(Ok(file)) => of_rust(&file, all),
        // Text of another kind, or Rust that does not compile: one item.
        _ => whole(text),
    }
}

/// A file seen as one item without a name.
pub fn whole(text: &str) -> Vec<Segment> {
    let lines = 0..text.split_inclusive('\n').count();
    vec![Segment { id: String::new(), item: "".into(), lines }]
}

#[derive(Default)]
struct Segments {
    list: Vec<Segment>,
    /// Lines that have found their item.
    done: usize,
}

impl Segments {
    /// Gives the lines up to number `last`, from 1, to an item.
    fn up_to(&mut self, last: usize, id: &str, item: &str) {
        let lines = self.done..last;
        if lines.is_empty() {
            return; // an item that shares its lines with the one before
        }
        self.done = last;
        match self.list.last_mut() {
            Some(previous) if previous.id == id => previous.lines.end = last,
            _ => self.list.push(Segment { id: id.to_owned(), item: item.into(), lines }),
        }
    }
}

fn of_rust(file: &syn::File, all: usize) -> Vec<Segment> {
    let mut segments = Segments::default();
    if let Some(last) = file.attrs.last() {
        segments.up_to(last.span().end().line, "doc", "doc");
    }
    for item in &file.items {
        let last = item.span().end().line;
        match item {
            syn::Item::Impl(block) => of_impl(&mut segments, block),
            other => {
                let name = name(other);
                segments.up_to(last, &name, &name);
            }
        }
    }
    match segments.list.last_mut() {
        Some(last) => last.lines.end = all,
        None => segments.up_to(all, "doc", "doc"),
    }
    segments.list
}

fn of_impl(segments: &mut Segments, block: &syn::ItemImpl) {
    let owner = type_name(&block.self_ty);
    let name = match &block.trait_ {
        Some((path, _)) => format!("impl {} for {owner}", last_name(path)),
        None => format!("impl {owner}"),
    };
    let last = block.span().end().line;
    segments.up_to(block.brace_token.span.open().start().line, &name, &name);
    for member in &block.items {
        let member_name = match member {
            ImplItem::Const(it) => it.ident.to_string(),
            ImplItem::Fn(it) => it.sig.ident.to_string(),
            ImplItem::Type(it) => it.ident.to_string(),
            _ => continue,
        };
        let end = member.span().end().line;
        if end < last {
            let id = format!("{name} {member_name}");
            segments.up_to(end, &id, &format!("{owner}::{member_name}"));
        }
    }
    segments.up_to(last, &name, &name);
}

fn name(item: &syn::Item) -> String {
    let name = match item {
        syn::Item::Const(it) => &it.ident,
        syn::Item::Enum(it) => &it.ident,
        syn::Item::Fn(it) => &it.sig.ident,
        syn::Item::Macro(it) => match &it.ident {
            Some(name) => name,
            None => return last_name(&it.mac.path),
        },
        syn::Item::Mod(it) if it.content.is_some() => &it.ident,
        syn::Item::Static(it) => &it.ident,
        syn::Item::Struct(it) => &it.ident,
        syn::Item::Trait(it) => &it.ident,
        syn::Item::TraitAlias(it) => &it.ident,
        syn::Item::Type(it) => &it.ident,
        syn::Item::Union(it) => &it.ident,
        syn::Item::Mod(_) => return "mod".to_owned(),
        syn::Item::Use(_) | syn::Item::ExternCrate(_) => return "use".to_owned(),
        syn::Item::ForeignMod(_) => return "extern".to_owned(),
        _ => return "other".to_owned(),
    };
    name.to_string()
}

fn type_name(kind: &Type) -> String {
    match kind {
        Type::Path(it) => last_name(&it.path),
        Type::Reference(it) => type_name(&it.elem),
        _ => "other".to_owned(),
    }
}

/// `Vcpu` of `crate::vcpu::Vcpu<'a>`.
fn last_name(path: &syn::Path) -> String {
    path.segments.last().map_or_else(String::new, |segment| segment.ident.to_string())
}
