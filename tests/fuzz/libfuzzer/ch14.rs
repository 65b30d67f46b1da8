//! Chapter 14: a simpler serial port, and Linux without an initrd.
#![no_main]
#![allow(dead_code, reason = "the chapter's main is not called")]

include!(concat!(env!("OUT_DIR"), "/ch14.rs"));
include!("../targets/roots/ch14.rs");
targets!(fuzz::libfuzzer);
