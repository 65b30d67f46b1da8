//! Where a program that needs KVM runs: here, or in the nest.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Error, Result};

use crate::verdict::{self, Verdict};
use crate::{nest, status};

/// Runs a program where KVM is complete, and ends as it does.
pub fn run(program: &OsStr, arguments: &[OsString]) -> Result<ExitCode> {
    let choice = std::env::var_os("MINI_KVM").unwrap_or_default();
    match choice.as_encoded_bytes() {
        b"native" => Err(run_here(program, arguments)),
        b"nest" => run_in_nest(program, arguments, "MINI_KVM=nest"),
        b"" => match verdict::of_this_machine()? {
            Verdict::Complete => Err(run_here(program, arguments)),
            Verdict::Incomplete(reasons) => {
                let why = format!("this machine's KVM lacks {}", reasons.join(", "));
                run_in_nest(program, arguments, &why)
            }
            Verdict::None(reason) => {
                // The doctor has more to say; here one line is enough.
                let reason = reason.lines().next().unwrap_or_default();
                run_in_nest(program, arguments, &format!("this machine has no KVM ({reason})"))
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

fn run_in_nest(program: &OsStr, arguments: &[OsString], why: &str) -> Result<ExitCode> {
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
    nest::run(program, arguments, why)
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

    /// A target directory with programs that say what they are and got, and a cargo that says what
    /// it was to do.
    fn target(programs: &[&str]) -> TempDir {
        let target = tempfile::tempdir().unwrap();
        for program in ["debug/xtask", "cargo"].iter().chain(programs) {
            let path = target.path().join(program);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "#!/bin/sh\necho \"${0##*/}: $*\"\nexit 7\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let cargo = "#!/bin/sh\nfor word; do :; done\necho \"cargo: $1 $word\"\n";
        fs::write(target.path().join("cargo"), cargo).unwrap();
        target
    }

    fn run(target: &Path, program: &str, mini_kvm: Option<&str>) -> Output {
        let mut command = Command::new(RUNNER);
        command.arg(target.join(program)).args(["a b", "c"]);
        command.env("CARGO", target.join("cargo")).env_remove("MINI_KVM");
        command.envs(mini_kvm.map(|value| ("MINI_KVM", value)));
        command.output().unwrap()
    }

    fn said(target: &Path, program: &str, mini_kvm: Option<&str>) -> String {
        let output = run(target, program, mini_kvm);
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
        assert_eq!(native, "cargo: build --bins\nkvm_x-01: a b c\n");
        let nest = said(target.path(), "release/deps/kvm_x-01", Some("nest"));
        assert!(
            nest.starts_with("cargo: build --release\ncargo: build xtask\nxtask: run "),
            "{nest}"
        );
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
