//! The 1K OS's code, compiled for the host with gcc's sanitizers, in a process of its own: it reads
//! cases, and answers as long as no promise is broken.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

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

struct Harness {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    errors: PathBuf,
}

static HARNESS: Mutex<Option<Harness>> = Mutex::new(None);

/// Gives a case to the part of the OS that has this letter.
pub fn run(part: u8, case: &[u8]) {
    let mut harness = HARNESS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let running = harness.get_or_insert_with(|| Harness::start().expect("the harness starts"));
    if let Err(error) = running.run(part, case) {
        let errors = fs::read_to_string(&running.errors).unwrap_or_default();
        let status = running.child.wait();
        *harness = None;
        drop(harness);
        panic!("the 1K OS's code ends ({error}, {status:?}):\n{errors}");
    }
}

impl Harness {
    fn start() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("fuzz-os-1k-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let program = folder.join("harness");
        if !program.exists() {
            compile(&folder, &program);
        }
        let errors = folder.join("errors");
        let mut child = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&errors)?)
            .env("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=1:max_allocation_size_mb=64")
            .env("UBSAN_OPTIONS", "print_stacktrace=1")
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = input.zip(output).expect("both are pipes");
        Ok(Self { child, input, output, errors })
    }

    fn run(&mut self, part: u8, case: &[u8]) -> io::Result<()> {
        let count = u32::try_from(case.len() + 1).map_err(io::Error::other)?;
        let message = [&count.to_ne_bytes(), &[part][..], case].concat();
        self.input.write_all(&message)?;
        self.output.read_exact(&mut [0])
    }
}

/// # Panics
///
/// If there is no compiler with sanitizers: a check that cannot run has not passed.
fn compile(folder: &Path, program: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let include = |path| format!("-I{}", root.join(path).display());
    // The kernel reads numbers where they are, and so does the CPU; pointers there have 32 bits.
    let flags = [
        "-g",
        "-O1",
        "-fsanitize=address,undefined",
        "-fno-sanitize=alignment",
        "-fno-sanitize-recover=all",
        "-fno-builtin",
        "-Wno-pointer-to-int-cast",
        "-Wno-int-to-pointer-cast",
        "-Dputchar=os_putchar",
        "-Dsyscall=os_syscall",
    ];
    let includes = ["os-1k/kernel", "os-1k/user", "os-1k/include", "os-1k/lib", "guests/include"];
    let mut objects = Vec::new();
    for (file, main) in FILES {
        let object = folder.join(file.replace('/', "-")).with_extension("o");
        let mut command = Command::new(&compiler);
        command.args(flags).args(includes.map(include)).arg("-c").arg(root.join(file));
        command.arg(include("tests/fuzz/os-1k"));
        command.args(main.map(|main| format!("-Dmain={main}")));
        check(command.arg("-o").arg(&object));
        objects.push(object);
    }
    check(Command::new(&compiler).args(flags).args(objects).arg("-o").arg(program));
}

fn check(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}:\n{errors}\n  is there a C compiler with its sanitizers, as in Debian's gcc?"
    );
}
