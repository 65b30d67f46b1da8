//! `hexdump [-C] [-n BYTES] [-s BYTES] [FILE]`: bytes in hexadecimal and as text. There is but one
//! format, the one that others call canonical (`-C`).

use std::io::{self, BufReader, BufWriter, Read, Write, stdout};

use lexopt::{Arg, Parser, ValueExt};

use super::{open, text};
use crate::failure::{Failure, Named, reason};

/// Bytes in a line.
const WIDTH: usize = 16;

pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    let mut length = u64::MAX;
    let mut skip = 0;
    let mut file = None;
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('C') => {}
            Arg::Short('n') => length = parser.value()?.parse()?,
            Arg::Short('s') => skip = parser.value()?.parse()?,
            Arg::Value(value) if file.is_none() => file = Some(text(value)),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let file = file.unwrap_or_else(|| "-".to_owned());
    let mut input = BufReader::new(open(&file)?);
    io::copy(&mut input.by_ref().take(skip), &mut io::sink()).named(&file)?;
    dump(&mut input.take(length), skip, &file, &mut BufWriter::new(stdout().lock()))?;
    Ok(0)
}

fn dump(
    input: &mut impl Read,
    mut offset: u64,
    name: &str,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut previous = Vec::new();
    let mut in_repetition = false;
    loop {
        let mut bytes = Vec::new();
        let result = input.by_ref().take(WIDTH as u64).read_to_end(&mut bytes);
        if bytes.is_empty() {
            if offset > 0 {
                writeln!(out, "{offset:08x}")?;
            }
            out.flush()?;
            return result.map(drop).named(name);
        }
        if bytes.len() == WIDTH && bytes == previous {
            // A line like the one before it: however many there are, they are one asterisk.
            if !in_repetition {
                writeln!(out, "*")?;
            }
            in_repetition = true;
        } else {
            in_repetition = false;
            out.write_all(line(offset, &bytes).as_bytes())?;
        }
        offset += bytes.len() as u64;
        if let Err(error) = result {
            out.flush()?;
            return Err(Failure::new(format!("{name}: {}", reason(&error))));
        }
        previous = bytes;
    }
}

fn line(offset: u64, bytes: &[u8]) -> String {
    let mut hex = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        hex.push_str(if index % 8 == 0 { "  " } else { " " });
        hex.push_str(&format!("{byte:02x}"));
    }
    let text: String = bytes
        .iter()
        .map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' })
        .collect();
    format!("{offset:08x}{hex:<50}  |{text}|\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dumped(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        dump(&mut &bytes[..], 0, "test", &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn like_everybody_elses() {
        assert_eq!(
            dumped(b"Hello, KVM!\n\x00\xff and more"),
            "00000000  48 65 6c 6c 6f 2c 20 4b  56 4d 21 0a 00 ff 20 61  |Hello, KVM!... a|\n\
             00000010  6e 64 20 6d 6f 72 65                              |nd more|\n\
             00000017\n"
        );
        assert_eq!(dumped(b""), "");
    }

    #[test]
    fn repeated_lines_are_one_asterisk() {
        assert_eq!(
            dumped(&[0; 50]),
            "00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n\
             *\n\
             00000030  00 00                                             |..|\n\
             00000032\n"
        );
    }
}
