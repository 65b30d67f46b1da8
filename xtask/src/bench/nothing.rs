//! What a Rust program costs before and after its `main`.

fn main() {}
