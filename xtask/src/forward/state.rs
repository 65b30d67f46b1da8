//! A forward under way, kept in `target/forward/`:
//!
//! ```text
//! state.json          which change, where it goes, how far it got
//! before/chapters/…   every package as it was, for --abort
//! left/chapters/…     packages as we left them, to tell our work from the user's
//! base/, theirs/      the change as it is carried now
//! next-base/          the package in conflict without the change
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::carry::Change;
use crate::chapters::{Checkout, Package, Tree, read_tree, write_tree};

#[derive(Serialize, Deserialize)]
pub struct State {
    /// Where the change was made.
    pub source: Package,
    /// Where it goes, in this order.
    pub targets: Vec<Package>,
    /// The files in conflict, while we wait for the user to mend them.
    pub stop: Option<Stop>,
    #[serde(skip)]
    folder: PathBuf,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Stop {
    /// The target in conflict, by its position.
    pub position: usize,
    /// The package whose change was to be merged into it.
    pub neighbour: Package,
    pub conflicts: Vec<PathBuf>,
}

fn folder(checkout: &Checkout) -> PathBuf {
    checkout.root.join("target/forward")
}

/// Refuses if a forward is under way.
pub fn refuse_second(checkout: &Checkout) -> Result<()> {
    if folder(checkout).exists() {
        bail!(
            "a forward is already under way\n  to go on with it: cargo xtask forward --continue\n  \
             to put everything back as it was: cargo xtask forward --abort"
        );
    }
    Ok(())
}

impl State {
    /// Keeps all packages that will be written to, as they are now.
    pub fn begin(checkout: &Checkout, source: Package, targets: Vec<Package>) -> Result<Self> {
        let folder = folder(checkout);
        if let Some(target) = folder.parent() {
            fs::create_dir_all(target).with_context(|| target.display().to_string())?;
        }
        // Of two that begin at the same moment, one creates it.
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => refuse_second(checkout)?,
            other => other.with_context(|| folder.display().to_string())?,
        }
        let state = Self { source, targets, stop: None, folder };
        for package in state.packages() {
            state.keep(&Path::new("before").join(package.folder()), &checkout.tree(package)?)?;
        }
        state.save()?;
        Ok(state)
    }

    /// The forward that is under way.
    pub fn load(checkout: &Checkout) -> Result<Self> {
        let folder = folder(checkout);
        let path = folder.join("state.json");
        if !folder.exists() {
            bail!("no forward is under way\n  to begin one: cargo xtask forward CHAPTER");
        }
        let json = fs::read(&path).with_context(|| path.display().to_string())?;
        let state: Self =
            serde_json::from_slice(&json).with_context(|| path.display().to_string())?;
        Ok(Self { folder, ..state })
    }

    /// Removes what is left of a forward that was killed before it had changed any package, or after
    /// it had ended. Whether there was such a thing.
    pub fn clear_remains(checkout: &Checkout) -> Result<bool> {
        let folder = folder(checkout);
        if !folder.exists() || folder.join("state.json").exists() {
            return Ok(false);
        }
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(true)
    }

    fn packages(&self) -> impl Iterator<Item = &Package> {
        std::iter::once(&self.source).chain(&self.targets)
    }

    pub fn save(&self) -> Result<()> {
        let path = self.folder.join("state.json");
        let json = serde_json::to_vec_pretty(self).context("state.json")?;
        // All of it or nothing: without it there is no way back.
        let new = path.with_extension("new");
        fs::write(&new, json)
            .and_then(|()| fs::rename(&new, &path))
            .with_context(|| path.display().to_string())
    }

    /// Keeps all that is needed to go on from a conflict.
    pub fn save_stop(&mut self, stop: Stop, change: &Change, next_base: &Tree) -> Result<()> {
        self.keep(Path::new("base"), &change.base)?;
        self.keep(Path::new("theirs"), &change.theirs)?;
        self.keep(Path::new("next-base"), next_base)?;
        self.stop = Some(stop);
        self.save()
    }

    pub fn change(&self) -> Result<Change> {
        Ok(Change { base: self.kept("base")?, theirs: self.kept("theirs")? })
    }

    pub fn next_base(&self) -> Result<Tree> {
        self.kept("next-base")
    }

    /// Whether a package is no longer what it was before the forward.
    pub fn was_changed(&self, checkout: &Checkout, package: &Package) -> Result<bool> {
        let before = self.kept(Path::new("before").join(package.folder()))?;
        Ok(before != checkout.tree(package)?)
    }

    /// Notes that a package as it is now is our work.
    pub fn remember_left(&self, checkout: &Checkout, package: &Package) -> Result<()> {
        self.keep(&Path::new("left").join(package.folder()), &checkout.tree(package)?)
    }

    fn keep(&self, name: &Path, tree: &Tree) -> Result<()> {
        let folder = self.folder.join(name);
        // The folder itself says that the package was kept, however few files it has.
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        write_tree(&folder, &read_tree(&folder)?, tree)
    }

    fn kept(&self, name: impl AsRef<Path>) -> Result<Tree> {
        read_tree(&self.folder.join(name))
    }

    /// Makes every package what it was before. What the user has changed since goes to the folder
    /// that is returned, if there is anything.
    pub fn put_back(&self, checkout: &Checkout) -> Result<Option<PathBuf>> {
        let aside = (1..)
            .map(|count| checkout.root.join(format!("target/forward-aborted-{count}")))
            .find(|folder| !folder.exists())
            .context("target/forward-aborted")?;
        for package in self.packages() {
            let before = self.kept(Path::new("before").join(package.folder()))?;
            let left = Path::new("left").join(package.folder());
            let left = match self.folder.join(&left).exists() {
                true => self.kept(left)?,
                false => before.clone(),
            };
            let now = checkout.tree(package)?;
            let users: Tree = now
                .iter()
                .filter(|(path, contents)| {
                    ![left.get(*path), before.get(*path)].contains(&Some(contents))
                })
                .map(|(path, contents)| (path.clone(), contents.clone()))
                .collect();
            write_tree(&aside.join(package.folder()), &Tree::new(), &users)?;
            write_tree(&checkout.folder(package), &now, &before)?;
        }
        Ok(aside.exists().then_some(aside))
    }

    /// It is over.
    pub fn end(self) -> Result<()> {
        // The first thing that goes is what --continue and --abort would act upon.
        let path = self.folder.join("state.json");
        fs::remove_file(&path).with_context(|| path.display().to_string())?;
        fs::remove_dir_all(&self.folder).with_context(|| self.folder.display().to_string())
    }
}
