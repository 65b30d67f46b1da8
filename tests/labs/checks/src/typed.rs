//! Runs as one would type them.

use std::path::Path;
use std::process::Command;

use ::tests::quoted;
use labs::protocol::Job;

/// The name of what makes a KVM fail, beside the guests: `tests/shim/kvm_faults.c`.
pub const FAULTS: &str = "kvm_faults.so";

/// A command with its arguments, as one would type it.
pub fn shown(command: &str, arguments: &[String]) -> String {
    let arguments = arguments.iter().map(|argument| quoted(argument).into_owned());
    std::iter::once(command.to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// The command for a KVM that is not in order. Cargo and xtask, which needs to know what the KVM
/// can do, are not to meet it: so it is for the program alone.
pub fn with_fault(job: &Job, fault: &str) -> String {
    let library = job.scratch.join(FAULTS);
    let here = std::env::current_dir().unwrap_or_default();
    let program = job.program.strip_prefix(here).unwrap_or(&job.program);
    let mut words = vec![format!("LD_PRELOAD={}", library.display())];
    words.push(format!("KVM_FAULT={fault}"));
    words.extend(job.environment.iter().map(|(name, value)| format!("{name}={value}")));
    words.push(program.display().to_string());
    shown("cargo xtask run env", &words)
}

/// Where the sources are of the guests among these arguments, as far as a check has made them: a line
/// each.
pub fn sources(job: &Job, arguments: &[String]) -> String {
    let source = |argument: &String| {
        let image = Path::new(argument);
        let source = image.with_extension("S");
        let is_ours = image.starts_with(&job.scratch) && image.extension()? == "bin";
        (is_ours && source.exists()).then(|| format!("\nits source: {}", source.display()))
    };
    arguments.iter().filter_map(source).collect()
}

/// Those who run us may want panics explained. To a student that is a screen full of our names.
pub fn be_quiet_about_panics(command: &mut Command) {
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::job;
    use crate::answer::{Answer, text};
    use crate::verdict::{Result, Stop};

    fn why<T>(result: Result<T>) -> String {
        match result {
            Err(Stop::Failed(why)) => why,
            Err(Stop::Broken(why)) => panic!("broken: {why}"),
            Ok(_) => panic!("it passed"),
        }
    }

    #[test]
    fn a_message_names_the_source_of_a_guest_and_has_short_names() {
        let folder = tempfile::tempdir().unwrap();
        let (job, _) = job(folder.path(), r#"echo "error: $1: crashed" >&2"#);
        let answer = Answer::new(&job, "x").unwrap();
        let image = answer.file("guest.bin", b"").unwrap();
        answer.file("guest.S", b"").unwrap();
        let (image, scratch) = (text(&image), text(&job.scratch));
        let said = why(answer.run([image]).finish().unwrap().stderr("error: other\n"));
        assert!(said.contains(&format!("-- {image}\nits source: {scratch}/guest.S\n")), "{said}");
        assert!(said.ends_with("printed  error: .../guest.bin: crashed"), "{said}");
        // Where nothing else differs, all is shown.
        let said =
            why(answer.run([image]).finish().unwrap().stderr("error: .../guest.bin: crashed\n"));
        assert!(said.contains(&format!("printed  error: {image}: crashed")), "{said}");
    }

    #[test]
    fn a_run_with_another_kvm_can_be_typed() {
        let folder = tempfile::tempdir().unwrap();
        let (job, _) = job(folder.path(), r#"echo "$KVM_FAULT"; [ -z "$RUST_BACKTRACE" ]"#);
        let answer = Answer::new(&job, "x").unwrap();
        let ran = answer.run(["a b"]).fault("open:2").finish().unwrap();
        ran.status(0).unwrap();
        let said = why(ran.stdout(""));
        let line = said.lines().next().unwrap();
        assert!(line.starts_with("$ cargo xtask run env LD_PRELOAD=") && line.ends_with(" 'a b'"));
        // As a shell reads it, but for the way to the nest.
        let typed = line.replace("$ cargo xtask run ", "");
        let output = Command::new("sh").args(["-c", &typed]).output().unwrap();
        assert_eq!(output.stdout, b"open:2\n", "{output:?}");
        assert_eq!(output.stderr, b"", "the library was not found");
    }
}
