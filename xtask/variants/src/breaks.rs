//! The patches in `tests/patches`: each breaks a chapter, and a page of the book shows how.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, bail};
use chapter_diff::chapters::{Checkout, Package, number};

use crate::header::unescape;
use crate::{Patch, Scratch, add_patched};

/// Where they are in the checkout.
pub const FOLDER: &str = "tests/patches";

/// A chapter that is to be broken, and how that is to be seen.
pub struct Break {
    /// Of the file, without its ending; also of the snapshot.
    pub name: String,
    /// The package that is run.
    pub chapter: String,
    /// What follows it on the command line.
    pub arguments: Vec<String>,
    /// What it reads on standard input.
    pub input: Vec<u8>,
    patch: Patch,
}

/// The names of all patches, in order.
pub fn names(checkout: &Path) -> Result<Vec<String>> {
    let folder = checkout.join(FOLDER);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        if path.extension().is_some_and(|extension| extension == "patch")
            && let Some(name) = path.file_stem()
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    if names.is_empty() {
        bail!("{}: no patch is there", folder.display());
    }
    names.sort();
    Ok(names)
}

impl Break {
    /// Reads the patch of this name.
    pub fn read(checkout: &Checkout, name: &str) -> Result<Self> {
        let path = file(name);
        let read = || -> Result<Self> {
            let (mut header, patch) = Patch::read(&checkout.root.join(&path))?;
            let run = header.need("Run", "ch07-hypercall ask")?;
            let input = header.take("Input").unwrap_or_default();
            header.need("Why", "the answer never reaches the guest")?;
            header.end()?;

            let Some(words) = shlex::split(&run) else {
                bail!("Run: {run}: a quotation mark has no other\n  close it");
            };
            let Some((chapter, arguments)) = words.split_first() else {
                bail!("Run: no chapter\n  name it, and its arguments");
            };
            if !checkout.chapters.contains(chapter) {
                bail!("Run: {chapter}: there is no such chapter\n  give its package's whole name");
            }
            if !name.starts_with(&format!("ch{:02}_break_", number(chapter).unwrap_or(0))) {
                bail!(
                    "it runs {chapter}, and is not called so\n  call it chNN_break_NAME.patch, \
                     with the chapter's number"
                );
            }
            Ok(Self {
                name: name.to_owned(),
                chapter: chapter.clone(),
                arguments: arguments.to_vec(),
                input: unescape(&input).context("Input")?,
                patch,
            })
        };
        read().with_context(|| path.display().to_string())
    }

    /// Adds the broken chapter, as the variant of this name.
    pub fn add_to(&self, scratch: &mut Scratch, checkout: &Path) -> Result<()> {
        let package = Package::chapter(&self.chapter);
        add_patched(scratch, checkout, &self.name, &package, &self.patch)
            .map_err(|error| self.renew(error))
    }

    /// What to do about a patch that no longer fits.
    fn renew(&self, error: Error) -> Error {
        let path = file(&self.name);
        let (path, chapter) = (path.display(), &self.chapter);
        Error::msg(format!(
            "{path}: {error:#}\n  if the chapter has changed, renew the patch: make the same change \
             in chapters/{chapter}, put what\n  `git diff` prints in place of the old diff below \
             the header lines, and undo with `git checkout chapters/{chapter}`"
        ))
    }
}

/// Where the patch of this name is in the checkout.
pub fn file(name: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{name}.patch"))
}
