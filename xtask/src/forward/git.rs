//! What we ask git.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use crate::chapters::{Mistake, Tree, belongs};

/// The full name of the commit that the user calls `revision`.
pub fn commit(root: &Path, revision: &str) -> Result<String> {
    if let Err(why) = git(root, &["rev-parse", "--is-inside-work-tree"])? {
        bail!(
            "{}: no git checkout\n  git says: {why}\n  forward asks git what a chapter was before \
             the change: get the sources by git clone",
            root.display()
        );
    }
    let name = format!("{revision}^{{commit}}");
    match git(root, &["rev-parse", "--verify", "--end-of-options", &name])? {
        Ok(commit) => Ok(String::from_utf8_lossy(&commit).trim().to_owned()),
        Err(_) => Err(Mistake(format!(
            "{revision}: git knows no such commit\n  the commits: git log --oneline"
        ))
        .into()),
    }
}

/// The files that a folder of the checkout had in a commit; none if there was no such folder.
pub fn tree(root: &Path, commit: &str, folder: &Path) -> Result<Tree> {
    let name = folder.to_str().context("a chapter's name is no text")?;
    let list =
        git(root, &["ls-tree", "-r", "-z", commit, "--", name])?.map_err(|why| anyhow!(why))?;
    let mut tree = Tree::new();
    for entry in list.split(|&byte| byte == 0).filter(|entry| !entry.is_empty()) {
        // "100644 blob 257cc5642cb1a054f08cc83f2d943e56fd3ebe99\tchapters/ch03-hlt/src/main.rs"
        let tab = entry.iter().position(|&byte| byte == b'\t').context("git ls-tree: no tab")?;
        let about = String::from_utf8_lossy(&entry[..tab]);
        let path = PathBuf::from(OsStr::from_bytes(&entry[tab + 1..]));
        let path = path.strip_prefix(folder).context("git ls-tree")?;
        let [mode, "blob", object] = about.split(' ').collect::<Vec<_>>()[..] else {
            continue;
        };
        // Symbolic links are not carried.
        if mode.starts_with("100") && belongs(path) {
            let contents = git(root, &["cat-file", "blob", object])?.map_err(|why| anyhow!(why))?;
            tree.insert(path.to_owned(), contents);
        }
    }
    Ok(tree)
}

/// What git prints, or what it complains about.
fn git(root: &Path, arguments: &[&str]) -> Result<Result<Vec<u8>, String>> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(arguments)
        // A hook that runs us has its own ideas of where the repository is.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(Stdio::null())
        .output()
        .context("git\n  install it by your package manager")?;
    Ok(if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    })
}
