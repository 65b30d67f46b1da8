//! Numbers and bytes at random, more often those at which programs go wrong.

use fastrand::Rng;

/// A number: a small one, one of a single bit, one beside such a bit, a negative one, or any.
pub fn interesting(rng: &mut Rng) -> u64 {
    let bit = 1_u64 << rng.u8(..64);
    match rng.u8(..8) {
        0 => 0,
        1 => u64::MAX - rng.u64(..16),
        2 => rng.u64(..256),
        3 => bit,
        4 => bit - 1,
        5 => bit | rng.u64(..bit),
        6 => rng.u64(..) & rng.u64(..),
        _ => rng.u64(..),
    }
}

/// So many bytes: any, or more often text and 0.
pub fn bytes(rng: &mut Rng, count: usize) -> Vec<u8> {
    let kind = rng.u8(..4);
    let byte = |rng: &mut Rng| match kind {
        0 => rng.u8(b' '..=b'~'),
        1 if rng.bool() => 0,
        2 if rng.u8(..4) == 0 => b'\n',
        _ => rng.u8(..),
    };
    (0..count).map(|_| byte(rng)).collect()
}

/// Changes bytes: single bits, bytes, numbers of up to eight bytes, and pieces that are copied
/// elsewhere, cut out or put in.
pub fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..1 << rng.u8(..6) {
        let length = bytes.len();
        if length == 0 {
            return;
        }
        let at = rng.usize(..length);
        let piece = at..(at + rng.usize(1..=64)).min(length);
        match rng.u8(..10) {
            0..3 => bytes[at] ^= 1 << rng.u8(..8),
            3..5 => bytes[at] = rng.u8(..),
            5 => {
                let number = interesting(rng).to_le_bytes();
                let width = 1 << rng.u8(..4);
                let new = number.iter().take(width);
                bytes.iter_mut().skip(at).zip(new).for_each(|(byte, new)| *byte = *new);
            }
            6 => {
                let copy = bytes[piece].to_vec();
                let to = rng.usize(..length);
                bytes.iter_mut().skip(to).zip(copy).for_each(|(byte, new)| *byte = new);
            }
            7 => drop(bytes.drain(piece)),
            8 => {
                let new = self::bytes(rng, piece.len());
                bytes.splice(at..at, new);
            }
            _ => bytes[piece].fill(rng.u8(..)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same() {
        let once = || {
            let mut rng = Rng::with_seed(7);
            let mut bytes = bytes(&mut rng, 100);
            mutate(&mut rng, &mut bytes);
            (bytes, interesting(&mut rng))
        };
        assert_eq!(once(), once());
    }

    #[test]
    fn bytes_are_changed_whatever_there_is() {
        for seed in 0..1000 {
            let mut rng = Rng::with_seed(seed);
            mutate(&mut rng, &mut Vec::new());
            mutate(&mut rng, &mut vec![1]);
        }
    }
}
