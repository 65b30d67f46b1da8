//! The shell of /init: whoever it is, a line of theirs ends no process number 1.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Once;

use fuzz::Target;

use crate::sh::expand::{arguments, text};
use crate::sh::parse::{Flaw, parse};

pub const TARGET: Target = Target {
    name: "shell",
    seeds: || {
        let lines: [&str; 10] = [
            "echo 'a b' \"c $X\" ${Y} $? $$ $# $1 # comment\n",
            "cat < in > out 2>&1 >> more | head -n 3 && true || false; exit 3\n",
            "A=1 B=\"$A\" sh -c 'echo $B'\n",
            "echo a* ?b* *.* .* \"*\" \\* '*'\n",
            "if true\nthen\nfi\n",
            "a \\\n b\\",
            "\"unfinished $",
            "${}${?}${1a}$(x)`y`",
            "echo **********b ?*?*?*?*?*?*?*?*?*?*b",
            "X=****************b; echo $X $X",
        ];
        lines.map(|line| line.as_bytes().to_vec()).to_vec()
    },
    fields: &[],
    run,
    cases: 6_000,
    allocated_max: 64 << 20,
};

/// A directory for patterns: few names, and one as long as names get.
fn enter_directory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let folder = Path::new(env!("OUT_DIR")).join("shell");
        fs::create_dir_all(&folder).unwrap();
        for name in ["a", "b.c", ".hidden", "ä", &"a".repeat(255)] {
            File::create(folder.join(name)).unwrap();
        }
        std::env::set_current_dir(folder).unwrap();
    });
}

fn run(bytes: &[u8]) {
    enter_directory();
    let line = String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]);
    let list = match parse(&line) {
        Err(Flaw::Wrong(message)) => return assert!(!message.is_empty()),
        Err(Flaw::Incomplete) => return,
        Ok(list) => list,
    };
    let lookup = |name: &str| match name.len() {
        0 => unreachable!("a variable has a name"),
        1 => Some("* a*b ?*?".to_owned()),
        2 => Some(String::new()),
        3 => Some("*".repeat(40) + "b"),
        _ => None,
    };
    for command in list.iter().flat_map(|pipeline| &pipeline.commands) {
        for (name, value) in &command.assignments {
            assert!(!name.is_empty());
            text(value, &lookup);
        }
        for redirection in &command.redirections {
            assert!(redirection.descriptor <= 2);
            text(&redirection.target, &lookup);
        }
        for word in &command.words {
            // What is elsewhere on this machine is not ours to look at.
            if !text(word, &lookup).contains('/') {
                arguments(word, &lookup);
            }
        }
    }
}
