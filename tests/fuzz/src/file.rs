//! Files that are only in memory, for parsers that want a path.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use nix::sys::memfd::{MFdFlags, memfd_create};

const NAME: &CStr = c"fuzz";

/// A file with these bytes, and a path that leads to it for as long as it is open.
pub fn file(bytes: &[u8]) -> (File, PathBuf) {
    let fd = memfd_create(NAME, MFdFlags::empty()).expect("a file in memory can be made");
    let mut file = File::from(fd);
    file.write_all(bytes).and_then(|()| file.rewind()).expect("memory can be written");
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    (file, path.into())
}
