//! How wide a text will be, before there is a font to ask.

/// The smallest size of text in a figure, and that of code.
pub const SMALL: f64 = 14.0;
/// The size of all other text.
pub const SIZE: f64 = 15.0;

/// Advance widths of DejaVu Sans, in thousandths, from the blank to the tilde. Of the fonts that a
/// browser may take for `sans-serif` it is the widest: what fits in it fits.
const WIDTHS: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];
/// For what is not ASCII.
const OTHER: u16 = 1000;
/// Of each character of a fixed-width font.
const CODE: f64 = 0.603;
/// How much wider bold letters are.
const BOLD: f64 = 1.12;

/// A piece of text in one font.
#[derive(Debug, PartialEq)]
pub struct Run<'a> {
    /// Without the backticks.
    pub text: &'a str,
    /// In a fixed-width font.
    pub is_code: bool,
}

/// Splits `text` at its backticks: what is between two of them is code.
pub fn runs(text: &str) -> impl Iterator<Item = Run<'_>> {
    text.split('`')
        .enumerate()
        .map(|(index, text)| Run { text, is_code: index % 2 == 1 })
        .filter(|run| !run.text.is_empty())
}

/// How wide `text` is at most, with code in backticks.
pub fn width(text: &str, is_bold: bool) -> f64 {
    let prose = |text: &str| -> f64 {
        text.chars().map(|character| f64::from(advance(character)) / 1000.0 * SIZE).sum()
    };
    runs(text)
        .map(|run| match run.is_code {
            true => run.text.chars().count() as f64 * CODE * SMALL,
            false if is_bold => prose(run.text) * BOLD,
            false => prose(run.text),
        })
        .sum()
}

fn advance(character: char) -> u16 {
    let index = (character as usize).checked_sub(' ' as usize);
    index.and_then(|index| WIDTHS.get(index)).copied().unwrap_or(OTHER)
}

/// Breaks `text` at blanks into lines no wider than `room`. Code with blanks is not broken.
pub fn wrap(text: &str, room: f64, is_bold: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words(text) {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), is_bold) <= room => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// The words of `text`; one in backticks may have blanks.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_code = false;
    for character in text.chars() {
        is_code ^= character == '`';
        match words.last_mut() {
            Some(word) if character != ' ' || is_code => word.push(character),
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_between_backticks() {
        let runs: Vec<_> = runs("read `0x3f8` now").map(|run| (run.text, run.is_code)).collect();
        assert_eq!(runs, [("read ", false), ("0x3f8", true), (" now", false)]);
    }

    #[test]
    fn lines_break_at_blanks_but_not_in_code() {
        assert_eq!(wrap("one two three", 65.0, false), ["one two", "three"]);
        assert_eq!(wrap("a `mov a, b`, c", 30.0, false), ["a", "`mov a, b`,", "c"]);
        assert!(wrap("", 60.0, false).is_empty());
    }

    #[test]
    fn bold_is_wider_and_code_has_one_width() {
        assert!(width("memory", true) > width("memory", false));
        assert_eq!(width("`iiii`", false), width("`WWWW`", true));
    }
}
