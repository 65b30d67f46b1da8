//! Changes to manifests, with everything else in them left as it is.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use toml_edit::{Array, DocumentMut, InlineTable, value};

/// The manifest of a package under another name.
pub fn renamed(manifest: &[u8], name: &str) -> Result<Vec<u8>> {
    let mut manifest = parse(manifest)?;
    manifest["package"]["name"] = value(name);
    Ok(manifest.to_string().into_bytes())
}

/// The manifest of a package that depends on `package` in `folder` where it depended on
/// `dependency`: its code need not know.
pub fn redirected(
    manifest: &[u8],
    dependency: &str,
    package: &str,
    folder: &str,
) -> Result<Vec<u8>> {
    let mut manifest = parse(manifest)?;
    let entry = manifest
        .get_mut("dependencies")
        .and_then(|dependencies| dependencies.get_mut(dependency))
        .with_context(|| format!("Cargo.toml: no dependency on {dependency}"))?;
    let mut other = InlineTable::new();
    other.insert("package", package.into());
    other.insert("path", folder.into());
    *entry = value(other);
    Ok(manifest.to_string().into_bytes())
}

/// The manifest of the checkout's workspace with other members, and with paths that are right
/// wherever it is. Of the `others`, it gets the dependencies that it has not, other than on paths.
pub fn workspace(checkout: &Path, members: &[String], others: &[DocumentMut]) -> Result<Vec<u8>> {
    let path = checkout.join("Cargo.toml");
    let name = || path.display().to_string();
    let mut manifest = parse(&fs::read(&path).with_context(name)?).with_context(name)?;
    // What it says of packages that are not among the members, cargo warns of.
    if let Some(profiles) = manifest.get_mut("profile").and_then(|it| it.as_table_like_mut()) {
        for (_, profile) in profiles.iter_mut() {
            profile.as_table_like_mut().map(|profile| profile.remove("package"));
        }
    }
    let workspace = &mut manifest["workspace"];
    workspace["members"] = value(members.iter().map(String::as_str).collect::<Array>());
    if let Some(workspace) = workspace.as_table_mut() {
        workspace.remove("default-members");
    }
    let dependencies = workspace.get_mut("dependencies").and_then(|it| it.as_table_like_mut());
    for (_, dependency) in dependencies.into_iter().flat_map(|table| table.iter_mut()) {
        let relative = dependency.get("path").and_then(|path| path.as_str()).map(str::to_owned);
        if let Some(relative) = relative {
            dependency["path"] = value(checkout.join(relative).display().to_string());
        }
    }
    for other in others {
        let theirs = other.get("workspace").and_then(|it| it.get("dependencies"));
        let theirs = theirs.and_then(|it| it.as_table_like());
        for (name, dependency) in theirs.into_iter().flat_map(|table| table.iter()) {
            let ours = &mut manifest["workspace"]["dependencies"];
            if ours.get(name).is_none() && dependency.get("path").is_none() {
                ours[name] = dependency.clone();
            }
        }
    }
    Ok(manifest.to_string().into_bytes())
}

/// A manifest, to be looked at or changed.
pub fn parse(manifest: &[u8]) -> Result<DocumentMut> {
    Ok(str::from_utf8(manifest)?.parse()?)
}
