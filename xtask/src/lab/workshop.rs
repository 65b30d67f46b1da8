//! A workspace under the target directory in which answers from elsewhere are built: with this
//! checkout's guests, versions and lints, so that only the answer's own files are compiled anew.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml_edit::{Array, DocumentMut, Item, Value, value};

use super::answer::{Answer, Files};
use crate::chapters::{Checkout, Tree, read_tree, write_tree};

/// The workspace.
pub struct Workshop<'a> {
    checkout: &'a Checkout,
    pub root: PathBuf,
    manifest: DocumentMut,
    members: Vec<String>,
}

impl<'a> Workshop<'a> {
    /// The one in this target directory, empty.
    pub fn open(checkout: &'a Checkout, target: &Path) -> Result<Self> {
        let root = target.join("labs/answers");
        fs::create_dir_all(&root).with_context(|| root.display().to_string())?;
        let mut manifest = read_manifest(&checkout.root.join("Cargo.toml"))?;
        absolute_paths(&mut manifest, &checkout.root);
        Ok(Self { checkout, root, manifest, members: Vec::new() })
    }

    /// Where the package of an answer goes.
    pub fn place(target: &Path, name: &str) -> PathBuf {
        target.join("labs/answers").join(name).join("answer")
    }

    /// Puts in an answer from elsewhere. Gives the name of its package, or what is wrong with its
    /// manifest.
    pub fn add(&mut self, answer: &Answer) -> Result<Result<String, String>> {
        let Files::Elsewhere { package, folders, manifest, .. } = &answer.files else {
            return Ok(Err("it is a member of the workspace".to_owned()));
        };
        let mut package = package.clone();
        let text = package.get(Path::new("Cargo.toml")).cloned().unwrap_or_default();
        let mut own = match String::from_utf8_lossy(&text).parse::<DocumentMut>() {
            Ok(own) => own,
            Err(error) => return Ok(Err(format!("Cargo.toml: {error}"))),
        };
        // A name that nothing else has: neither a package nor a program, in the target directory.
        let name = answer.name.clone();
        own["package"]["name"] = value(&name);
        if folders.keys().any(|folder| folder == "guests" || folder == "os-1k") {
            own["dependencies"]["guests"] = self.guests(&name, folders)?;
        }
        package.insert("Cargo.toml".into(), own.to_string().into_bytes());
        self.write(&Path::new(&name).join("answer"), &package)?;
        self.members.push(format!("{name}/answer"));
        if let Some(theirs) = manifest {
            self.depend_on_what(theirs);
        }
        Ok(Ok(name))
    }

    /// Guests of its own for an answer that changes them, or the 1K OS, which is one of them.
    fn guests(
        &mut self,
        name: &str,
        folders: &std::collections::BTreeMap<String, Tree>,
    ) -> Result<Item> {
        for folder in ["guests", "os-1k"] {
            let mut tree = match folders.get(folder) {
                Some(tree) => tree.clone(),
                None => read_tree(&self.checkout.root.join(folder))?,
            };
            if folder == "guests" {
                let text = tree.get(Path::new("Cargo.toml")).cloned().unwrap_or_default();
                let mut manifest = String::from_utf8_lossy(&text).parse::<DocumentMut>()?;
                manifest["package"]["name"] = value(format!("{name}-guests"));
                // The package's name is not that of the library any more.
                manifest["lib"]["name"] = value("guests");
                tree.insert("Cargo.toml".into(), manifest.to_string().into_bytes());
            }
            self.write(&Path::new(name).join(folder), &tree)?;
        }
        self.members.push(format!("{name}/guests"));
        let mut dependency = toml_edit::InlineTable::new();
        dependency.insert("path", "../guests".into());
        dependency.insert("package", format!("{name}-guests").into());
        Ok(value(dependency))
    }

    /// Lets an answer have what its own workspace had: a crate that it was told to use, say.
    fn depend_on_what(&mut self, theirs: &str) {
        let Ok(theirs) = theirs.parse::<DocumentMut>() else { return };
        let Some(Item::Table(theirs)) =
            theirs.get("workspace").and_then(|it| it.get("dependencies"))
        else {
            return;
        };
        let ours = &mut self.manifest["workspace"]["dependencies"];
        for (name, dependency) in theirs {
            if ours.get(name).is_none() && dependency.get("path").is_none() {
                ours[name] = dependency.clone();
            }
        }
    }

    /// Writes the manifest and the lock file: then it can be built.
    pub fn close(&mut self) -> Result<PathBuf> {
        let members: Array = self.members.iter().collect();
        self.manifest["workspace"]["members"] = value(members);
        if let Some(workspace) = self.manifest["workspace"].as_table_mut() {
            workspace.remove("default-members");
            workspace.remove("exclude");
        }
        let lock = self.checkout.root.join("Cargo.lock");
        let lock = fs::read(&lock).with_context(|| lock.display().to_string())?;
        // Cargo changes the lock file of the workshop: a copy tells whether ours is another.
        if fs::read(self.root.join("Cargo.lock.copied")).ok().as_ref() != Some(&lock) {
            self.write_file("Cargo.lock", &lock)?;
            self.write_file("Cargo.lock.copied", &lock)?;
        }
        self.write_file("Cargo.toml", self.manifest.to_string().as_bytes())?;
        Ok(self.root.join("Cargo.toml"))
    }

    fn write(&self, folder: &Path, to: &Tree) -> Result<()> {
        let folder = self.root.join(folder);
        write_tree(&folder, &read_tree(&folder)?, to)
    }

    fn write_file(&self, name: &str, contents: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        if fs::read(&path).ok().as_deref() != Some(contents) {
            fs::write(&path, contents).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

fn read_manifest(path: &Path) -> Result<DocumentMut> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.parse::<DocumentMut>().with_context(|| path.display().to_string())
}

/// Makes the paths of a workspace's dependencies absolute, for a manifest that lies elsewhere.
fn absolute_paths(manifest: &mut DocumentMut, root: &Path) {
    let Some(dependencies) = manifest["workspace"]["dependencies"].as_table_like_mut() else {
        return;
    };
    for (_, dependency) in dependencies.iter_mut() {
        let path =
            dependency.get("path").and_then(|path| path.as_str()).map(|path| root.join(path));
        if let (Some(path), Some(table)) = (path, dependency.as_table_like_mut()) {
            table.insert("path", Item::Value(Value::from(path.to_string_lossy().into_owned())));
        }
    }
}
