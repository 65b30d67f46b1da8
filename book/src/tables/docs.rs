//! The doc comments of constants.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use syn::{Attribute, Expr, Item, Lit, Meta};

/// The constants of a file by name, each with its doc comment, in the file's order.
///
/// # Errors
///
/// If the file cannot be read, or is not Rust.
pub fn constants(checkout: &Path, file: &str) -> Result<Vec<(String, String)>> {
    let source = fs::read_to_string(checkout.join(file)).with_context(|| file.to_owned())?;
    let parsed = syn::parse_file(&source).with_context(|| format!("{file} is not Rust"))?;
    let constants = parsed.items.iter().filter_map(|item| match item {
        Item::Const(item) => Some((item.ident.to_string(), doc(&item.attrs))),
        _ => None,
    });
    Ok(constants.collect())
}

/// The lines of a doc comment, as one. What it links to is no link elsewhere.
fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<_> = lines.collect();
    lines.join(" ").replace("[`", "`").replace("`]", "`")
}
