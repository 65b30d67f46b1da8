//! Builds the guests and writes the table of them that `src/lib.rs` includes.
//!
//! Every `src/MODE/NAME.S` or `src/MODE/NAME.c` becomes `NAME.elf`, with symbols and line numbers
//! for `objdump` and `gdb`, and beside it `NAME.bin`, the bytes that the VMM loads. Assembly stands
//! alone; C is linked with `runtime/MODE.S`, which calls its `main`, and with all of `runtime/*.c`.
//! As with `make`, only what is older than its sources is built again.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The folders under `src/` that hold guests, in the order of `guests::Mode`, whose variants carry
/// the same names.
const MODES: [(&str, &str); 4] = [
    ("real", "Mode::Real"),
    ("protected", "Mode::Protected"),
    ("paging", "Mode::Paging"),
    ("interrupts", "Mode::Interrupts"),
];

/// What the C guests are linked with.
const RUNTIME: &str = "guests/runtime";

/// What turns sources into an ELF file. The architecture is named because compilers' defaults
/// differ from one distribution to the next, and so are the additions to the code that some make
/// and a guest has no use for. A warning (a constant cut short, say) is an error.
const CC_OPTIONS: [&str; 20] = [
    "-m32",
    "-march=i686", // no SSE, which nobody has switched on
    "-g",
    "-O1", // more makes a loop a call of memset, which is not there
    "-Wall",
    "-Wextra",
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

/// What went wrong, as the lines to show.
type Failure = Vec<String>;

fn main() {
    for (folder, _) in MODES {
        println!("cargo::rerun-if-changed=src/{folder}");
    }
    println!("cargo::rerun-if-changed=include");
    println!("cargo::rerun-if-changed=runtime");
    println!("cargo::rerun-if-changed=build.rs");

    // Cargo fails the build for these lines, and shows nothing but them: an exit status of our own
    // would add a page about the build script.
    for line in build().err().unwrap_or_default() {
        println!("cargo::error={line}");
    }
}

fn build() -> Result<(), Failure> {
    let tools = Tools {
        cc: Tool::new("CC", "cc", "C compiler driver", "gcc"),
        objcopy: Tool::new("OBJCOPY", "objcopy", "program", "binutils"),
    };
    let out = env::var_os("OUT_DIR").ok_or_else(|| vec!["OUT_DIR is not set".to_owned()])?;
    let out = PathBuf::from(out);
    let images = out.join("guests");
    let guests = find_guests()?;

    for (folder, _) in MODES {
        let folder = images.join(folder);
        fs::create_dir_all(&folder).map_err(|error| about_path(&folder, &error))?;
        delete_stale(&folder, &guests)?;
    }

    let newest = newest_shared_source(&tools, &out)?;
    let failures: Vec<String> = guests
        .values()
        .filter_map(|guest| make(guest, &images, newest, &tools).err())
        .flatten()
        .collect();
    if !failures.is_empty() {
        return Err(without_repetition(failures));
    }

    write_if_changed(&out.join("table.rs"), &table(&guests, &images))
}

/// A guest's source.
struct Source {
    /// The folder it lies in, and its number in `MODES`.
    folder: &'static str,
    mode: usize,
    /// Seen from the workspace's root, so that an editor finds the file that a message names.
    path: PathBuf,
    /// The first sentence of its header comment.
    about: String,
}

/// All guests by name.
fn find_guests() -> Result<BTreeMap<String, Source>, Failure> {
    let mut guests = BTreeMap::<String, Source>::new();
    let mut failures = Failure::new();
    for (mode, (folder, _)) in MODES.into_iter().enumerate() {
        for path in files(&Path::new("guests/src").join(folder))? {
            let name = stem(&path);
            if !(is_c(&path) || has_extension(&path, "S")) {
                continue;
            }
            let about = match read_about(&name, &path) {
                Ok(about) => about,
                Err(failure) => {
                    failures.extend(failure);
                    continue;
                }
            };
            let shown = path.display().to_string();
            let source = Source { folder, mode, path, about };
            if let Some(other) = guests.insert(name, source) {
                failures.extend([
                    format!("{shown}: another guest has this name"),
                    format!("  it is {}", other.path.display()),
                    "  rename one: --list and the command line know a guest by its name alone"
                        .into(),
                ]);
            }
        }
    }
    if failures.is_empty() { Ok(guests) } else { Err(failures) }
}

/// What `--list` says of the guest: the first sentence of the header comment `# NAME: …`, in C
/// `/* NAME: …`.
fn read_about(name: &str, path: &Path) -> Result<String, Failure> {
    let comment = if is_c(path) { "/*" } else { "#" };
    let source = fs::read_to_string(from_root(path)).map_err(|error| about_path(path, &error))?;
    source
        .lines()
        .next()
        .and_then(|line| line.strip_prefix(&format!("{comment} {name}: ")))
        .and_then(|text| text.split_once(". ").or_else(|| Some((text.strip_suffix('.')?, ""))))
        .map(|(sentence, _)| sentence.trim().to_owned())
        .filter(|sentence| !sentence.is_empty())
        .ok_or_else(|| {
            vec![
                format!("{}:1: no description for --list", path.display()),
                format!(
                    "  the first line must be `{comment} {name}: ` and a sentence with a full stop"
                ),
                format!(
                    "  as in `{comment} hello: prints one line on COM1, then halts. 13 exits: …`"
                ),
            ]
        })
}

/// Makes the guest's ELF file and image, unless both are newer than all they are made of.
fn make(
    guest: &Source,
    images: &Path,
    newest_shared: SystemTime,
    tools: &Tools,
) -> Result<(), Failure> {
    let elf = images.join(guest.folder).join(stem(&guest.path)).with_extension("elf");
    let image = elf.with_extension("bin");
    let newest = newest_shared.max(modified(&guest.path)?);
    // The image is written last: if it is there and new, the ELF file is too.
    if modified(&image).is_ok_and(|built| built > newest) && elf.exists() {
        return Ok(());
    }
    let sources = sources(guest)?;
    tools.cc.run(|cc| {
        let script = format!("guests/src/{0}/{0}.ld", guest.folder);
        cc.args(CC_OPTIONS).arg("-T").arg(script).arg("-o").arg(&elf).args(sources)
    })?;
    tools.objcopy.run(|objcopy| objcopy.args(["-O", "binary"]).arg(&elf).arg(&image))
}

/// What the guest is compiled and linked from.
fn sources(guest: &Source) -> Result<Vec<PathBuf>, Failure> {
    let mut sources = vec![guest.path.clone()];
    if is_c(&guest.path) {
        sources.push(Path::new(RUNTIME).join(guest.folder).with_extension("S"));
        sources.extend(files(Path::new(RUNTIME))?.into_iter().filter(|path| is_c(path)));
    }
    Ok(sources)
}

struct Tools {
    cc: Tool,
    objcopy: Tool,
}

/// A program that we call.
struct Tool {
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
    fn run(&self, arguments: impl FnOnce(&mut Command) -> &mut Command) -> Result<(), Failure> {
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

/// When something that many guests are made of last changed: the headers, the runtime, the linker
/// scripts, this program, the choice of tools.
fn newest_shared_source(tools: &Tools, out: &Path) -> Result<SystemTime, Failure> {
    let stamp = out.join("tools");
    write_if_changed(&stamp, &format!("{}\n{}\n", tools.cc.command, tools.objcopy.command))?;

    let this_program = env::current_exe().map_err(|error| vec![error.to_string()])?;
    let mut sources = files(Path::new("guests/include"))?;
    sources.extend(files(Path::new(RUNTIME))?);
    sources.extend([stamp, this_program]);
    sources.extend(MODES.map(|(folder, _)| format!("guests/src/{folder}/{folder}.ld").into()));

    let times = sources.iter().map(|path| modified(path));
    Ok(times.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(SystemTime::now()))
}

/// Deletes what guests left behind that are no more.
fn delete_stale(folder: &Path, guests: &BTreeMap<String, Source>) -> Result<(), Failure> {
    for path in files(folder)? {
        let guest = guests.get(&stem(&path));
        if guest.is_none_or(|guest| !folder.ends_with(guest.folder)) {
            fs::remove_file(&path).map_err(|error| about_path(&path, &error))?;
        }
    }
    Ok(())
}

/// The Rust expression that lists the guests, by mode and then by name.
fn table(guests: &BTreeMap<String, Source>, images: &Path) -> String {
    let mut rows: Vec<_> = guests.iter().collect();
    rows.sort_by_key(|(_, source)| source.mode);
    let rows = rows.into_iter().map(|(name, source)| {
        let mode = MODES[source.mode].1;
        let about = &source.about;
        let image = images.join(source.folder).join(name).with_extension("bin");
        format!(
            "Guest {{ name: {name:?}, mode: {mode}, about: {about:?}, \
             image: include_bytes!({image:?}) }},\n"
        )
    });
    format!("&[\n{}]\n", rows.collect::<String>())
}

/// A path as it is seen from the workspace's root, where the tools run, as we can open it.
fn from_root(path: &Path) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The files of a folder, in order. Not those with a dot in front: they are an editor's, not ours.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(from_root(folder))?;
        entries.map(|entry| Ok(folder.join(entry?.file_name()))).collect()
    };
    let mut files = read().map_err(|error| about_path(folder, &error))?;
    files.retain(|path| !stem(path).starts_with('.'));
    files.sort();
    Ok(files)
}

fn is_c(path: &Path) -> bool {
    has_extension(path, "c")
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|its| its == extension)
}

fn modified(path: &Path) -> Result<SystemTime, Failure> {
    let time = fs::metadata(from_root(path)).and_then(|metadata| metadata.modified());
    time.map_err(|error| about_path(path, &error))
}

/// Leaves the file, and its time, alone when it says this already.
fn write_if_changed(path: &Path, text: &str) -> Result<(), Failure> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text).map_err(|error| about_path(path, &error))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn about_path(path: &Path, error: &io::Error) -> Failure {
    vec![format!("{}: {error}", path.display())]
}

/// A missing tool is missing for every guest; once said is enough.
fn without_repetition(lines: Vec<String>) -> Failure {
    let mut said = Failure::new();
    for line in lines {
        if !said.contains(&line) {
            said.push(line);
        }
    }
    said
}
