//! Where a program that needs KVM runs: here, or in the nest.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Error, Result};

use crate::nest::{self, Wishes};
use crate::status;
use crate::verdict::{self, Verdict};

/// Runs a program where KVM is complete, and ends as it does. A nest that stays keeps these other
/// programs in memory, which this one will start.
pub fn run(keep: &[PathBuf], program: &OsStr, arguments: &[OsString]) -> Result<ExitCode> {
    let run_in_nest = |why: &str| run_in_nest(program, arguments, keep, why);
    let choice = std::env::var_os("MINI_KVM").unwrap_or_default();
    match choice.as_encoded_bytes() {
        b"native" => Err(run_here(program, arguments)),
        b"nest" => run_in_nest("MINI_KVM=nest"),
        b"" => match verdict::of_this_machine()? {
            Verdict::Complete => Err(run_here(program, arguments)),
            Verdict::Incomplete(reasons) => {
                run_in_nest(&format!("this machine's KVM lacks {}", reasons.join(", ")))
            }
            Verdict::None(reason) => {
                // The doctor has more to say; here one line is enough.
                let reason = reason.lines().next().unwrap_or_default();
                run_in_nest(&format!("this machine has no KVM ({reason})"))
            }
        },
        _ => {
            eprintln!(
                "error: MINI_KVM={}: there is no such choice\n  \
                 native: run here; nest: run in the emulated machine; unset: whichever works",
                choice.display()
            );
            Ok(ExitCode::from(status::USAGE))
        }
    }
}

fn run_in_nest(
    program: &OsStr,
    arguments: &[OsString],
    keep: &[PathBuf],
    why: &str,
) -> Result<ExitCode> {
    // What `<(…)` of a shell stands for is open here, and cannot be opened in there.
    let open_file = arguments.iter().find(|argument| {
        let bytes = argument.as_encoded_bytes();
        bytes.starts_with(b"/dev/fd/") || bytes.starts_with(b"/proc/self/fd/")
    });
    if let Some(open_file) = open_file {
        eprintln!(
            "error: {}: the nest does not have the files that are open here\n  \
             write it to a file with a name first",
            open_file.display()
        );
        return Ok(ExitCode::from(status::USAGE));
    }
    nest::run(program, arguments, Wishes { keep, root: false }, why)
}

/// Becomes the program. Returns only if that fails.
fn run_here(program: &OsStr, arguments: &[OsString]) -> Error {
    let error = Command::new(program).args(arguments).exec();
    Error::new(error).context(format!("cannot execute {}", program.display()))
}

/// The script `xtask/runner`, run with programs that only say their names.
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::{Command, Output};

    use tempfile::TempDir;

    const RUNNER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/runner");

    /// What programs do: say what they are and got, and what they have to boot.
    const PROGRAM: &str = r#"echo "${0##*/}: $*"
        env | sed -n 's/^MINI_KVM_\(.*=\)/\1/p' | LC_ALL=C sort
        exit 7"#;

    /// What xtask does: has all that is asked for, but what is not there, or is a program.
    const XTASK: &str = r#"if [ "$1" = patched ]; then
            [ ! -e "${0%/*}/no-patched" ] || exit 1
            echo "MINI_KVM_PATCHED=/our own/patched"
            exit
        fi
        if [ "$1" = linux ]; then
            echo "$*" >&2
            shift
            for piece; do
                [ ! -e "${0%/*}/no-$piece" ] || exit 66
                name=$(echo "$piece" | tr a-z- A-Z_)
                echo "MINI_KVM_$name=/our own/$piece"
            done
            exit
        fi"#;

    /// What cargo does: says what it was to do.
    const CARGO: &str = r#"for word; do :; done; echo "cargo: $1 $word""#;

    /// A target directory with such programs.
    fn target(programs: &[&str]) -> TempDir {
        let target = tempfile::tempdir().unwrap();
        let write = |name: &str, script: &str| {
            let path = target.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        write("cargo", CARGO);
        write("debug/xtask", &format!("{XTASK}\n{PROGRAM}"));
        for program in programs.iter().filter(|program| **program != "debug/xtask") {
            write(program, PROGRAM);
        }
        target
    }

    /// The runner, to be run without anything in the environment that could change what it does.
    fn runner(target: &Path, program: &str) -> Command {
        let mut command = Command::new(RUNNER);
        command.arg(target.join(program)).env("CARGO", target.join("cargo"));
        let names = std::env::vars_os().map(|(name, _)| name);
        for name in names.filter(|name| name.as_encoded_bytes().starts_with(b"MINI_KVM")) {
            command.env_remove(name);
        }
        command
    }

    fn run(target: &Path, program: &str, mini_kvm: Option<&str>) -> Output {
        let mut command = runner(target, program);
        command.args(["a b", "c"]).envs(mini_kvm.map(|value| ("MINI_KVM", value)));
        command.output().unwrap()
    }

    fn said(target: &Path, program: &str, mini_kvm: Option<&str>) -> String {
        said_by(run(target, program, mini_kvm))
    }

    /// What a program said that was run.
    fn said_by(output: Output) -> String {
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn what_needs_no_kvm_just_runs() {
        let programs = ["debug/xtask", "debug/deps/ch07_hypercall-0123", "debug/deps/nest-0123"];
        let target = target(&programs);
        for program in programs {
            let name = program.rsplit('/').next().unwrap();
            assert_eq!(said(target.path(), program, Some("nest")), format!("{name}: a b c\n"));
        }
    }

    #[test]
    fn chapters_and_solutions_go_to_xtask() {
        let programs = [
            "debug/ch07-hypercall",
            "release/ch07-hypercall-solution",
            "x86_64-unknown-linux-gnu/debug/ch01-open-kvm",
        ];
        let target = target(&programs);
        let xtask = |program| {
            let path = target.path().join(program);
            format!("cargo: build xtask\nxtask: run {} a b c\n", path.display())
        };
        for program in programs {
            assert_eq!(said(target.path(), program, Some("nest")), xtask(program));
            assert_eq!(said(target.path(), program, None), xtask(program));
            let name = program.rsplit('/').next().unwrap();
            assert_eq!(said(target.path(), program, Some("native")), format!("{name}: a b c\n"));
        }
    }

    #[test]
    fn a_kvm_test_gets_its_chapters_built_first() {
        let target = target(&["debug/deps/kvm_x-01", "release/deps/kvm_x-01"]);
        let native = said(target.path(), "debug/deps/kvm_x-01", Some("native"));
        assert!(native.starts_with("cargo: build --bins\n"), "{native}");
        assert!(native.contains("\nkvm_x-01: a b c\n"), "{native}");
        let nest = said(target.path(), "release/deps/kvm_x-01", Some("nest"));
        assert!(nest.starts_with("cargo: build --release\n"), "{nest}");
        assert!(nest.contains("\nxtask: run "), "{nest}");
    }

    #[test]
    fn what_boots_linux_finds_what_to_boot_wherever_it_runs() {
        let programs = [
            ("debug/ch13-long-mode", ""),
            ("debug/ch14-linux-boot", "KERNEL=/our own/kernel\n"),
            (
                "release/ch15-linux-shell-solution",
                "INITRD=/our own/initrd\nKERNEL=/our own/kernel\n",
            ),
            (
                "debug/deps/kvm_x-01",
                "INITRD=/our own/initrd\nKERNEL=/our own/kernel\n\
                 KERNEL_FULL=/our own/kernel-full\nPATCHED=/our own/patched\n",
            ),
        ];
        let target = target(&programs.map(|(program, _)| program));
        for (program, found) in programs {
            for mini_kvm in [Some("native"), Some("nest"), None] {
                let said = said(target.path(), program, mini_kvm);
                let has = said.rsplit_once(": ").unwrap().1.split_once('\n').unwrap().1;
                assert_eq!(has, found, "{program} {mini_kvm:?}: {said}");
            }
        }
    }

    #[test]
    fn what_the_user_names_is_not_fetched() {
        let target = target(&["debug/ch15-linux-shell", "debug/deps/kvm_x-01"]);
        let ends = |command: &mut Command, end: &str| {
            let said = said_by(command.env("MINI_KVM", "native").output().unwrap());
            assert!(said.ends_with(end), "{said}");
        };
        let chapter = || runner(target.path(), "debug/ch15-linux-shell");
        ends(
            chapter().env("MINI_KVM_KERNEL", "/my own"),
            ": \nINITRD=/our own/initrd\nKERNEL=/my own\n",
        );
        ends(
            chapter().env("MINI_KVM_KERNEL", "").env("MINI_KVM_INITRD", "/my own"),
            ": \nINITRD=/my own\nKERNEL=/our own/kernel\n",
        );
        ends(chapter().args(["--kernel", "x"]), ": --kernel x\nINITRD=/our own/initrd\n");
        ends(chapter().arg("--initrd=x"), ": --initrd=x\nKERNEL=/our own/kernel\n");
        ends(chapter().args(["--initrd", "x", "--kernel=y"]), ": --initrd x --kernel=y\n");
        ends(
            runner(target.path(), "debug/deps/kvm_x-01").env("MINI_KVM_KERNEL_FULL", "/my own"),
            "INITRD=/our own/initrd\nKERNEL=/our own/kernel\nKERNEL_FULL=/my own\n\
             PATCHED=/our own/patched\n",
        );
    }

    #[test]
    fn what_a_program_says_about_itself_needs_nothing() {
        let target = target(&["debug/ch15-linux-shell", "debug/deps/kvm_x-01"]);
        for program in ["debug/ch15-linux-shell", "debug/deps/kvm_x-01"] {
            let name = program.rsplit('/').next().unwrap();
            for word in ["--help", "-h", "--version", "-V", "--list"] {
                let said = |words: &[&str]| {
                    let mut command = runner(target.path(), program);
                    said_by(command.args(words).env("MINI_KVM", "nest").output().unwrap())
                };
                assert_eq!(said(&[word]), format!("{name}: {word}\n"));
                assert_eq!(said(&["x", word]), format!("{name}: x {word}\n"));
                assert!(said(&["--", word]).contains("\nxtask: run "));
            }
        }
    }

    #[test]
    fn without_a_kernel_a_chapter_does_not_start_and_tests_do() {
        let target = target(&["debug/ch15-linux-shell", "debug/deps/kvm_x-01"]);
        fs::write(target.path().join("debug/no-kernel-full"), "").unwrap();
        let said = said(target.path(), "debug/deps/kvm_x-01", Some("native"));
        assert!(
            said.ends_with(
                "kvm_x-01: a b c\nINITRD=/our own/initrd\nKERNEL=/our own/kernel\n\
                 PATCHED=/our own/patched\n"
            ),
            "{said}"
        );

        fs::write(target.path().join("debug/no-kernel"), "").unwrap();
        let output = run(target.path(), "debug/ch15-linux-shell", Some("native"));
        assert_eq!(output.status.code(), Some(66), "{output:?}");
        assert_eq!(output.stdout, b"cargo: build xtask\n");
        let mut named = runner(target.path(), "debug/ch15-linux-shell");
        said_by(named.arg("--kernel=x").env("MINI_KVM", "native").output().unwrap());
    }

    #[test]
    fn without_broken_chapters_a_test_starts_all_the_same() {
        let target = target(&["debug/deps/kvm_x-01"]);
        fs::write(target.path().join("debug/no-patched"), "").unwrap();
        let said = said(target.path(), "debug/deps/kvm_x-01", Some("native"));
        assert!(said.contains("\nkvm_x-01: a b c\n"), "{said}");
        assert!(!said.contains("PATCHED"), "{said}");
    }

    #[test]
    fn a_verdict_of_this_boot_saves_the_question() {
        let target = target(&["debug/ch01-open-kvm"]);
        let verdict = target.path().join("kvm-verdict");
        let runs_here =
            || said(target.path(), "debug/ch01-open-kvm", None).starts_with("ch01-open-kvm: ");
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let kvm = fs::File::options().read(true).write(true).open("/dev/kvm").is_ok();
        fs::write(&verdict, format!("complete {boot}")).unwrap();
        assert_eq!(runs_here(), kvm);
        fs::write(&verdict, format!("incomplete {boot}")).unwrap();
        assert!(!runs_here());
        fs::write(&verdict, "complete 72f77a13-8a67-4a32-a5d2-f0d330d120be of another boot\n")
            .unwrap();
        assert!(!runs_here());
    }

    #[test]
    fn a_choice_that_there_is_not_is_refused() {
        let target = target(&["debug/ch01-open-kvm"]);
        let output = run(target.path(), "debug/ch01-open-kvm", Some("never"));
        assert_eq!(output.status.code(), Some(64));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("error: MINI_KVM=never: "), "{said}");
    }
}
