//! Numbers as a reader wants them.

/// A value with its unit: `2,697 instructions`, `1.24 million instructions`, `0.31 s`.
#[must_use]
pub fn quantity(value: f64, unit: &str) -> String {
    match unit {
        "s" => format!("{value:.2} s"),
        _ => format!("{} {unit}", count(value)),
    }
}

/// `1.04`, and with fewer digits what is large.
#[must_use]
pub fn ratio(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        0.0995.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn count(value: f64) -> String {
    match value {
        1e9.. => format!("{:.2} billion", value / 1e9),
        1e6.. => format!("{:.2} million", value / 1e6),
        100.0.. => with_commas(value),
        10.0.. => tenths(value, 1),
        // A share of something.
        _ => tenths(value, 2),
    }
}

/// With so many digits, unless it is a whole number.
fn tenths(value: f64, digits: usize) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.digits$}") }
}

fn with_commas(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        assert_eq!(quantity(2697.4, "instructions"), "2,697 instructions");
        assert_eq!(quantity(999_999.0, "exits"), "999,999 exits");
        assert_eq!(quantity(1_239_000.0, "instructions"), "1.24 million instructions");
        assert_eq!(quantity(2e9, "instructions"), "2.00 billion instructions");
        assert_eq!(quantity(17.5, "exits"), "17.5 exits");
        assert_eq!(quantity(0.0278, "exits"), "0.03 exits");
        assert_eq!(quantity(1.0, "calls of write"), "1 calls of write");
        assert_eq!(quantity(0.314, "s"), "0.31 s");
    }

    #[test]
    fn ratios() {
        assert_eq!(ratio(1.0), "1.00");
        assert_eq!(ratio(0.0999), "0.10");
        assert_eq!(ratio(0.0714), "0.071");
        assert_eq!(ratio(15.26), "15.3");
        assert_eq!(ratio(1234.5), "1234");
    }
}
