//! Lines that merely moved, within a file or from one file to another.

use std::collections::HashMap;

use crate::{File, Kind, Place};

/// A block must say something to count as moved: closing braces alone are found everywhere. Git has
/// the same bound, for the same reason.
const LETTERS_MIN: usize = 20;

/// One line that looks like another is more often a coincidence (`use` lines) than a move.
const LINES_MIN: usize = 2;

/// A line that was removed or added.
struct Candidate {
    /// Positions in the list of files, and in the list of the file's lines.
    file: usize,
    index: usize,
    /// Number in its chapter.
    line: usize,
    /// Without the indentation, which is `indent`.
    text: String,
    indent: usize,
    taken: bool,
}

/// Marks what was removed in one place and added in another as moved.
pub fn mark(files: &mut [File]) {
    let mut removed = candidates(files, Kind::Removed);
    let mut added = candidates(files, Kind::Added);

    // Longest first, so that a block is not torn by a short look-alike.
    let mut blocks = matching_blocks(&removed, &added);
    blocks.sort_by_key(|&(_, _, length)| std::cmp::Reverse(length));
    for (from, to, length) in blocks {
        let mut start = 0;
        while start < length {
            let is_free =
                |offset: &usize| !removed[from + offset].taken && !added[to + offset].taken;
            let free = (start..length).take_while(is_free).count();
            let block = &added[to + start..to + start + free];
            if is_worth_it(block) {
                for offset in start..start + free {
                    take(files, &mut removed[from + offset], &mut added[to + offset]);
                }
            }
            start += free.max(1);
        }
    }
}

fn candidates(files: &[File], kind: Kind) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (file, lines) in files.iter().map(|file| &file.lines).enumerate() {
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.kind == kind) {
            let text = line.text.trim_start();
            candidates.push(Candidate {
                file,
                index,
                line: line.old + line.new, // the other one is 0
                indent: line.text.len() - text.len(),
                text: text.to_owned(),
                taken: false,
            });
        }
    }
    candidates
}

/// All blocks that occur in both lists and cannot be extended: starts and length.
fn matching_blocks(removed: &[Candidate], added: &[Candidate]) -> Vec<(usize, usize, usize)> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (from, line) in removed.iter().enumerate() {
        places.entry(&line.text).or_default().push(from);
    }
    let mut blocks = Vec::new();
    for (to, line) in added.iter().enumerate() {
        for &from in places.get(line.text.as_str()).into_iter().flatten() {
            let continues = |from: usize, to: usize| {
                follow(&removed[from - 1], &removed[from])
                    && follow(&added[to - 1], &added[to])
                    && match_alike(&removed[from - 1..=from], &added[to - 1..=to])
            };
            if from > 0 && to > 0 && continues(from, to) {
                continue; // it belongs to the block that began earlier
            }
            let mut length = 1;
            while from + length < removed.len()
                && to + length < added.len()
                && continues(from + length, to + length)
            {
                length += 1;
            }
            blocks.push((from, to, length));
        }
    }
    blocks
}

fn follow(one: &Candidate, next: &Candidate) -> bool {
    one.file == next.file && one.line + 1 == next.line
}

/// Whether two neighbouring lines moved together: the same texts, indented by as much more or less.
fn match_alike(removed: &[Candidate], added: &[Candidate]) -> bool {
    let shift =
        |index: usize| added[index].indent.cast_signed() - removed[index].indent.cast_signed();
    let is_blank = |index: usize| added[index].text.is_empty();
    (0..2).all(|index| removed[index].text == added[index].text)
        && (shift(0) == shift(1) || is_blank(0) || is_blank(1))
}

fn is_worth_it(block: &[Candidate]) -> bool {
    let letters = |line: &Candidate| line.text.chars().filter(|c| c.is_alphanumeric()).count();
    block.iter().filter(|line| letters(line) > 0).count() >= LINES_MIN
        && block.iter().map(letters).sum::<usize>() >= LETTERS_MIN
}

fn take(files: &mut [File], removed: &mut Candidate, added: &mut Candidate) {
    removed.taken = true;
    added.taken = true;
    files[removed.file].lines[removed.index].kind =
        Kind::MovedAway(Place { file: added.file, line: added.line });
    files[added.file].lines[added.index].kind =
        Kind::MovedHere(Place { file: removed.file, line: removed.line });
}
