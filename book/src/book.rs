//! The book's sources: the pages, and all that they speak of.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chapter_diff::chapters::Checkout;

use crate::change::Change;
use crate::page::Page;
use crate::replay::{Replay, replay};
use crate::snapshot::{self, Snapshot};

/// Where the pages are in the checkout.
pub const PAGES: &str = "book/pages";

/// Everything, read once.
pub struct Book {
    pub checkout: Checkout,
    /// In the order of the chapters.
    pub changes: Vec<Change>,
    /// By their names, `SUMMARY` among them.
    pub pages: BTreeMap<String, Page>,
    pub snapshots: BTreeMap<String, Snapshot>,
}

impl Book {
    /// Reads the book of a checkout.
    pub fn read(checkout: Checkout) -> Result<Self> {
        let changes: Result<_> =
            (0..checkout.chapters.len()).map(|position| Change::of(&checkout, position)).collect();
        let pages = pages(&checkout.root)?;
        let snapshots = snapshot::all(&checkout.root)?;
        Ok(Self { changes: changes?, pages, snapshots, checkout })
    }

    /// The change that a page shows, if it is a chapter's.
    pub fn change(&self, page: &str) -> Option<&Change> {
        self.changes.iter().find(|change| change.chapter == page)
    }

    /// What a chapter's page does to the chapter before.
    pub fn replay(&self, change: &Change) -> Option<Replay> {
        self.pages.get(&change.chapter).map(|page| replay(page, change))
    }
}

fn pages(root: &Path) -> Result<BTreeMap<String, Page>> {
    let folder = root.join(PAGES);
    let mut pages = BTreeMap::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        let (Some(name), Some("md")) =
            (path.file_stem(), path.extension().and_then(|extension| extension.to_str()))
        else {
            continue;
        };
        let name = name.to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let file = PathBuf::from(PAGES).join(format!("{name}.md"));
        pages.insert(name, Page::read(file, text));
    }
    Ok(pages)
}
