//! Making a case that fails small: delta debugging, by pieces that are halved again and again.
//!
//! Zeller, Hildebrandt: Simplifying and Isolating Failure-Inducing Input, 2002. Pieces are left out
//! from large to small as long as the case still fails; complements are not tried.

use crate::case::{Case, Contents, Image, Input, Role};

/// The smallest case found that still fails. `fails` is asked at each step; after its first "no more"
/// (`None`) nothing further is tried.
pub fn minimise(case: &Case, mut fails: impl FnMut(&Case) -> Option<bool>) -> Case {
    let mut best = case.clone();
    // Shorter than that nothing gets: each round makes something smaller, or is the last.
    loop {
        let before = best.clone();
        if smaller(&mut best, &mut fails).is_none() || best == before {
            return best;
        }
    }
}

/// One round. `None` if there was no time for all of it.
fn smaller(best: &mut Case, fails: &mut impl FnMut(&Case) -> Option<bool>) -> Option<()> {
    let mut attempt = |best: &mut Case, change: &dyn Fn(&mut Case)| -> Option<bool> {
        let mut new = best.clone();
        change(&mut new);
        let is_better = new != *best && fails(&new)?;
        if is_better {
            *best = new;
        }
        Some(is_better)
    };
    attempt(best, &|case| case.options.retain(|option| option != "--verbose"))?;
    attempt(best, &|case| case.input = Input::Bytes(Vec::new()))?;
    // A guest can be left out if another stays.
    for index in (0..best.images.len()).rev() {
        let is_guest = |image: &Image| image.role == Role::Guest;
        let guests = best.images.iter().filter(|image| is_guest(image)).count();
        if !is_guest(&best.images[index]) && best.images[index].role != Role::Kernel || guests > 1 {
            attempt(best, &|case| drop(case.images.remove(index)))?;
        }
    }
    for index in 0..best.images.len() {
        match best.images[index].contents.clone() {
            Contents::Bytes(_) => {
                let put = |case: &mut Case, bytes| {
                    case.images[index].contents = Contents::Bytes(bytes);
                };
                let get = |case: &Case| match &case.images[index].contents {
                    Contents::Bytes(bytes) => bytes.clone(),
                    Contents::Patched(_) => Vec::new(),
                };
                without_pieces(best, &mut attempt, get, put)?;
                with_zeros(best, &mut attempt, get, put)?;
            }
            Contents::Patched(_) => {
                let put = |case: &mut Case, patches| {
                    case.images[index].contents = Contents::Patched(patches);
                };
                let get = |case: &Case| match &case.images[index].contents {
                    Contents::Patched(patches) => patches.clone(),
                    Contents::Bytes(_) => Vec::new(),
                };
                without_pieces(best, &mut attempt, get, put)?;
            }
        }
    }
    let put = |case: &mut Case, bytes| {
        case.input = match case.input {
            Input::Endless(_) => Input::Endless(bytes),
            _ => Input::Bytes(bytes),
        };
    };
    let get = |case: &Case| match &case.input {
        Input::Bytes(bytes) | Input::Endless(bytes) => bytes.clone(),
        Input::Silent => Vec::new(),
    };
    without_pieces(best, &mut attempt, get, put)
}

/// Leaves out pieces of a list, from half of it down to single elements.
fn without_pieces<T: Clone>(
    best: &mut Case,
    attempt: &mut impl FnMut(&mut Case, &dyn Fn(&mut Case)) -> Option<bool>,
    get: impl Fn(&Case) -> Vec<T>,
    put: impl Fn(&mut Case, Vec<T>),
) -> Option<()> {
    let mut size = get(best).len() / 2;
    while size > 0 {
        // From the end: what comes first is what leads to the rest.
        let mut end = get(best).len();
        while end > 0 {
            let start = end.saturating_sub(size);
            let mut rest = get(best);
            rest.drain(start..end);
            // An empty file is another mistake.
            if !rest.is_empty() {
                attempt(best, &|case| put(case, rest.clone()))?;
            }
            end = start;
        }
        size /= 2;
    }
    Some(())
}

/// Makes pieces 0, which a case does not even show.
fn with_zeros(
    best: &mut Case,
    attempt: &mut impl FnMut(&mut Case, &dyn Fn(&mut Case)) -> Option<bool>,
    get: impl Fn(&Case) -> Vec<u8>,
    put: impl Fn(&mut Case, Vec<u8>),
) -> Option<()> {
    let mut size = get(best).len() / 2;
    while size > 0 {
        for start in (0..get(best).len()).step_by(size) {
            let mut bytes = get(best);
            let end = (start + size).min(bytes.len());
            if bytes[start..end].iter().any(|byte| *byte != 0) {
                bytes[start..end].fill(0);
                attempt(best, &|case| put(case, bytes.clone()))?;
            }
        }
        size /= 2;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::*;

    fn case(images: Vec<Contents>) -> Case {
        Case {
            about: String::new(),
            chapter: "ch15-linux-shell".to_owned(),
            options: vec!["--verbose".to_owned()],
            input: Input::Endless(b"abcdefgh".to_vec()),
            signal: Signal::SIGTERM,
            expected: Vec::new(),
            images: images
                .into_iter()
                .map(|contents| Image { role: Role::Guest, contents })
                .collect(),
        }
    }

    #[test]
    fn what_does_not_matter_is_left_out() {
        let bytes: Vec<u8> = (1..=255).collect();
        let case = case(vec![Contents::Bytes(vec![1; 50]), Contents::Bytes(bytes)]);
        // It fails if 7 comes before 200, and something is typed with a d.
        let smallest = minimise(&case, |case| {
            let typed = matches!(&case.input, Input::Endless(it) if it.contains(&b'd'));
            Some(
                typed
                    && case.images.iter().any(|image| {
                        let Contents::Bytes(bytes) = &image.contents else { return false };
                        let at = |byte| bytes.iter().position(|it| *it == byte);
                        at(7).is_some() && at(7) < at(200)
                    }),
            )
        });
        assert_eq!(smallest.images.len(), 1);
        assert_eq!(smallest.images[0].contents, Contents::Bytes(vec![7, 200]));
        assert_eq!(smallest.input, Input::Endless(b"d".to_vec()));
        assert!(smallest.options.is_empty());
    }

    #[test]
    fn patches_are_left_out_too() {
        let patches = (0..100).map(|at| (at, vec![1])).collect();
        let smallest = minimise(&case(vec![Contents::Patched(patches)]), |case| {
            let Contents::Patched(patches) = &case.images[0].contents else { return Some(false) };
            Some(patches.iter().any(|(at, _)| *at == 42))
        });
        assert_eq!(smallest.images[0].contents, Contents::Patched(vec![(42, vec![1])]));
    }

    #[test]
    fn when_time_is_over_the_best_so_far_has_to_do() {
        let case = case(vec![Contents::Bytes(vec![1; 1000])]);
        let mut left = 3;
        let smallest = minimise(&case, |_| {
            left -= 1;
            (left >= 0).then_some(true)
        });
        assert_eq!(left, -1);
        assert!(smallest != case);
    }
}
