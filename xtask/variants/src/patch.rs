//! A patch: a header, and a unified diff that `git apply` takes at the checkout's root.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use chapter_diff::chapters::Tree;
use diffy::patch_set::{FileOperation, ParseOptions, PatchSet};

use crate::Header;

/// A diff of one or more files.
pub struct Patch {
    diff: String,
}

impl Patch {
    /// Reads a file with a header and a diff.
    pub fn read(path: &Path) -> Result<(Header, Self)> {
        Self::parse(&fs::read_to_string(path)?)
    }

    /// The same of a text.
    pub fn parse(text: &str) -> Result<(Header, Self)> {
        let starts = |line: &str| line.starts_with("--- ") || line.starts_with("diff -");
        let mut length = 0;
        for line in text.split_inclusive('\n').take_while(|line| !starts(line)) {
            length += line.len();
        }
        let (header, diff) = text.split_at(length);
        let patch = Self { diff: diff.to_owned() };
        if diff.is_empty() || patch.paths()?.is_empty() {
            bail!("there is no diff in it\n  append what `git diff` prints for the change");
        }
        Ok((Header::parse(header)?, patch))
    }

    /// The files that it changes, creates or deletes, as the checkout has them.
    pub fn paths(&self) -> Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for file in PatchSet::parse(&self.diff, ParseOptions::unidiff()) {
            let file = file.context("the diff in it cannot be read")?;
            let (old, new) = paths_of(file.operation())?;
            paths.extend(old.or(new));
        }
        Ok(paths)
    }

    /// Applies it to files that have the paths of the checkout.
    pub fn apply(&self, tree: &mut Tree) -> Result<()> {
        for file in PatchSet::parse(&self.diff, ParseOptions::unidiff()) {
            let file = file.context("the diff in it cannot be read")?;
            let (old, new) = paths_of(file.operation())?;
            let path = old.as_ref().or(new.as_ref()).context("a diff of no file")?;
            let name = path.display();
            let before = match &old {
                Some(old) => tree.remove(old).with_context(|| format!("{name} does not exist"))?,
                None if tree.contains_key(path) => bail!("{name} exists already"),
                None => Vec::new(),
            };
            let before = String::from_utf8(before).with_context(|| format!("{name}: not text"))?;
            let hunks = file.patch().as_text().with_context(|| format!("{name}: not text"))?;
            let after = diffy::apply(&before, hunks).with_context(|| {
                let lines = hunks.hunks().iter().map(|hunk| hunk.old_range().start().to_string());
                let lines: Vec<_> = lines.collect();
                format!("it does not apply to {name} (line {})", lines.join(" and "))
            })?;
            match new {
                Some(new) => drop(tree.insert(new, after.into_bytes())),
                None if after.is_empty() => {}
                None => bail!("{name} is deleted, but not all of it is in the diff"),
            }
        }
        Ok(())
    }
}

/// Where a file was and where it will be, without the `a/` and `b/`.
fn paths_of(operation: &FileOperation<'_, str>) -> Result<(Option<PathBuf>, Option<PathBuf>)> {
    let inner = |path: &str, side: &str| match path.strip_prefix(side) {
        Some(inner) => Ok(Some(PathBuf::from(inner))),
        None => {
            bail!("the path {path} does not begin with {side}\n  make the diff with `git diff`")
        }
    };
    Ok(match operation {
        FileOperation::Modify { original, modified } => {
            (inner(original, "a/")?, inner(modified, "b/")?)
        }
        FileOperation::Create(path) => (None, inner(path, "b/")?),
        FileOperation::Delete(path) => (inner(path, "a/")?, None),
        FileOperation::Rename { .. } | FileOperation::Copy { .. } => {
            bail!("it renames a file\n  make the diff with `git diff --no-renames`")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGE: &str = "\
Run: ch01-open-kvm

--- a/src/a.rs
+++ b/src/a.rs
@@ -2,2 +2,2 @@ fn main()
 two
-three
+3
";

    fn tree(files: &[(&str, &str)]) -> Tree {
        files.iter().map(|(path, text)| (path.into(), text.as_bytes().to_vec())).collect()
    }

    fn applied(patch: &str, mut files: Tree) -> Result<Tree> {
        Patch::parse(patch)?.1.apply(&mut files)?;
        Ok(files)
    }

    #[test]
    fn a_change_finds_its_place_though_lines_moved() {
        for above in ["one\n", "", "0\n0\none\n"] {
            let text = |three: &str| format!("{above}two\n{three}\nfour\n");
            let files = applied(CHANGE, tree(&[("src/a.rs", &text("three"))])).unwrap();
            assert_eq!(files, tree(&[("src/a.rs", &text("3"))]));
        }
    }

    #[test]
    fn files_can_be_created_and_deleted_as_git_shows_it() {
        let patch = "\
diff --git a/new.rs b/new.rs
new file mode 100644
index 0000000..1111111
--- /dev/null
+++ b/new.rs
@@ -0,0 +1 @@
+new
diff --git a/old.rs b/old.rs
deleted file mode 100644
index 1111111..0000000
--- a/old.rs
+++ /dev/null
@@ -1 +0,0 @@
-old
";
        let files = applied(patch, tree(&[("old.rs", "old\n"), ("kept.rs", "kept\n")])).unwrap();
        assert_eq!(files, tree(&[("kept.rs", "kept\n"), ("new.rs", "new\n")]));
        let both = tree(&[("old.rs", "old\n"), ("new.rs", "")]);
        assert_eq!(applied(patch, both).unwrap_err().to_string(), "new.rs exists already");
        let longer = tree(&[("old.rs", "old\nolder\n")]);
        assert_eq!(
            applied(patch, longer).unwrap_err().to_string(),
            "old.rs is deleted, but not all of it is in the diff"
        );
    }

    #[test]
    fn what_does_not_apply_says_where() {
        let changed = applied(CHANGE, tree(&[("src/a.rs", "one\ntwo\n3\nfour\n")]));
        assert_eq!(changed.unwrap_err().to_string(), "it does not apply to src/a.rs (line 2)");
        let gone = applied(CHANGE, tree(&[("src/b.rs", "")]));
        assert_eq!(gone.unwrap_err().to_string(), "src/a.rs does not exist");
    }

    #[test]
    fn what_is_no_patch_is_refused() {
        let error = |patch: &str| Patch::parse(patch).map(|_| ()).unwrap_err().to_string();
        assert_eq!(
            error("Run: ch01-open-kvm\n"),
            "there is no diff in it\n  append what `git diff` prints for the change"
        );
        assert_eq!(
            error(&CHANGE.replace("a/src", "src")),
            "the path src/a.rs does not begin with a/\n  make the diff with `git diff`"
        );
        assert_eq!(error(&CHANGE.replace("@@ -2,2", "@@ -2,9")), "the diff in it cannot be read");
    }
}
