//! The programs that we call: the C compiler driver, which assembles and links too, and objcopy.

use std::env;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::files::from_root;

/// What turns sources into an ELF file. The architecture is named because compilers' defaults
/// differ from one distribution to the next, and so are the additions to the code that some make
/// and a guest has no use for. A warning (a constant cut short, say) is an error.
pub const CC_OPTIONS: [&str; 21] = [
    "-m32",
    "-march=i686", // no SSE, which nobody has switched on
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
    "-Wl,-melf_i386",
    "-Wl,-z,noexecstack",
    "-Wa,--fatal-warnings",
    "-Iguests/include",
];

pub struct Tools {
    pub cc: Tool,
    pub objcopy: Tool,
}

impl Tools {
    pub fn find() -> Self {
        Self {
            cc: Tool::new("CC", "cc", "C compiler driver", "gcc"),
            objcopy: Tool::new("OBJCOPY", "objcopy", "program", "binutils"),
        }
    }

    /// Which they are: with others, everything is built again.
    pub fn names(&self) -> String {
        format!("{}\n{}\n", self.cc.command, self.objcopy.command)
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
