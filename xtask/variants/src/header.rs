//! What a patch says about itself: lines `Name: value` before the diff, and blank ones.

use anyhow::{Result, bail};

/// The lines before a diff. Each is taken out by who knows its name; what is left at the end is a
/// mistake.
pub struct Header {
    lines: Vec<(String, String)>,
}

impl Header {
    /// Reads the lines of a header.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines: Vec<(String, String)> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let Some((name, value)) = line.split_once(':') else {
                bail!("{line:?}: no header line\n  write `Name: value`, or leave it out");
            };
            if lines.iter().any(|(other, _)| other == name) {
                bail!("there are two `{name}:` lines\n  leave one out");
            }
            lines.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Self { lines })
    }

    /// The value of this name, which must be there.
    pub fn need(&mut self, name: &str, such_as: &str) -> Result<String> {
        match self.take(name) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => {
                bail!("no `{name}:` line before the diff\n  write one, such as `{name}: {such_as}`")
            }
        }
    }

    /// The value of this name, if it is there.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let index = self.lines.iter().position(|(other, _)| other == name)?;
        Some(self.lines.remove(index).1)
    }

    /// Fails if there is anything left.
    pub fn end(self) -> Result<()> {
        match self.lines.first() {
            None => Ok(()),
            Some((name, _)) => bail!("`{name}:`: nobody knows such a header line\n  leave it out"),
        }
    }
}

/// The bytes that a text with `\n`, `\r`, `\t`, `\0`, `\\` and `\x1b` stands for.
pub fn unescape(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend(before.as_bytes());
        let byte = match after.chars().next() {
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('0') => b'\0',
            Some('\\') => b'\\',
            Some('x') => match after.get(1..3).and_then(byte) {
                Some(byte) => byte,
                None => bail!("\\x: two hexadecimal digits must follow"),
            },
            _ => bail!("\\{after}: unknown; there are \\n \\r \\t \\0 \\\\ and \\x1b"),
        };
        bytes.push(byte);
        rest = &after[if after.starts_with('x') { 3 } else { 1 }..];
    }
    bytes.extend(rest.as_bytes());
    Ok(bytes)
}

fn byte(digits: &str) -> Option<u8> {
    // The library would take a sign, too.
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_one_by_one() {
        let mut header = Header::parse("Run: ch01-open-kvm a b\n\nWhy: it is: so\n").unwrap();
        assert_eq!(header.need("Run", "ch").unwrap(), "ch01-open-kvm a b");
        assert_eq!(header.take("Input"), None);
        assert_eq!(header.take("Why").unwrap(), "it is: so");
        header.end().unwrap();
    }

    #[test]
    fn what_is_wrong_in_a_header_is_said() {
        let error = |text: &str| {
            let parsed = Header::parse(text);
            let parsed = parsed.and_then(|mut header| {
                header.need("Run", "ch01-open-kvm")?;
                header.end()
            });
            parsed.unwrap_err().to_string()
        };
        assert_eq!(
            error("Why: so\n"),
            "no `Run:` line before the diff\n  write one, such as `Run: ch01-open-kvm`"
        );
        assert_eq!(error("Run:\n"), error(""));
        assert_eq!(
            error("Run: x\nruns: y\n"),
            "`runs:`: nobody knows such a header line\n  leave it out"
        );
        assert_eq!(error("Run: x\nRun: y\n"), "there are two `Run:` lines\n  leave one out");
        assert_eq!(
            error("Run it.\n"),
            "\"Run it.\": no header line\n  write `Name: value`, or leave it out"
        );
    }

    #[test]
    fn input_is_given_with_escapes() {
        assert_eq!(unescape("a\\n\\t\\\\n\\x1b[A\\0").unwrap(), b"a\n\t\\n\x1b[A\0");
        assert_eq!(unescape("").unwrap(), b"");
        for text in ["\\", "a\\q", "\\x", "\\x1", "\\xg0", "\\x+1", "\\xé"] {
            unescape(text).unwrap_err();
        }
    }
}
