//! The 1K OS's code and the harness around it, compiled for the host with gcc's sanitizers.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The harness, and the OS's own files with what each calls its `main`.
const FILES: [(&str, Option<&str>); 7] = [
    ("tests/fuzz/os-1k/harness.c", None),
    ("tests/fuzz/os-1k/kernel.c", None),
    ("tests/fuzz/os-1k/user.c", None),
    ("guests/runtime/print.c", None),
    ("os-1k/user/user.c", Some("shell_main")),
    ("os-1k/user/shell.c", Some("shell_main")),
    ("os-1k/programs/calculator.c", Some("calculator_main")),
];

const INCLUDED: [&str; 6] = [
    "os-1k/kernel",
    "os-1k/user",
    "os-1k/include",
    "os-1k/lib",
    "guests/include",
    "tests/fuzz/os-1k",
];

const FLAGS: [&str; 10] = [
    "-g",
    "-O1",
    "-fsanitize=address,undefined",
    // The kernel reads numbers where they are, and so does the CPU.
    "-fno-sanitize=alignment",
    "-fno-sanitize-recover=all",
    "-fno-builtin",
    // Pointers have 32 bits there.
    "-Wno-pointer-to-int-cast",
    "-Wno-int-to-pointer-cast",
    "-Dputchar=os_putchar",
    "-Dsyscall=os_syscall",
];

/// Makes `out/harness`. If it cannot, `out/harness-error` says why, for the test to fail with: without
/// these compilers all else can be built and tested.
pub fn compile(out: &Path) {
    println!("cargo::rerun-if-env-changed=CC");
    let error = try_compile(out).err().unwrap_or_default();
    fs::write(out.join("harness-error"), error).expect("OUT_DIR can be written");
}

fn try_compile(out: &Path) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let includes = INCLUDED.map(|folder| format!("-I{}", root.join(folder).display()));
    for folder in INCLUDED {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
    }
    let mut objects = Vec::new();
    for (file, main) in FILES {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
        let object = out.join(file.replace('/', "-")).with_extension("o");
        let mut command = Command::new(&compiler);
        command.args(FLAGS).args(&includes).args(main.map(|main| format!("-Dmain={main}")));
        run(command.arg("-c").arg(root.join(file)).arg("-o").arg(&object))?;
        objects.push(object);
    }
    run(Command::new(&compiler).args(FLAGS).args(objects).arg("-o").arg(out.join("harness")))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}:\n{errors}\n  is there gcc with its sanitizers? sudo apt install gcc"))
}
