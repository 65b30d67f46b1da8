//! Chapter 15's code, which is the code of most chapters, and its targets.
#![no_main]
#![allow(dead_code, reason = "the chapter's main is not called")]

include!(concat!(env!("OUT_DIR"), "/ch15.rs"));
include!("../targets/roots/ch15.rs");
targets!(fuzz::libfuzzer);
