//! `free`: memory, in KiB.

use std::io::{Write, stdout};

use super::{nothing, read};
use crate::failure::Failure;

pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    nothing(arguments)?;
    let table = table(&read("/proc/meminfo")?)
        .ok_or_else(|| Failure::new("cannot make sense of /proc/meminfo"))?;
    stdout().write_all(table.as_bytes())?;
    Ok(0)
}

fn table(meminfo: &str) -> Option<String> {
    let value = |name: &str| -> Option<u64> {
        let of_line = |line: &str| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned);
        meminfo.lines().find_map(of_line)?.trim().strip_suffix(" kB")?.parse().ok()
    };
    let (total, free) = (value("MemTotal")?, value("MemFree")?);
    let cache = value("Buffers")? + value("Cached")? + value("SReclaimable")?;
    // As procps has it: used is what is not available.
    let available = value("MemAvailable")?;
    let used = total.saturating_sub(available);
    let shared = value("Shmem")?;
    Some(format!(
        "{:>16} {:>11} {:>11} {:>11} {:>11} {:>11}\n\
         Mem: {total:>11} {used:>11} {free:>11} {shared:>11} {cache:>11} {available:>11}\n",
        "total", "used", "free", "shared", "buff/cache", "available",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table() {
        let meminfo = "MemTotal:         245760 kB\nMemFree:          200000 kB\n\
                       MemAvailable:     210000 kB\nBuffers:               0 kB\n\
                       Cached:             2000 kB\nShmem:                10 kB\n\
                       SReclaimable:       3000 kB\n";
        let expected = "           total        used        free      shared  buff/cache   available\n\
                        Mem:      245760       35760      200000          10        5000      210000\n";
        assert_eq!(table(meminfo).unwrap(), expected);
        assert_eq!(table("MemTotal: 1 kB\n"), None);
    }
}
