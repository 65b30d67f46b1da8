//! A package with a patch applied.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use chapter_diff::chapters::{Package, Tree, read_tree};

use crate::{Patch, Scratch, manifest};

/// What the package `guests` is made of. A patch may change it, too: then the variant has guests of
/// its own.
const GUESTS: [&str; 2] = ["guests", "os-1k"];

/// Adds the variant `name`, which is a package of the checkout with a patch applied. In the folder
/// of this name everything has the path that it has in the checkout; the program is called `name`.
pub fn add_patched(
    scratch: &mut Scratch,
    checkout: &Path,
    name: &str,
    package: &Package,
    patch: &Patch,
) -> Result<()> {
    let home = package.folder();
    let paths = patch.paths()?;
    let of_guests = |path: &PathBuf| GUESTS.iter().any(|folder| path.starts_with(folder));
    if let Some(path) = paths.iter().find(|path| !path.starts_with(&home) && !of_guests(path)) {
        bail!(
            "it changes {}\n  it may change {}, {} and {}",
            path.display(),
            home.display(),
            GUESTS[0],
            GUESTS[1]
        );
    }
    let has_guests = paths.iter().any(of_guests);
    let mut tree = Tree::new();
    let mut take = |folder: &Path| -> Result<()> {
        let files = read_tree(&checkout.join(folder))?;
        tree.extend(files.into_iter().map(|(path, contents)| (folder.join(path), contents)));
        Ok(())
    };
    take(&home)?;
    if has_guests {
        GUESTS.iter().try_for_each(|folder| take(Path::new(folder)))?;
    }
    patch.apply(&mut tree)?;
    add_tree(scratch, name, &home, tree)
}

/// Adds the variant `name`, the package in the folder `home` of a tree. In the folder of this name
/// everything has the path that it has in the tree; the program is called `name`. If there are
/// guests in the tree, and the 1K OS, which is one, these are its guests.
pub fn add_tree(scratch: &mut Scratch, name: &str, home: &Path, mut tree: Tree) -> Result<()> {
    let has_guests = GUESTS.iter().any(|folder| tree.keys().any(|path| path.starts_with(folder)));
    let mut take = |folder: &Path| -> Tree {
        let inner = |path: &PathBuf| path.strip_prefix(folder).ok().map(Path::to_path_buf);
        let paths: Vec<_> = tree.keys().filter(|path| path.starts_with(folder)).cloned().collect();
        let files = paths.iter().filter_map(|path| Some((inner(path)?, tree.remove(path)?)));
        files.collect()
    };
    let mut files = take(home);
    let at = |folder: &Path| Path::new(name).join(folder);
    if has_guests {
        let [guests, os] = GUESTS.map(Path::new);
        let own_guests = format!("{name}-guests");
        scratch.add(&at(guests), &own_guests, &take(guests))?;
        scratch.add_files(&at(os), &take(os));
        if let Some(manifest) = files.get_mut(Path::new("Cargo.toml")) {
            *manifest = manifest::redirected(manifest, GUESTS[0], &own_guests, "../../guests")?;
        }
    }
    scratch.add(&at(home), name, &files)
}
