//! The initramfs: its packer, and the shell in it.
#![allow(dead_code, reason = "not all of the shell is here")]

include!("../targets/roots/initramfs.rs");
targets!(fuzz::tests);
