//! From one input to another that is nearly the same: with some numbers changed that a parser may
//! believe, cut short, or longer.

use fastrand::Rng;

/// A little-endian number at `offset`, `bytes` long. What is beyond the input's end is not changed.
#[derive(Clone, Copy)]
pub struct Field {
    /// Where it begins.
    pub offset: usize,
    /// Up to 8.
    pub bytes: usize,
}

/// For a list of fields of one size, one after the other.
pub const fn fields<const COUNT: usize>(first: usize, bytes: usize) -> [Field; COUNT] {
    let mut fields = [Field { offset: 0, bytes }; COUNT];
    let mut index = 0;
    while index < COUNT {
        fields[index].offset = first + index * bytes;
        index += 1;
    }
    fields
}

/// Numbers at which programs go wrong: near 0, near the signs, and around powers of two, which are
/// sizes of pages, of tables and of memory.
fn interesting(rng: &mut Rng, length: usize) -> u64 {
    let near = |number: u64, rng: &mut Rng| number.wrapping_add(rng.u64(0..5)).wrapping_sub(2);
    match rng.u8(0..5) {
        0 => near(0, rng),
        1 => near(length as u64, rng),
        2 => near(1 << rng.u32(0..64), rng),
        3 => near(!0 << rng.u32(0..64), rng),
        _ => rng.u64(..),
    }
}

/// Changes `input` once to four times.
pub fn mutate(input: &mut Vec<u8>, max: usize, fields: &[Field], rng: &mut Rng) {
    for _ in 0..rng.u8(1..5) {
        once(input, fields, rng);
    }
    input.truncate(max);
}

fn once(input: &mut Vec<u8>, fields: &[Field], rng: &mut Rng) {
    let length = input.len();
    if length == 0 {
        input.extend((0..rng.usize(1..64)).map(|_| rng.u8(..)));
        return;
    }
    let at = rng.usize(0..length);
    match rng.u8(0..if fields.is_empty() { 7 } else { 14 }) {
        0 => input[at] ^= 1 << rng.u8(0..8),
        1 => input[at] = rng.u8(..),
        2 => put(input, at, 1 << rng.u8(0..4), interesting(rng, length)),
        3 => input.truncate(at),
        4 => {
            let more = rng.usize(1..600);
            let byte = if rng.bool() { 0 } else { rng.u8(..) };
            input.resize(length + more, byte);
        }
        5 => {
            // A piece of it a second time, or over another.
            let piece = input[at..length.min(at + rng.usize(1..64))].to_vec();
            let to = rng.usize(0..length);
            if rng.bool() {
                input.splice(to..to, piece);
            } else {
                let to = to.min(length - piece.len());
                input[to..to + piece.len()].copy_from_slice(&piece);
            }
        }
        6 => drop(input.drain(at..length.min(at + rng.usize(1..32)))),
        _ => {
            let field = fields[rng.usize(0..fields.len())];
            let number = interesting(rng, length);
            put(input, field.offset, field.bytes, number);
        }
    }
}

fn put(input: &mut [u8], at: usize, bytes: usize, number: u64) {
    if let Some(place) = input.get_mut(at..at + bytes.min(8)) {
        place.copy_from_slice(&number.to_le_bytes()[..place.len()]);
    }
}

/// For libFuzzer: half of the time it is our turn, or the one of its own mutations.
#[cfg(feature = "libfuzzer")]
pub fn in_place(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    if seed & 1 == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let mut input = data[..size].to_vec();
    let fields = crate::run::chosen().fields;
    mutate(&mut input, max_size, fields, &mut Rng::with_seed(seed.into()));
    data[..input.len()].copy_from_slice(&input);
    input.len()
}
