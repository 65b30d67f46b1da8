//! Which item of one file became which item of the other.

use std::ops::Range;

use similar::{Algorithm, DiffTag, TextDiff, capture_diff_slices};

use crate::Side;

/// An item is taken for a renamed one if it has at least this share of its lines in common with it.
const LIKENESS_MIN: f64 = 0.5;

/// The segments of both files in one order, each with what it became.
pub fn segments(old: &Side, new: &Side) -> Vec<(Option<usize>, Option<usize>)> {
    let ids = |side: &Side| -> Vec<String> {
        side.segments.iter().map(|segment| segment.id.clone()).collect()
    };
    let mut pairs = Vec::new();
    for change in capture_diff_slices(Algorithm::Patience, &ids(old), &ids(new)) {
        let (tag, old_range, new_range) = change.as_tag_tuple();
        if tag == DiffTag::Equal {
            pairs.extend(old_range.map(Some).zip(new_range.map(Some)));
        } else {
            renamed(old, old_range, new, new_range, &mut pairs);
        }
    }
    pairs
}

/// Pairs segments that are called something else in the other file.
fn renamed(
    old: &Side,
    mut old_range: Range<usize>,
    new: &Side,
    new_range: Range<usize>,
    pairs: &mut Vec<(Option<usize>, Option<usize>)>,
) {
    for after in new_range {
        let text = new.text(after);
        let like = old_range.clone().find(|&before| {
            let old_text = old.text(before);
            f64::from(TextDiff::from_lines(&old_text, &text).ratio()) >= LIKENESS_MIN
        });
        if let Some(before) = like {
            pairs.extend((old_range.start..before).map(|gone| (Some(gone), None)));
            old_range.start = before + 1;
        }
        pairs.push((like, Some(after)));
    }
    pairs.extend(old_range.map(|gone| (Some(gone), None)));
}
