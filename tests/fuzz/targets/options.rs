//! Command lines: names of guests, sizes, addresses, modes.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::Parser;
use fuzz::Target;

use crate::guest::load_image;
use crate::layout::MEMORY_BYTES_MAX;
use crate::{Options, linux};

pub const TARGET: Target = Target {
    name: "options",
    seeds: || {
        let lines: [&[u8]; 12] = [
            b"--memory\n256M",
            b"--memory\n0x10000\n--list",
            b"--memory\n1.5GiB",
            b"--memory\n18446744073709551615",
            b"--memory\n1e400",
            b"--translate\n0xffff800000000000\n--mode\nlong",
            b"--translate\n-1",
            b"--mode\nprotected\nhello",
            b"--break\nlma\nhello64",
            b"os-1k\n--disk\nd.tar",
            b"--cmdline\nconsole=ttyS0\nlinux\n-v",
            b"hello counter multiplication minimal hctest",
        ];
        lines.map(<[u8]>::to_vec).to_vec()
    },
    fields: &[],
    run,
    cases: 2_000,
    allocated_max: 32 << 20,
};

fn run(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(2000)];
    let words = bytes.split(|byte| *byte == b'\n').map(|word| OsStr::from_bytes(word).to_owned());
    match Options::try_parse_from(std::iter::once(OsString::from("ch")).chain(words)) {
        Ok(options) => {
            assert_eq!(options.memory % 4096, 0);
            assert!(options.memory as u64 <= MEMORY_BYTES_MAX);
            for name in &options.guests {
                // Names, not paths: what is in other files is not ours to read.
                if !name.as_bytes().contains(&b'/') && !name.as_bytes().starts_with(b".") {
                    drop(load_image(name, options.mode).map_err(|error| error.to_string()));
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(text) = str::from_utf8(bytes) {
        drop(linux::parse_memory(text).map_err(|error| error.to_string()));
    }
}
