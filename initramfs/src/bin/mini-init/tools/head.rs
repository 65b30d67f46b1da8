//! `head [-n LINES | -LINES] [FILE]...`: the first lines of files; ten if not told otherwise.

use std::io::{BufRead, BufReader, Write, stdout};

use lexopt::{Arg, Parser, ValueExt};

use super::{each, open, text};
use crate::failure::{Failure, Named};

pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    let (lines, mut files) = parse(arguments)?;
    if files.is_empty() {
        files.push("-".to_owned());
    }
    Ok(each("head", &files, |file| copy(file, lines)))
}

fn parse(arguments: &[String]) -> Result<(usize, Vec<String>), Failure> {
    let mut lines = None;
    let mut files = Vec::new();
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('n') => lines = Some(parser.value()?.parse()?),
            Arg::Short(digit @ '0'..='9') => {
                let digit = digit as usize - '0' as usize;
                lines = Some(lines.unwrap_or(0_usize).saturating_mul(10).saturating_add(digit));
            }
            Arg::Value(file) => files.push(text(file)),
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok((lines.unwrap_or(10), files))
}

fn copy(file: &str, lines: usize) -> Result<(), Failure> {
    let mut input = BufReader::new(open(file)?);
    let mut out = stdout().lock();
    let mut left = lines;
    while left > 0 {
        // In pieces: a line may have no end.
        let piece = input.fill_buf().named(file)?;
        let end = piece.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let length = end.unwrap_or(piece.len());
        if length == 0 {
            break;
        }
        out.write_all(&piece[..length])?;
        input.consume(length);
        left -= usize::from(end.is_some());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<(usize, Vec<String>), Failure> {
        parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn numbers_of_lines() {
        assert_eq!(parsed(&[]).unwrap().0, 10);
        assert_eq!(parsed(&["-3"]).unwrap().0, 3);
        assert_eq!(parsed(&["-120", "a"]).unwrap(), (120, vec!["a".to_owned()]));
        assert_eq!(parsed(&["-n", "5", "-"]).unwrap(), (5, vec!["-".to_owned()]));
        assert_eq!(parsed(&["-n5"]).unwrap().0, 5);
        assert_eq!(parsed(&["-nx"]).unwrap_err().status, 2);
    }
}
