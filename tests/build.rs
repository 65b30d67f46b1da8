//! Builds the shim that makes KVM fail: a chapter cannot be told to, and must not have to be. And
//! writes a test for each patch, so that none is forgotten.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

fn main() {
    shim();
    if Path::new("hostile").exists() {
        hostile();
    }
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

/// The program that means the 1K OS harm, built as the OS's own are, but kept off its disk.
fn hostile() {
    const OPTIONS: &str = "-O1 -Wall -Wextra -Werror -m32 -march=i686 -nostdlib -ffreestanding \
        -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -static -fno-pic \
        -no-pie -s -Wl,--build-id=none -Wl,-znoexecstack -Wl,-melf_i386 -I../os-1k/include \
        -I../os-1k/lib -I../os-1k/user -I../guests/include -T../os-1k/user/user.ld";
    const SOURCES: [&str; 5] = [
        "hostile/hostile.c",
        "../os-1k/user/user.c",
        "../os-1k/user/start.S",
        "../os-1k/lib/string.c",
        "../guests/runtime/print.c",
    ];
    for watched in ["hostile", "../os-1k", "../guests/runtime", "../guests/include"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    let out_dir = env::var_os("OUT_DIR").expect("cargo sets it");
    let compiler = env::var_os("CC").unwrap_or("cc".into());
    let mut command = Command::new(&compiler);
    command.args(OPTIONS.split_whitespace()).args(SOURCES).arg("-o");
    match command.arg(Path::new(&out_dir).join("hostile")).status() {
        Ok(status) if status.success() => {}
        Ok(status) => println!("cargo::error=hostile.c: the C compiler ended with {status}"),
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
