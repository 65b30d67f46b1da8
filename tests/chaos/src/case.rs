//! A case: what a VMM is started with. As text, it is a file that `tests/chaos/cases` keeps.
//!
//! ```text
//! # what went wrong
//! chapter: ch07-hypercall
//! options: --verbose
//! input: endless 00
//! signal: TERM
//! expected: crashed
//!
//! guest: 3 bytes
//! 0000: f4 90 f4
//! ```
//!
//! Rows of an image say what is at their offset; all else is 0, or in a `patched` kernel as it was. Of
//! a long input, `more:` lines follow.

use std::fmt;

use nix::sys::signal::Signal;

/// Bytes in a row of an image.
const ROW: usize = 16;

/// The signals by which a user ends a VMM.
pub const SIGNALS: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];

/// What a VMM is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What is to be said of it: each line a comment.
    pub about: String,
    /// The package of the VMM.
    pub chapter: String,
    /// What its command line has beside the images.
    pub options: Vec<String>,
    /// Its standard input.
    pub input: Input,
    /// By which signal it is ended when its time is over.
    pub signal: Signal,
    /// How it has to end, in the words of `How`; any documented way, if there are none.
    pub expected: Vec<String>,
    /// The files that its command line names.
    pub images: Vec<Image>,
}

/// What a VMM finds on standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// These bytes and then its end.
    Bytes(Vec<u8>),
    /// Nothing, and no end.
    Silent,
    /// These bytes again and again.
    Endless(Vec<u8>),
}

/// A file that a VMM is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// For what.
    pub role: Role,
    /// What is in it.
    pub contents: Contents,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is run.
    Guest,
    /// `--kernel`.
    Kernel,
    /// `--initrd`.
    Initrd,
    /// `--disk`.
    Disk,
}

const ROLES: [(Role, &str); 4] = [
    (Role::Guest, "guest"),
    (Role::Kernel, "kernel"),
    (Role::Initrd, "initrd"),
    (Role::Disk, "disk"),
];

impl Role {
    fn name(self) -> &'static str {
        ROLES.iter().find(|(role, _)| *role == self).map_or("", |(_, name)| name)
    }
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The kernel that the chapters boot, with these bytes at these offsets.
    Patched(Vec<(usize, Vec<u8>)>),
}

impl Case {
    /// Whether it needs the kernel that the chapters boot.
    pub fn patches_kernel(&self) -> bool {
        self.images.iter().any(|image| matches!(image.contents, Contents::Patched(_)))
    }

    /// Whether the VMM prints a line for each exit.
    pub fn is_verbose(&self) -> bool {
        self.options.iter().any(|option| option == "--verbose")
    }

    /// Reads what [`fmt::Display`] writes.
    ///
    /// # Errors
    ///
    /// If it is anything else: which line, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut case = Self {
            about: String::new(),
            chapter: String::new(),
            options: Vec::new(),
            input: Input::Bytes(Vec::new()),
            signal: Signal::SIGTERM,
            expected: Vec::new(),
            images: Vec::new(),
        };
        for (number, line) in (1..).zip(text.lines()) {
            case.line(line).map_err(|why| format!("line {number}: {why}"))?;
        }
        if case.chapter.is_empty() {
            return Err("it does not say which chapter".to_owned());
        }
        Ok(case)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(about) = line.strip_prefix('#') {
            self.about += about.strip_prefix(' ').unwrap_or(about);
            self.about += "\n";
            return Ok(());
        }
        if line.trim().is_empty() {
            return Ok(());
        }
        let (key, value) = line.split_once(':').ok_or("neither a comment nor KEY: VALUE")?;
        let value = value.trim();
        let words = || value.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        match key {
            "chapter" => self.chapter = value.to_owned(),
            "options" => self.options = words(),
            "expected" => self.expected = words(),
            "input" => self.input = parse_input(value)?,
            "more" => match &mut self.input {
                Input::Bytes(bytes) | Input::Endless(bytes) => bytes.extend(parse_hex(value)?),
                Input::Silent => return Err("more of nothing".to_owned()),
            },
            "signal" => {
                let found = SIGNALS.iter().find(|signal| signal.as_str()[3..] == *value);
                self.signal = *found.ok_or("no signal by which a user ends a VMM")?;
            }
            _ => match ROLES.iter().find(|(_, name)| *name == key) {
                Some((role, _)) => {
                    let contents = parse_contents(value)?;
                    self.images.push(Image { role: *role, contents });
                }
                None => self.row(key, value)?,
            },
        }
        Ok(())
    }

    fn row(&mut self, offset: &str, row: &str) -> Result<(), String> {
        let offset = usize::from_str_radix(offset, 16).map_err(|_| "no such key, and no row")?;
        let row = parse_hex(row)?;
        match self.images.last_mut().map(|image| &mut image.contents) {
            Some(Contents::Bytes(bytes)) => bytes
                .get_mut(offset..offset + row.len())
                .ok_or("the row is not within the image")?
                .copy_from_slice(&row),
            Some(Contents::Patched(patches)) => patches.push((offset, row)),
            None => return Err("a row of no image".to_owned()),
        }
        Ok(())
    }
}

fn parse_input(value: &str) -> Result<Input, String> {
    Ok(match value.split_once(' ').unwrap_or((value, "")) {
        ("silent", "") => Input::Silent,
        ("endless", bytes) => Input::Endless(parse_hex(bytes)?),
        _ => Input::Bytes(parse_hex(value)?),
    })
}

fn parse_contents(value: &str) -> Result<Contents, String> {
    match value.strip_suffix(" bytes").and_then(|count| count.parse().ok()) {
        _ if value == "patched" => Ok(Contents::Patched(Vec::new())),
        Some(count @ 0..=0x1000_0000) => Ok(Contents::Bytes(vec![0; count])),
        _ => Err("an image is \"N bytes\" or \"patched\"".to_owned()),
    }
}

fn parse_hex(text: &str) -> Result<Vec<u8>, String> {
    let byte = |word| u8::from_str_radix(word, 16).map_err(|_| format!("{word:?} is no byte"));
    text.split_whitespace().map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    let words: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    words.join(" ")
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.about.lines() {
            writeln!(f, "{}", format!("# {line}").trim_end())?;
        }
        writeln!(f, "chapter: {}", self.chapter)?;
        if !self.options.is_empty() {
            writeln!(f, "options: {}", self.options.join(" "))?;
        }
        let (kind, bytes) = match &self.input {
            Input::Bytes(bytes) => ("", &bytes[..]),
            Input::Silent => ("silent", &[][..]),
            Input::Endless(bytes) => ("endless ", &bytes[..]),
        };
        let mut rows = bytes.chunks(2 * ROW);
        let first = rows.next().unwrap_or_default();
        if !kind.is_empty() || !first.is_empty() {
            writeln!(f, "input: {kind}{}", hex(first))?;
        }
        rows.try_for_each(|row| writeln!(f, "more: {}", hex(row)))?;
        writeln!(f, "signal: {}", &self.signal.as_str()[3..])?;
        if !self.expected.is_empty() {
            writeln!(f, "expected: {}", self.expected.join(" "))?;
        }
        self.images.iter().try_for_each(|image| write!(f, "\n{image}"))
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.role.name();
        match &self.contents {
            Contents::Bytes(bytes) => {
                writeln!(f, "{name}: {} bytes", bytes.len())?;
                let rows = bytes.chunks(ROW).enumerate();
                for (row, bytes) in rows.filter(|(_, bytes)| bytes.iter().any(|byte| *byte != 0)) {
                    writeln!(f, "{:04x}: {}", row * ROW, hex(bytes))?;
                }
            }
            Contents::Patched(patches) => {
                writeln!(f, "{name}: patched")?;
                for (offset, bytes) in patches {
                    writeln!(f, "{offset:04x}: {}", hex(bytes))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> Case {
        let mut bytes = vec![0; 100];
        (bytes[0], bytes[99]) = (0xf4, 0x90);
        Case {
            about: "one\n\ntwo\n".to_owned(),
            chapter: "ch15-linux-shell".to_owned(),
            options: vec!["--memory".to_owned(), "16M".to_owned()],
            input: Input::Endless(vec![0, 1]),
            signal: Signal::SIGHUP,
            expected: vec!["crashed".to_owned()],
            images: vec![
                Image { role: Role::Guest, contents: Contents::Bytes(bytes) },
                Image { role: Role::Kernel, contents: Contents::Patched(vec![(0x1f1, vec![7])]) },
            ],
        }
    }

    #[test]
    fn a_case_is_the_same_after_it_was_written() {
        let long = Input::Bytes(vec![7; 100]);
        for input in [Input::Silent, Input::Bytes(vec![]), long, case().input] {
            let case = Case { input, ..case() };
            let text = case.to_string();
            assert_eq!(Case::parse(&text).as_ref(), Ok(&case), "{text}");
        }
    }

    #[test]
    fn a_line_that_means_nothing_is_named() {
        for (line, why) in [
            ("guest: 3", "\"N bytes\""),
            ("zzz: 1", "no such key"),
            ("0000: 1", "of no image"),
            ("guest: 3 bytes\n0002: 1 2", "not within"),
            ("input: xy", "no byte"),
            ("signal: KILL", "no signal"),
            ("hello", "neither"),
        ] {
            let error = Case::parse(&format!("chapter: x\n{line}\n")).unwrap_err();
            assert!(error.contains(why) && error.starts_with("line "), "{error}");
        }
        assert!(Case::parse("options: x\n").unwrap_err().contains("which chapter"));
    }
}
