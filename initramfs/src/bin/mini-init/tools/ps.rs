//! `ps`: all processes, from `/proc`.

use std::fs;
use std::io::{Write, stdout};

use super::nothing;
use crate::failure::{Failure, Named};

pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    nothing(arguments)?;
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc").named("/proc")? {
        let path = entry.named("/proc")?.path();
        if path.read_link().is_ok() {
            // `self` is one of the others.
            continue;
        }
        // What is no process has no such file, and some end while we look.
        let Ok(stat) = fs::read_to_string(path.join("stat")) else { continue };
        let arguments = fs::read(path.join("cmdline")).unwrap_or_default();
        processes.extend(Process::parse(&stat, &arguments));
    }
    processes.sort_by_key(|process| process.id);
    let mut out = stdout().lock();
    writeln!(out, "  PID  PPID S  RSS/KiB COMMAND")?;
    for Process { id, parent, state, resident, command } in processes {
        writeln!(out, "{id:5} {parent:5} {state} {resident:8} {command}")?;
    }
    Ok(0)
}

#[derive(Debug, PartialEq, Eq)]
struct Process {
    id: u32,
    parent: u32,
    /// R: running, S: sleeping, D: waiting for a device, Z: ended, and so on.
    state: char,
    /// Memory that it has, in KiB.
    resident: u64,
    command: String,
}

impl Process {
    /// From `/proc/ID/stat` and `/proc/ID/cmdline`; see proc(5).
    fn parse(stat: &str, arguments: &[u8]) -> Option<Self> {
        const PAGE_KIB: u64 = 4;
        // The name stands in parentheses, and may hold some.
        let (id, rest) = stat.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<_> = rest.split(' ').collect();
        // The first of these fields is the third in proc(5).
        let field = |number: usize| fields.get(number - 3).copied();
        let arguments =
            String::from_utf8_lossy(arguments).trim_end_matches('\0').replace('\0', " ");
        Some(Self {
            id: id.parse().ok()?,
            state: field(3)?.chars().next()?,
            parent: field(4)?.parse().ok()?,
            resident: field(24)?.parse::<u64>().ok()? * PAGE_KIB,
            // The kernel's own have no arguments.
            command: if arguments.is_empty() { format!("[{name}]") } else { arguments },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str =
        "S 2 0 0 0 -1 4194560 10 0 0 0 1 2 0 0 20 0 1 0 5 1000 250 18446744073709551615";

    #[test]
    fn processes() {
        let process = Process::parse(&format!("7 (a) (b) {REST}"), b"cat\0a b\0").unwrap();
        let expected =
            Process { id: 7, parent: 2, state: 'S', resident: 1000, command: "cat a b".to_owned() };
        assert_eq!(process, expected);
        let thread = Process::parse(&format!("2 (kthreadd) {REST}"), b"").unwrap();
        assert_eq!(thread.command, "[kthreadd]");
        assert_eq!(Process::parse("nonsense", b""), None);
    }
}
