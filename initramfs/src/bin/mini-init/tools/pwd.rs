//! `pwd`: the working directory.

use std::env;
use std::io::{Write, stdout};

use super::nothing;
use crate::failure::{Failure, Named};

pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    nothing(arguments)?;
    let directory = env::current_dir().named("the working directory")?;
    writeln!(stdout(), "{}", directory.display())?;
    Ok(0)
}
