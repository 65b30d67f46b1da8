//! `ls [-al] [FILE]...`: what is in directories.

use std::fs::{self, Metadata};
use std::io::{IsTerminal, Write, stdout};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use lexopt::{Arg, Parser};
use nix::sys::stat::{major, minor};

use super::{each, text};
use crate::failure::{Failure, Named};

/// A serial line does not tell how wide the terminal at its other end is.
const COLUMNS: usize = 80;

#[derive(Clone, Copy, Default)]
struct Options {
    all: bool,
    long: bool,
    one_column: bool,
}

pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    let mut options = Options { one_column: !stdout().is_terminal(), ..Options::default() };
    let mut files = Vec::new();
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('a') => options.all = true,
            Arg::Short('l') => options.long = true,
            Arg::Short('1') => options.one_column = true,
            Arg::Value(file) => files.push(text(file)),
            _ => return Err(argument.unexpected().into()),
        }
    }
    if files.is_empty() {
        files.push(".".to_owned());
    }
    let with_titles = files.len() > 1;
    Ok(each("ls", &files, |file| {
        let text = list(file, with_titles, options)?;
        Ok(stdout().write_all(text.as_bytes())?)
    }))
}

fn list(file: &str, with_title: bool, options: Options) -> Result<String, Failure> {
    let path = Path::new(file);
    let data = fs::symlink_metadata(path).named(file)?;
    // A link to a directory is followed, unless the link itself is what is looked at.
    let is_directory = if options.long { data.is_dir() } else { path.is_dir() };
    if !is_directory {
        let line = if options.long { long_line(path, file, &data) } else { file.to_owned() };
        return Ok(line + "\n");
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(path).named(file)? {
        let name = text(entry.named(file)?.file_name());
        if options.all || !name.starts_with('.') {
            names.push(name);
        }
    }
    if options.all {
        names.extend([".".to_owned(), "..".to_owned()]);
    }
    names.sort();

    let mut text = if with_title { format!("{file}:\n") } else { String::new() };
    if options.long {
        for name in names {
            let path = path.join(&name);
            // It may have gone in the meantime.
            if let Ok(data) = fs::symlink_metadata(&path) {
                text += &(long_line(&path, &name, &data) + "\n");
            }
        }
    } else {
        text += &columns(&names, if options.one_column { 0 } else { COLUMNS });
    }
    Ok(text)
}

fn long_line(path: &Path, name: &str, data: &Metadata) -> String {
    let kind = data.file_type();
    let letter = match kind {
        kind if kind.is_dir() => 'd',
        kind if kind.is_symlink() => 'l',
        kind if kind.is_char_device() => 'c',
        kind if kind.is_block_device() => 'b',
        kind if kind.is_fifo() => 'p',
        kind if kind.is_socket() => 's',
        _ => '-',
    };
    let size = if kind.is_char_device() || kind.is_block_device() {
        format!("{}, {}", major(data.rdev()), minor(data.rdev()))
    } else {
        data.size().to_string()
    };
    let target = match fs::read_link(path) {
        Ok(target) if kind.is_symlink() => format!(" -> {}", target.display()),
        _ => String::new(),
    };
    format!(
        "{letter}{} {:3} {:4} {:4} {size:>9} {} {name}{target}",
        permissions(data.mode()),
        data.nlink(),
        data.uid(),
        data.gid(),
        date(data.mtime()),
    )
}

/// `rwxr-xr-x`, with the sticky bit that `/tmp` has.
fn permissions(mode: u32) -> String {
    let bit = |index: u32| match (mode >> (8 - index) & 1, index % 3) {
        (0, _) => '-',
        (_, 0) => 'r',
        (_, 1) => 'w',
        _ => 'x',
    };
    let mut letters: String = (0..9).map(bit).collect();
    if mode & 0o1000 != 0 {
        letters.replace_range(8.., if letters.ends_with('x') { "t" } else { "T" });
    }
    letters
}

/// `2026-11-22 17:05`, in UTC, from seconds since 1970.
fn date(seconds: i64) -> String {
    let (days, seconds) = (seconds.div_euclid(86400), seconds.rem_euclid(86400));
    // Howard Hinnant's civil_from_days: years begin in March, so that leap days end them, and 400 of
    // them (an era) have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute) = (seconds / 3600, seconds / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
}

/// Names in columns, downwards, two spaces apart, in as few lines as the width allows.
fn columns(names: &[String], width: usize) -> String {
    let length = |name: &String| name.chars().count();
    for lines in 1..names.len() {
        let widths: Vec<_> = names
            .chunks(lines)
            .map(|column| column.iter().map(length).max().unwrap_or_default())
            .collect();
        if widths.iter().sum::<usize>() + 2 * (widths.len() - 1) >= width {
            continue;
        }
        let mut text = String::new();
        for line in 0..lines {
            let row = names.iter().skip(line).step_by(lines).zip(&widths);
            let cells: Vec<_> = row.map(|(name, width)| format!("{name:width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        return text;
    }
    names.iter().map(|name| format!("{name}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_columns() {
        let names: Vec<_> = "bin dev init proc sys".split(' ').map(str::to_owned).collect();
        assert_eq!(columns(&names, 80), "bin  dev  init  proc  sys\n");
        assert_eq!(columns(&names, 14), "bin   proc\ndev   sys\ninit\n");
        assert_eq!(columns(&names, 0), "bin\ndev\ninit\nproc\nsys\n");
        assert_eq!(columns(&names[..1], 80), "bin\n");
        assert_eq!(columns(&[], 80), "");
    }

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01 00:00");
        assert_eq!(date(951_782_399), "2000-02-28 23:59");
        assert_eq!(date(951_782_400), "2000-02-29 00:00");
        assert_eq!(date(1_795_366_800), "2026-11-22 17:00");
        assert_eq!(date(-1), "1969-12-31 23:59");
    }

    #[test]
    fn modes() {
        assert_eq!(permissions(0o100_755), "rwxr-xr-x");
        assert_eq!(permissions(0o041_777), "rwxrwxrwt");
        assert_eq!(permissions(0o020_600), "rw-------");
    }
}
