//! The workspace of the variants.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use chapter_diff::chapters::{Tree, read_tree, write_tree};
use toml_edit::DocumentMut;

use crate::{Built, manifest};

/// A workspace of packages that are variants of ours.
pub struct Scratch {
    /// The checkout that they are variants of.
    checkout: PathBuf,
    /// Where the workspace is.
    folder: PathBuf,
    members: Vec<String>,
    files: Tree,
    /// Manifests of other workspaces, on whose dependencies members may rely.
    manifests: Vec<DocumentMut>,
}

impl Scratch {
    /// A workspace without members. Nothing is written yet.
    pub fn new(checkout: &Path, folder: &Path) -> Self {
        Self {
            checkout: checkout.to_owned(),
            folder: folder.to_owned(),
            members: Vec::new(),
            files: Tree::new(),
            manifests: Vec::new(),
        }
    }

    /// Adds a package, which gets the name of the variant that it is. That name, which no other
    /// variant may have, begins the path of its folder.
    pub fn add(&mut self, folder: &Path, name: &str, package: &Tree) -> Result<()> {
        for (path, contents) in package {
            let contents = match path.as_path() == Path::new("Cargo.toml") {
                true => manifest::renamed(contents, name)
                    .with_context(|| format!("{name}: {path:?}"))?,
                false => contents.clone(),
            };
            self.files.insert(folder.join(path), contents);
        }
        self.members.push(folder.display().to_string());
        Ok(())
    }

    /// Lets members rely on what the workspace of this manifest depends on, as far as ours does not.
    pub fn depend_on_what(&mut self, manifest: &str) -> Result<()> {
        self.manifests.push(manifest::parse(manifest.as_bytes())?);
        Ok(())
    }

    /// Adds files that belong to no package.
    pub fn add_files(&mut self, folder: &Path, files: &Tree) {
        let files = files.iter().map(|(path, contents)| (folder.join(path), contents.clone()));
        self.files.extend(files);
    }

    /// Writes it. What has not changed since the last time is left alone, so that cargo need not
    /// build it again.
    pub fn write(mut self) -> Result<Written> {
        let before = read_tree(&self.folder)?;
        let manifest = manifest::workspace(&self.checkout, &self.members, &self.manifests)?;
        self.files.insert(PathBuf::from("Cargo.toml"), manifest);
        if let Some(lock) = self.lock(&before)? {
            self.files.insert(PathBuf::from(LOCK), lock);
        }
        write_tree(&self.folder, &before, &self.files)?;
        let is_online = !self.manifests.is_empty();
        Ok(Written { checkout: self.checkout, folder: self.folder, is_online })
    }

    /// The versions of ours. Cargo adds the variants to it, and need not the next time.
    fn lock(&self, before: &Tree) -> Result<Option<Vec<u8>>> {
        let (ours, theirs) = (self.checkout.join(LOCK), self.folder.join(LOCK));
        let time = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
        let before = before.get(Path::new(LOCK));
        match before.filter(|_| time(&ours) <= time(&theirs)) {
            Some(lock) => Ok(Some(lock.clone())),
            None if ours.is_file() => {
                Ok(Some(fs::read(&ours).with_context(|| ours.display().to_string())?))
            }
            None => Ok(None),
        }
    }
}

const LOCK: &str = "Cargo.lock";

/// The workspace on disk.
pub struct Written {
    checkout: PathBuf,
    folder: PathBuf,
    /// Others depend on what is perhaps not here.
    is_online: bool,
}

impl Written {
    /// A cargo command for all variants: `check` or `build`, to which more options can be added.
    pub fn cargo(&self, subcommand: &str, target: &Path) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            // What cargo is told in the checkout it shall know here.
            .current_dir(&self.checkout)
            .args([subcommand, "--workspace", "--keep-going", "--message-format=json"])
            .arg("--manifest-path")
            .arg(self.folder.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(target)
            // Each variant is small, and seldom built again.
            .env("CARGO_INCREMENTAL", "0");
        if !self.is_online {
            // All that is needed is here since the checkout was built.
            cargo.arg("--offline");
        }
        cargo
    }

    /// Has cargo add the variants to the lock file, of which it need not speak later. What it cannot
    /// do, it will say when it is to build.
    pub fn settle(&self) {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.checkout).args(["metadata", "--quiet", "--format-version=1"]);
        cargo.arg("--manifest-path").arg(self.folder.join("Cargo.toml"));
        if !self.is_online {
            cargo.arg("--offline");
        }
        let _ = cargo.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    /// Runs such a command.
    pub fn run(&self, cargo: &mut Command) -> Result<Built> {
        Built::by(cargo, &self.folder)
    }
}
