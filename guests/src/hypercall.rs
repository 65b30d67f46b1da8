//! The hypercall ABI: how a guest asks its VMM for something.
//!
//! `OUT` of one byte, the number, from `AL` to [`PORT`]. The guests' side of this table is
//! `guests/include/hypercall.h`.

/// The I/O port of the hypercalls. No device of a PC has it.
pub const PORT: u16 = 0x500;

/// `BL` = status: the guest ends with it.
pub const HC_EXIT: u8 = 0;
/// `BL` = byte: writes it.
pub const HC_PUTCHAR: u8 = 1;
/// `BX` = number: writes it as unsigned decimal.
pub const HC_PUTNUM: u8 = 2;
/// Writes `\n`.
pub const HC_NEWLINE: u8 = 3;
/// Waits for a byte and returns it in `EAX`, or [`END_OF_INPUT`] when none is left.
pub const HC_GETCHAR: u8 = 4;

/// What [`HC_GETCHAR`] returns at end of input: −1 in all 32 bits of `EAX`, which no byte looks like.
pub const END_OF_INPUT: u32 = -1_i32 as u32;

/// The names of the hypercalls, by number.
pub const NAMES: [&str; 5] = ["HC_EXIT", "HC_PUTCHAR", "HC_PUTNUM", "HC_NEWLINE", "HC_GETCHAR"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const HEADER: &str = include_str!("../include/hypercall.h");
    const RUST: &str = include_str!("hypercall.rs");

    /// `#define NAME VALUE` → NAME, VALUE; not the include guard, which has no value.
    fn in_header() -> BTreeMap<&'static str, i64> {
        HEADER
            .lines()
            .filter_map(|line| line.strip_prefix("#define "))
            .filter_map(|definition| {
                let mut words = definition.split_whitespace();
                Some((words.next()?, number(words.next()?)))
            })
            .collect()
    }

    /// `pub const HC_NAME: u8 = VALUE;` → HC_NAME, VALUE.
    fn in_rust() -> BTreeMap<&'static str, i64> {
        RUST.lines()
            .filter_map(|line| line.strip_prefix("pub const ")?.strip_suffix(';'))
            .filter_map(|constant| constant.split_once(": u8 = "))
            .map(|(name, value)| (name, number(value)))
            .collect()
    }

    fn number(text: &str) -> i64 {
        match text.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16).unwrap(),
            None => text.parse().unwrap(),
        }
    }

    #[test]
    fn header_and_rust_have_the_same_hypercalls() {
        let mut header = in_header();
        header.retain(|name, _| name.starts_with("HC_"));
        assert_eq!(header, in_rust());
        assert!(!header.is_empty());
    }

    #[test]
    fn header_and_rust_agree_on_port_and_end_of_input() {
        let header = in_header();
        assert_eq!(header["HYPERCALL_PORT"], i64::from(PORT));
        assert_eq!(header["END_OF_INPUT"] as u32, END_OF_INPUT);
    }

    #[test]
    fn every_number_has_its_name() {
        let by_name: BTreeMap<_, _> = NAMES.into_iter().zip(0..).collect();
        assert_eq!(by_name, in_rust());
    }
}
