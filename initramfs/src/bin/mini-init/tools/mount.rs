//! `mount [-r] -t TYPE SOURCE DIRECTORY` mounts a file system; `mount` lists what is mounted.

use std::io::{Write, stdout};

use lexopt::{Arg, Parser};
use nix::mount::MsFlags;

use super::{read, text};
use crate::failure::{Failure, Named};

pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    let mut kind = None;
    let mut flags = MsFlags::empty();
    let mut operands = Vec::new();
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('t') => kind = Some(text(parser.value()?)),
            Arg::Short('r') => flags |= MsFlags::MS_RDONLY,
            Arg::Value(operand) => operands.push(text(operand)),
            _ => return Err(argument.unexpected().into()),
        }
    }
    match (kind, &operands[..]) {
        (None, []) => stdout().write_all(list(&read("/proc/mounts")?).as_bytes())?,
        (Some(kind), [source, directory]) => {
            let (source, directory) = (source.as_str(), directory.as_str());
            nix::mount::mount(Some(source), directory, Some(kind.as_str()), flags, None::<&str>)
                .named(directory)?;
        }
        _ => return Err(Failure::usage("usage: mount [-r] -t TYPE SOURCE DIRECTORY")),
    }
    Ok(0)
}

/// `/proc/mounts` in sentences.
fn list(mounts: &str) -> String {
    let sentence = |line: &str| {
        let mut fields = line.split(' ');
        let mut next = || fields.next().unwrap_or("?");
        format!("{} on {} type {} ({})\n", next(), next(), next(), next())
    };
    mounts.lines().map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts() {
        assert_eq!(
            list("rootfs / rootfs rw,size=1k 0 0\nproc /proc proc rw 0 0\n"),
            "rootfs on / type rootfs (rw,size=1k)\nproc on /proc type proc (rw)\n"
        );
    }
}
