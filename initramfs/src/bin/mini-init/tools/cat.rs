//! `cat [FILE]...`: what is in files, one after the other.

use std::io::{Write, stdout};

use super::{each, open, operands};
use crate::failure::{Failure, Named};

pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    let mut files = operands(arguments)?;
    if files.is_empty() {
        files.push("-".to_owned());
    }
    Ok(each("cat", &files, copy))
}

fn copy(file: &str) -> Result<(), Failure> {
    let mut input = open(file)?;
    let mut out = stdout().lock();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = input.read(&mut buffer).named(file)?;
        if length == 0 {
            return Ok(());
        }
        out.write_all(&buffer[..length])?;
        out.flush()?;
    }
}
