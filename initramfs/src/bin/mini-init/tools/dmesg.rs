//! `dmesg`: the kernel's log.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write, stdout};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::nothing;
use crate::failure::{Failure, Named};

/// Each read from it gives one record.
const LOG: &str = "/dev/kmsg";

pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    nothing(arguments)?;
    let mut log =
        File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(LOG).named(LOG)?;
    let mut out = BufWriter::new(stdout().lock());
    let mut record = [0; 8192];
    loop {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(length) => {
                let record = String::from_utf8_lossy(&record[..length]);
                if let Some(line) = line(&record) {
                    out.write_all(line.as_bytes())?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            // The record was overwritten before we came to it: the next read gives a later one.
            Err(error) if error.raw_os_error() == Some(Errno::EPIPE as i32) => {}
            Err(error) => return Err(error).named(LOG),
        }
    }
    out.flush()?;
    Ok(0)
}

/// A record as on the console. It is `level,number,microseconds,flags;message`, and then lines that
/// begin with a space, for machines (Documentation/ABI/testing/dev-kmsg).
fn line(record: &str) -> Option<String> {
    let (prefix, message) = record.split_once(';')?;
    let time: u64 = prefix.split(',').nth(2)?.parse().ok()?;
    let message = message.lines().next()?;
    Some(format!("[{:5}.{:06}] {message}\n", time / 1_000_000, time % 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        assert_eq!(
            line("6,339,5140900,-;NET: Registered\n SUBSYSTEM=x\n").as_deref(),
            Some("[    5.140900] NET: Registered\n")
        );
        assert_eq!(line("no record"), None);
    }
}
