//! Chapter 12: the last one that knows only 32-bit page tables.
#![no_main]
#![allow(dead_code, reason = "the chapter's main is not called")]

include!(concat!(env!("OUT_DIR"), "/ch12.rs"));
include!("../targets/roots/ch12.rs");
targets!(fuzz::libfuzzer);
