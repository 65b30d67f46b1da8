//! Builds the shim that makes KVM fail: a chapter cannot be told to, and must not have to be.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    let source = "shim/kvm_faults.c";
    let out_dir = env::var_os("OUT_DIR").expect("cargo sets it");
    let library = Path::new(&out_dir).join("kvm_faults.so");
    println!("cargo::rerun-if-changed={source}");

    let compiler = env::var_os("CC").unwrap_or("cc".into());
    let status = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", source, "-o"])
        .arg(&library)
        .status();
    match status {
        Ok(status) if status.success() => {
            println!("cargo::rustc-env=KVM_FAULTS_DIR={}", Path::new(&out_dir).display());
        }
        Ok(status) => println!("cargo::error={source}: the C compiler ended with {status}"),
        Err(error) => println!("cargo::error=cannot run {}: {error}", compiler.display()),
    }
}
