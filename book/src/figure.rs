//! Where a page's figures come from: our own code, or a file drawn by hand.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::figures;
use crate::problem::Mistake;

/// The figures drawn by hand, in the checkout.
pub const FOLDER: &str = "book/figures";

/// The `<svg>` of this name.
pub fn find(checkout: &Path, name: &str) -> Result<String, Mistake> {
    let failed = |error: anyhow::Error| (format!("figure {name}: {error:#}"), String::new());
    if let Some(drawn) = figures::draw(name, checkout) {
        return drawn.map_err(failed);
    }
    let path = checkout.join(FOLDER).join(format!("{name}.svg"));
    if path.is_file() {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string());
        // An XML declaration is not for HTML.
        return text.map_err(failed).and_then(|text| match text.find("<svg") {
            Some(start) => Ok(text[start..].trim_end().to_owned()),
            None => Err(failed(anyhow::anyhow!("{}: no <svg> in it", path.display()))),
        });
    }
    let all: Vec<_> = all(checkout);
    Err((
        format!("there is no figure {name}"),
        format!("draw {FOLDER}/{name}.svg, or take one of: {}", all.join(", ")),
    ))
}

fn all(checkout: &Path) -> Vec<String> {
    let mut names: Vec<String> = figures::NAMES.iter().map(|name| (*name).to_owned()).collect();
    for entry in fs::read_dir(checkout.join(FOLDER)).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_svg = path.extension().is_some_and(|extension| extension == "svg");
        if let Some(stem) = path.file_stem().filter(|_| is_svg) {
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    names.sort();
    names
}

/// What is wrong with a figure for those who do not see it.
pub fn without_alternative(name: &str, svg: &str, caption: &str) -> Option<Mistake> {
    let advice = "say in words what it shows".to_owned();
    if caption.trim().is_empty() {
        return Some((format!("figure {name}: an empty caption"), advice));
    }
    let title = svg.split_once("<title").and_then(|(_, rest)| rest.split_once('>'));
    let title = title.and_then(|(_, rest)| rest.split_once("</title>")).map(|(title, _)| title);
    let has_title = title.is_some_and(|title| !title.trim().is_empty());
    (!has_title).then(|| (format!("figure {name}: the <svg> has no <title>"), advice))
}
