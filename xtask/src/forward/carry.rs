//! Carrying a change from one package to the next.
//!
//! A change is a pair of trees: `base`, the package without it, and `theirs`, the package with it.
//! One could merge the first chapter's change into each later chapter. But the texts of two chapters
//! drift apart, and each chapter in between would show up as a conflict again and again. So the
//! change goes from neighbour to neighbour: between two neighbours there is only the diff of one
//! chapter, and what a human made of a conflict in chapter 5 is what arrives in chapter 6.
//!
//! What, then, is the next base? Not the next chapter as it was: if somebody had made half of the
//! change there already, that half would be no change from there on, and would be lost to all
//! chapters behind it. Not that chapter in the last commit either: other uncommitted work in it
//! would travel along. It is the next chapter as it was, with those parts of the change taken out
//! that were there already: the same merge, backwards, that leaves alone what it does not find.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::merge::{Labels, Merged, adopt_own_lines};
use crate::chapters::Tree;

/// A package without and with what is to be carried.
pub struct Change {
    pub base: Tree,
    pub theirs: Tree,
}

/// What became of the next package.
pub struct Carried {
    pub tree: Tree,
    /// It without the change: together they are what is carried on.
    pub base: Tree,
    pub files: Vec<(PathBuf, Fate)>,
}

/// What became of a file, and of a package: the worst of its files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    NothingToCarry,
    AlreadyThere,
    Carried,
    /// In these words.
    Conflict(&'static str),
}

/// A file's contents, if there is such a file.
type Contents<'a> = Option<&'a [u8]>;

impl Change {
    pub fn files(&self) -> BTreeSet<&PathBuf> {
        let all = self.base.keys().chain(self.theirs.keys());
        all.filter(|path| self.base.get(*path) != self.theirs.get(*path)).collect()
    }

    /// Makes the change in the package `ours`.
    pub fn carry_to(&self, ours: &Tree, labels: &Labels) -> Carried {
        let mut carried = Carried { tree: ours.clone(), base: ours.clone(), files: Vec::new() };
        for path in self.files() {
            fn of<'a>(tree: &'a Tree, path: &Path) -> Contents<'a> {
                tree.get(path).map(Vec::as_slice)
            }
            let (base, theirs) = (of(&self.base, path), of(&self.theirs, path));
            let (file, next_base, fate) = carry_file(path, base, of(ours, path), theirs, labels);
            for (tree, contents) in [(&mut carried.tree, file), (&mut carried.base, next_base)] {
                match contents {
                    Some(contents) => tree.insert(path.clone(), contents),
                    None => tree.remove(path),
                };
            }
            carried.files.push((path.clone(), fate));
        }
        carried
    }
}

impl Carried {
    pub fn fate(&self) -> Fate {
        let worst = self.files.iter().map(|(_, fate)| fate).max();
        worst.cloned().unwrap_or(Fate::NothingToCarry)
    }

    pub fn conflicts(&self) -> impl Iterator<Item = (&PathBuf, &'static str)> {
        self.files.iter().filter_map(|(path, fate)| match fate {
            Fate::Conflict(why) => Some((path, *why)),
            _ => None,
        })
    }
}

/// The file as it will be, the same without the change, and what happened.
fn carry_file(
    path: &Path,
    base: Contents,
    ours: Contents,
    theirs: Contents,
    labels: &Labels,
) -> (Option<Vec<u8>>, Option<Vec<u8>>, Fate) {
    let now = ours.map(<[u8]>::to_vec);
    let stays = |fate| (now.clone(), now.clone(), fate);
    match (base, ours, theirs) {
        (_, ours, theirs) if ours == theirs => (now, base.map(<[u8]>::to_vec), Fate::AlreadyThere),
        (base, ours, theirs) if ours == base => (theirs.map(<[u8]>::to_vec), now, Fate::Carried),
        (Some(base), Some(ours), theirs) => {
            let (Some(mut base), Some(ours)) = (as_text(base), as_text(ours)) else {
                return stays(Fate::Conflict("changed on both sides, and no text"));
            };
            match theirs.map(as_text) {
                Some(Some(mut theirs)) => {
                    adopt_own_lines(path, &ours, &mut base, &mut theirs);
                    carry_text(path, &base, &ours, &theirs, labels)
                }
                Some(None) => stays(Fate::Conflict("changed on both sides, and no text")),
                None => {
                    // A file that differs in its own lines only is still the same file.
                    adopt_own_lines(path, &ours, &mut base, &mut ours.clone());
                    if base == ours {
                        (None, now, Fate::Carried)
                    } else {
                        stays(Fate::Conflict("to be deleted, but different here"))
                    }
                }
            }
        }
        (None, Some(ours), Some(theirs)) => match (as_text(ours), as_text(theirs)) {
            (Some(ours), Some(theirs)) => {
                let text = Merged::of_two(&ours, &theirs).with_markers(path, labels);
                (
                    Some(text.into_bytes()),
                    now,
                    Fate::Conflict("new, but already there and different"),
                )
            }
            _ => stays(Fate::Conflict("new, but already there and different, and no text")),
        },
        // Covered above: (None, None, _) and (Some, None, None).
        (_, None, _) => stays(Fate::Conflict("changed, but not there any more")),
        (None, Some(_), None) => stays(Fate::NothingToCarry),
    }
}

fn carry_text(
    path: &Path,
    base: &str,
    ours: &str,
    theirs: &str,
    labels: &Labels,
) -> (Option<Vec<u8>>, Option<Vec<u8>>, Fate) {
    let merged = Merged::of_three(path, base, ours, theirs);
    let next_base = Merged::of_three(path, theirs, ours, base).favouring_ours();
    let text = merged.with_markers(path, labels);
    let fate = if base == theirs {
        Fate::NothingToCarry
    } else if !merged.is_settled() {
        Fate::Conflict("changed on both sides")
    } else if text == ours {
        Fate::AlreadyThere
    } else {
        Fate::Carried
    };
    (Some(text.into_bytes()), Some(next_base.into_bytes()), fate)
}

fn as_text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree {
        Tree::from([("a.rs".into(), text.as_bytes().to_vec())])
    }

    fn carry(base: &Tree, ours: &Tree, theirs: &Tree) -> Carried {
        let labels = Labels { ours: "ours".into(), base: "base".into(), theirs: "theirs".into() };
        Change { base: base.clone(), theirs: theirs.clone() }.carry_to(ours, &labels)
    }

    #[test]
    fn what_was_there_already_is_carried_on_all_the_same() {
        let (old, new) = (tree("a\nb\nc\nd\ne\n"), tree("A\nb\nc\nd\nE\n"));
        let half = tree("A\nb\nours\nd\ne\n");
        let carried = carry(&old, &half, &new);
        assert_eq!(carried.fate(), Fate::Carried);
        assert_eq!(carried.tree, tree("A\nb\nours\nd\nE\n"));
        assert_eq!(carried.base, tree("a\nb\nours\nd\ne\n"));

        let carried = carry(&old, &new, &new);
        assert_eq!((carried.fate(), carried.base), (Fate::AlreadyThere, old));
    }

    #[test]
    fn other_work_in_the_next_package_is_not_carried_on() {
        let carried = carry(&tree("a\nb\nc\n"), &tree("a\nb\nc\nwork\n"), &tree("A\nb\nc\n"));
        assert_eq!(carried.tree, tree("A\nb\nc\nwork\n"));
        assert_eq!(carried.base, tree("a\nb\nc\nwork\n"));
    }

    #[test]
    fn around_a_conflict_the_rest_is_carried_and_the_base_stays_ours() {
        let (old, new) = (tree("a\nb\nc\nd\n"), tree("A\nb\nc\nD\n"));
        let carried = carry(&old, &tree("x\nb\nc\nD\n"), &new);
        assert_eq!(carried.conflicts().count(), 1);
        assert_eq!(
            carried.tree,
            tree("<<<<<<< ours\nx\n||||||| base\na\n=======\nA\n>>>>>>> theirs\nb\nc\nD\n")
        );
        assert_eq!(carried.base, tree("x\nb\nc\nd\n"));
    }

    #[test]
    fn files_come_and_go() {
        let (nothing, file, other) = (Tree::new(), tree("a\n"), tree("b\n"));
        for (base, ours, theirs, tree, fate) in [
            (&nothing, &nothing, &file, &file, Fate::Carried),
            (&nothing, &file, &file, &file, Fate::AlreadyThere),
            (&file, &file, &nothing, &nothing, Fate::Carried),
            (&file, &nothing, &nothing, &nothing, Fate::AlreadyThere),
            (&file, &other, &nothing, &other, Fate::Conflict("to be deleted, but different here")),
            (&file, &nothing, &other, &nothing, Fate::Conflict("changed, but not there any more")),
        ] {
            let carried = carry(base, ours, theirs);
            assert_eq!(carried.fate(), fate);
            assert_eq!(carried.tree, *tree, "{fate:?}");
        }
        let both = carry(&nothing, &other, &file);
        assert_eq!(both.tree, tree("<<<<<<< ours\nb\n=======\na\n>>>>>>> theirs\n"));
    }

    #[test]
    fn bytes_that_are_no_text_are_not_merged() {
        let binary = |byte| Tree::from([("a.rs".into(), vec![0xff, byte])]);
        assert_eq!(carry(&binary(1), &binary(1), &binary(2)).tree, binary(2));
        let carried = carry(&binary(1), &binary(3), &binary(2));
        assert_eq!((carried.conflicts().count(), carried.tree), (1, binary(3)));
    }
}
