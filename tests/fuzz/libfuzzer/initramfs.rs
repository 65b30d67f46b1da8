//! The initramfs: its packer, and the shell in it.
#![no_main]
#![allow(dead_code, reason = "not all of the shell is here")]

include!("../targets/roots/initramfs.rs");
targets!(fuzz::libfuzzer);
