//! The programs that we call: the C compiler driver, which assembles and links too, the Rust
//! compiler, and objcopy.

use std::env;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::files::from_root;

/// What turns sources into an ELF file, together with [`BITS_32`] or [`BITS_64`]. Compilers'
/// defaults differ from one distribution to the next: the additions to the code that some make, and
/// a guest has no use for, are named. A warning (a constant cut short, say) is an error.
pub const CC_OPTIONS: [&str; 18] = [
    "-g",
    "-O1", // more makes a loop a call of memset, which is not there
    "-Wall",
    "-Wextra",
    "-Wformat-security",
    "-Werror",
    "-nostdlib",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fcf-protection=none",
    "-static",
    "-fno-pic",
    "-no-pie",
    "-Wl,--build-id=none",
    "-Wl,-z,noexecstack",
    "-Wa,--fatal-warnings",
    "-Iguests/include",
];

/// What the code is for: also a default that differs.
pub const BITS_32: &[&str] = &[
    "-m32",
    "-march=i686", // no SSE, which nobody has switched on
    "-Wl,-melf_i386",
];

pub const BITS_64: &[&str] = &[
    "-m64",
    "-march=x86-64", // no AVX, which nobody has switched on
    "-mno-red-zone", // an exception may push its frame there
    "-Wl,-melf_x86_64",
    "-Wl,--gc-sections", // most of Rust's `core`
];

/// What turns Rust into a 64-bit library. The target is the host's own, whose `core` is there.
pub const RUSTC_OPTIONS: [&str; 9] = [
    "--edition=2024",
    "-Dwarnings",
    "-g",
    "-Copt-level=s",
    "-Cpanic=abort",
    "-Cforce-unwind-tables=no",
    "-Crelocation-model=static",
    "-Ctarget-cpu=x86-64",
    "-Cno-redzone=yes",
];

pub struct Tools {
    pub cc: Tool,
    pub rustc: Tool,
    pub objcopy: Tool,
}

impl Tools {
    pub fn find() -> Self {
        Self {
            cc: Tool::new("CC", "cc", "C compiler driver", "gcc"),
            rustc: Tool::new("RUSTC", "rustc", "Rust compiler", "rustc"), // Cargo names its own
            objcopy: Tool::new("OBJCOPY", "objcopy", "program", "binutils"),
        }
    }

    /// Which they are: with others, everything is built again.
    pub fn names(&self) -> String {
        [&self.cc, &self.rustc, &self.objcopy].map(|tool| format!("{}\n", tool.command)).concat()
    }
}

/// A program that we call.
pub struct Tool {
    /// The environment variable that names another one.
    variable: &'static str,
    /// What to run, and perhaps arguments, as in `CC="ccache gcc"`.
    command: String,
    /// What kind of thing it is.
    kind: &'static str,
    /// The distributions' name for the package it comes in.
    package: &'static str,
}

impl Tool {
    fn new(
        variable: &'static str,
        default: &str,
        kind: &'static str,
        package: &'static str,
    ) -> Self {
        println!("cargo::rerun-if-env-changed={variable}");
        let command = env::var(variable).ok().filter(|command| !command.trim().is_empty());
        Self { variable, command: command.unwrap_or_else(|| default.into()), kind, package }
    }

    /// Runs it in the workspace's root.
    pub fn run(&self, arguments: impl FnOnce(&mut Command) -> &mut Command) -> Result<(), Failure> {
        let mut words = self.command.split_whitespace();
        let program = words.next().unwrap_or_default();
        let mut command = Command::new(program);
        arguments(command.args(words).current_dir(from_root(Path::new(""))));

        let output = command.output().map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.missing(program),
            _ => vec![format!("{program}: {error}")],
        })?;
        if output.status.success() {
            return Ok(());
        }
        let mut failure: Failure =
            String::from_utf8_lossy(&output.stderr).lines().map(String::from).collect();
        if failure.is_empty() {
            failure.push(format!("{program}: {}, and it does not say why", output.status));
        }
        Err(failure)
    }

    fn missing(&self, program: &str) -> Failure {
        let Self { variable, kind, package, .. } = self;
        vec![
            format!("cannot build the guests: the {kind} `{program}` is not installed"),
            format!("  Debian, Ubuntu: sudo apt install {package}"),
            format!("  Fedora: sudo dnf install {package}"),
            format!("  Arch: sudo pacman -S {package} (base-devel has it too)"),
            format!("  or name one that is: {variable}=/path/to/it"),
        ]
    }
}
