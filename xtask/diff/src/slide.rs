//! Where a change begins.
//!
//! A function put between two others can be seen as its own lines, or as the closing brace of the one
//! before, a blank line, and its own lines but the last brace. To a diff both are the same. To a
//! reader they are not.

use std::cmp::Reverse;
use std::mem::take;
use std::ops::Range;

use crate::{Kind, Line};

/// Slides every block of lines, where it can be slid, to where a reader would put it.
pub fn blocks(lines: &mut [Line]) {
    let mut start = 0;
    while start < lines.len() {
        let kind = lines[start].kind;
        let end = lines[start..].iter().position(|line| line.kind != kind);
        let end = end.map_or(lines.len(), |length| start + length);
        let after = lines.get(end).is_none_or(|line| line.kind == Kind::Same);
        let before = start == 0 || lines[start - 1].kind == Kind::Same;
        // What is replaced stays where it is.
        let next =
            if kind != Kind::Same && before && after { slide(lines, start..end).end } else { end };
        start = next.max(end);
    }
}

fn slide(lines: &mut [Line], mut block: Range<usize>) -> Range<usize> {
    while block.start > 0 && can_swap(lines, block.start - 1, block.end - 1) {
        swap(lines, block.end - 1, block.start - 1);
        block = block.start - 1..block.end - 1;
    }
    let mut best = (rank(lines, &block), block.start);
    while block.end < lines.len() && can_swap(lines, block.end, block.start) {
        swap(lines, block.start, block.end);
        block = block.start + 1..block.end + 1;
        // Of two equally good places, the lower one: a brace belongs to what is above it.
        best = best.max((rank(lines, &block), block.start));
    }
    while block.start > best.1 {
        swap(lines, block.end - 1, block.start - 1);
        block = block.start - 1..block.end - 1;
    }
    block
}

/// Whether an unchanged line is the same as one of the block.
fn can_swap(lines: &[Line], unchanged: usize, of_block: usize) -> bool {
    let (unchanged, of_block) = (&lines[unchanged], &lines[of_block]);
    unchanged.kind == Kind::Same
        && unchanged.text == of_block.text
        && unchanged.ends == of_block.ends
}

/// Makes the line `from` unchanged, and `to` part of the block instead.
fn swap(lines: &mut [Line], from: usize, to: usize) {
    let kind = lines[from].kind;
    // The unchanged line's number on the other side goes along.
    if kind == Kind::Added {
        lines[from].old = take(&mut lines[to].old);
    } else {
        lines[from].new = take(&mut lines[to].new);
    }
    lines[from].kind = Kind::Same;
    lines[to].kind = kind;
}

/// The better, the higher: after a blank line, then where the text is less indented.
fn rank(lines: &[Line], block: &Range<usize>) -> (bool, Reverse<usize>) {
    let first = &lines[block.start].text;
    let after_blank = block.start == 0 || lines[block.start - 1].text.is_empty();
    let indent = match first.is_empty() {
        true => usize::MAX,
        false => first.len() - first.trim_start().len(),
    };
    (after_blank, Reverse(indent))
}
