//! Builds the shim that makes KVM fail: a chapter cannot be told to, and must not have to be. And
//! writes a test for each patch, so that none is forgotten.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

fn main() {
    shim();
    if let Err(message) = patches() {
        println!("cargo::error={message}");
    }
}

fn shim() {
    let source = "shim/kvm_faults.c";
    let out_dir = env::var_os("OUT_DIR").expect("cargo sets it");
    let library = Path::new(&out_dir).join("kvm_faults.so");
    println!("cargo::rerun-if-changed=shim");

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

/// A test `NAME` for each `patches/NAME.patch`, which calls `breaks_as_shown` with its name.
fn patches() -> Result<(), String> {
    const FOLDER: &str = "patches";
    if !Path::new("tests").exists() {
        return Ok(()); // a student's workspace has our library alone
    }
    println!("cargo::rerun-if-changed={FOLDER}");
    let say = |error: std::io::Error| format!("tests/{FOLDER}: {error}");
    let mut names = Vec::new();
    for entry in fs::read_dir(FOLDER).map_err(say)? {
        let file = entry.map_err(say)?.file_name();
        let file = file.to_string_lossy();
        // An editor's own files begin with a dot.
        if let Some(name) = file.strip_suffix(".patch").filter(|name| !name.starts_with('.')) {
            let is_name = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
            if !name.starts_with("ch") || !name.chars().all(is_name) {
                return Err(format!(
                    "tests/{FOLDER}/{file}: name it chNN_break_NAME.patch, in small letters, \
                     digits and underscores"
                ));
            }
            names.push(name.to_owned());
        }
    }
    if names.is_empty() {
        return Err(format!("tests/{FOLDER}: no patch is there, and the book shows some"));
    }
    names.sort();
    let mut tests = String::new();
    for name in names {
        write!(tests, "#[test]\nfn {name}() {{\n    breaks_as_shown({name:?});\n}}\n\n")
            .map_err(|error| error.to_string())?;
    }
    let out_dir = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    fs::write(Path::new(&out_dir).join("patches.rs"), tests).map_err(|error| error.to_string())
}
