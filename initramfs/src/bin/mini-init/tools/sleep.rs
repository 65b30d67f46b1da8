//! `sleep SECONDS`

use std::thread;
use std::time::Duration;

use super::operands;
use crate::failure::Failure;

pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    let [seconds] = &operands(arguments)?[..] else {
        return Err(Failure::usage("usage: sleep SECONDS"));
    };
    let seconds = seconds.parse().ok().and_then(|number| Duration::try_from_secs_f64(number).ok());
    thread::sleep(seconds.ok_or_else(|| Failure::usage("not a number of seconds"))?);
    Ok(0)
}
