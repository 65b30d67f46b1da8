//! Prepares what the programs here include: chapters as crates of ours, and the 1K OS with sanitizers.

mod chapters;
mod harness;

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where to write"));
    chapters::write_roots(&out);
    harness::compile(&out);
}
