//! All programs of the guest in one: `/init`, the shell and the utilities. The name by which it was
//! called says which; `mini-init NAME` names it too.

mod failure;
mod init;
mod power;
mod sh;
mod terminal;
mod tools;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let mut name = last_component(arguments.next().unwrap_or_default());
    if name == "mini-init" {
        let Some(tool) = arguments.next() else {
            failure::say(format!("mini-init: which program?\n  {}", initramfs::COMMANDS.join(" ")));
            return ExitCode::from(2);
        };
        name = tool;
    }
    let arguments: Vec<String> = arguments.collect();
    ExitCode::from(match name.as_str() {
        "init" => init::main(),
        "sh" => sh::main(arguments),
        name => tools::run(name, &arguments),
    })
}

fn last_component(path: String) -> String {
    match path.rsplit_once('/') {
        Some((_, name)) => name.to_owned(),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_bin_is_a_program() {
        for name in initramfs::COMMANDS {
            assert!(*name == "sh" || tools::find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn names_without_directories() {
        assert_eq!(last_component("/bin/ls".to_owned()), "ls");
        assert_eq!(last_component("ls".to_owned()), "ls");
    }
}
