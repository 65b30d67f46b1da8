//! `--disk`: what the 1K OS files is there the next time, and for `tar` on the host, however the
//! session ended.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tests::{Finished, Run, assert_ends, finish, program, signal, text};

use crate::interactive::{
    CTRL_A, assert_restored, on_terminal, settings_before, type_keys, with_settings,
};
use crate::kernel::spoilt;
use crate::os_1k::{CHAPTER, assert_answers, printed, read_until};
use crate::stopping::assert_interrupted;

const DISK_BYTES: usize = 1 << 20;

/// Of a header, and what the bytes of a file are padded to.
const BLOCK: usize = 512;

/// A file name in a folder of its own.
fn new_disk() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.tar");
    (folder, path)
}

/// The files of an archive.
pub fn files(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(archive);
    let file = |entry: std::io::Result<tar::Entry<&[u8]>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    };
    archive.entries().unwrap().map(file).collect()
}

/// An archive of these files.
pub fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The built-in program `name`, or text file.
fn built_in(name: &str) -> Vec<u8> {
    files(guests::DISK).into_iter().find(|(it, _)| it == name).unwrap().1
}

fn content(disk: &Path, name: &str) -> Option<String> {
    let bytes = fs::read(disk).unwrap();
    assert_eq!(bytes.len(), DISK_BYTES);
    let file = files(&bytes).into_iter().find(|(it, _)| it == name)?;
    Some(String::from_utf8(file.1).unwrap())
}

/// What tar on the host prints, which has nothing to complain of.
fn tar(arguments: &[&str], disk: &Path) -> String {
    let output = Command::new("tar").args(arguments).arg("-f").arg(disk).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn files_outlive_the_virtual_machine() {
    let (_folder, path) = new_disk();
    let arguments = ["--disk", text(&path)];
    printed(&arguments, "write notes Hello,  host!\nrm readme.txt\nexit 3\n", 3);
    let mut expected = files(guests::DISK);
    expected.retain(|(name, _)| name != "readme.txt");
    expected.push(("notes".into(), b"Hello,  host!\n".into()));
    assert!(files(&fs::read(&path).unwrap()) == expected);
    let names: String = expected.iter().map(|(name, _)| format!("{name}\n")).collect();
    assert_eq!(tar(&["-t"], &path), names);
    assert_eq!(tar(&["-xO", "notes"], &path), "Hello,  host!\n");

    assert_answers(
        &arguments,
        &[
            ("cat notes readme.txt", "Hello,  host!\ncat: readme.txt: no such file\n"),
            ("run echo again", "again\n"),
            ("write notes Other", ""),
        ],
    );
    assert_eq!(content(&path, "notes").as_deref(), Some("Other\n"));

    // Without --disk all is as it was in the beginning.
    assert_answers(&[], &[("cat notes", "cat: notes: no such file\n")]);
}

#[test]
fn an_archive_of_gnu_tar_is_a_disk() {
    let (folder, path) = new_disk();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("folder")).unwrap();
    fs::write(tree.join("shell"), built_in("shell")).unwrap();
    fs::write(tree.join("notes"), "from outside\n").unwrap();
    fs::write(tree.join("folder/inside"), "in a folder\n").unwrap();
    tar(&["-c", "-C", text(&tree), "."], &path);

    let session = "cat notes folder/inside\nwrite notes from inside\nrm folder/inside\nls\n";
    let output = printed(&["--disk", text(&path)], session, 0);
    let shell = format!("{:7}  shell\n", built_in("shell").len());
    let expected = "> cat notes folder/inside\nfrom outside\nin a folder\n\
                    > write notes from inside\n> rm folder/inside\n> ls\n"
        .to_owned()
        + &shell
        + "     12  notes\n> \n";
    assert_eq!(output, expected);
    let names = tar(&["-t"], &path);
    let mut names: Vec<_> = names.lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["./", "./folder/", "./shell", "notes"]);
    assert_eq!(tar(&["-xO", "notes"], &path), "from inside\n");
}

#[test]
fn a_disk_that_is_full_loses_nothing() {
    let (_folder, path) = new_disk();
    let shell = built_in("shell");
    // The end of the archive needs two blocks, and a file of a line two.
    let used = 2 * BLOCK + shell.len().next_multiple_of(BLOCK) + 4 * BLOCK;
    let filler = vec![b'x'; DISK_BYTES - used];
    let all = [("filler".to_owned(), filler), ("shell".to_owned(), shell)];
    fs::write(&path, archive(&all)).unwrap();
    let arguments = ["--disk", text(&path)];
    let full = "write: other: no room left\n";
    assert_answers(
        &arguments,
        &[
            ("write other It just fits", ""),
            ("rm other", ""),
            ("write notes It just fits", ""),
            ("write other It does not", full),
            ("cat notes other", "It just fits\ncat: other: no such file\n"),
            ("write notes It fits, too", ""),
            ("cat notes", "It fits, too\n"),
        ],
    );
    // What is too long for the place of the old text leaves that where it is.
    let long = "x".repeat(200);
    let session = format!("write notes\n{long}\n{long}\n{long}\n\x04cat notes\n");
    let output = printed(&arguments, &session, 0);
    let end = "write: notes: no room left\n> cat notes\nIt fits, too\n> \n";
    assert!(output.ends_with(end), "{output}");
    assert!(files(&fs::read(&path).unwrap())[..2] == all);
    assert_eq!(content(&path, "notes").as_deref(), Some("It fits, too\n"));

    assert_answers(&arguments, &[("rm filler", ""), ("write other Now it does", "")]);
    assert_eq!(content(&path, "notes").as_deref(), Some("It fits, too\n"));
    assert_eq!(content(&path, "other").as_deref(), Some("Now it does\n"));
}

#[test]
fn an_archive_of_a_whole_mebibyte_is_a_disk() {
    let (_folder, path) = new_disk();
    let shell = built_in("shell");
    let used = 2 * BLOCK + shell.len().next_multiple_of(BLOCK) + 2 * BLOCK;
    let filler = vec![b'x'; DISK_BYTES - used];
    let bytes = archive(&[("shell".to_owned(), shell), ("filler".to_owned(), filler)]);
    assert_eq!(bytes.len(), DISK_BYTES);
    fs::write(&path, &bytes).unwrap();
    assert_answers(
        &["--disk", text(&path)],
        &[("write notes x", "write: notes: no room left\n"), ("echo on", "on\n")],
    );
    assert!(fs::read(&path).unwrap() == bytes, "it has changed");
}

#[test]
fn a_disk_that_is_no_use_to_the_kernel_is_a_panic() {
    let mut spoilt = guests::DISK.to_vec();
    spoilt[0] ^= 1; // and its checksum does not know
    for (bytes, message) in [
        (archive(&[("notes".into(), b"no shell\n".into())]), "no shell: error -4\n"),
        (archive(&[("shell".into(), b"no program\n".into())]), "no shell: error -6\n"),
        (spoilt, "no tar archive: bad header at byte 0 of the disk\n"),
    ] {
        let (_folder, path) = new_disk();
        fs::write(&path, &bytes).unwrap();
        let output = printed(&["--disk", text(&path)], "", 63);
        assert!(output.starts_with(&format!("\nkernel panic: {message}")), "{output}");
        let mut kept = bytes;
        kept.resize(DISK_BYTES, 0);
        assert!(fs::read(&path).unwrap() == kept, "it has changed");
    }
}

/// Even without KVM.
#[track_caller]
fn assert_refused(disk: &Path, reason: &str) {
    let disk = text(disk);
    let arguments = ["--disk", disk];
    let run = Run { fault: Some("open:2"), ..Run::new(CHAPTER, &arguments) };
    assert_ends(
        &run.finish(),
        66,
        &[&format!("error: {disk}: {reason}"), "a disk is a tar archive"],
    );
}

#[test]
fn files_that_are_no_disk_are_refused_and_left_alone() {
    let (folder, path) = new_disk();
    assert_refused(folder.path(), "Is a directory");
    assert_refused(&folder.path().join("none/disk.tar"), "No such file or directory");
    assert_refused("/dev/full".as_ref(), "");
    assert_refused("/dev/zero".as_ref(), "not a tar archive");
    let mut too_large = guests::DISK.to_vec();
    too_large.resize(DISK_BYTES + 1, 0);
    for (bytes, reason) in [
        (b"Dear diary".to_vec(), "not a tar archive"),
        (vec![0], "not a tar archive"),
        (vec![0; DISK_BYTES], "not a tar archive"),
        (b"\x1f\x8b\x08".repeat(200), "not a tar archive"),
        (too_large, "file too large"),
    ] {
        fs::write(&path, &bytes).unwrap();
        assert_refused(&path, reason);
        assert!(fs::read(&path).unwrap() == bytes, "{reason}: it has changed");
    }
}

/// The VMM as somebody who has no privileges.
#[track_caller]
fn unprivileged(disk: &Path) -> Finished {
    let child = Command::new("setpriv")
        .args(["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"])
        .arg(program(CHAPTER))
        .args(["--disk".as_ref(), disk])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("util-linux has setpriv");
    finish(child, b"")
}

#[test]
fn a_disk_that_may_not_be_read_or_written_is_refused() {
    let (folder, path) = new_disk();
    fs::write(&path, guests::DISK).unwrap();
    for mode in [0o000, 0o200, 0o400] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_ends(&unprivileged(&path), 66, &["error: ", text(&path), "Permission denied"]);
    }
    fs::remove_file(&path).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o500)).unwrap();
    assert_ends(&unprivileged(&path), 66, &["error: ", text(&path), "Permission denied"]);
}

#[test]
fn a_disk_is_for_one_guest_that_has_a_use_for_it() {
    let (_folder, path) = new_disk();
    let disk = ["--disk", text(&path)];
    for guests in [&["hello"][..], &["ticker"], &["os-1k", "os-1k"], &["os-1k", "hello"]] {
        let finished = Run::new(CHAPTER, &[&disk, guests].concat()).finish();
        assert_ends(&finished, 64, &["error: --disk is for a guest that is alone"]);
        assert!(!path.exists(), "{guests:?}");
    }
}

/// Writes a file on the disk, and does `end` when it has been written.
#[track_caller]
fn saved(
    disk: &Path,
    end: impl FnOnce(std::process::Child, std::process::ChildStdin, std::process::ChildStdout),
) {
    let mut child = Run::new(CHAPTER, &["--disk", text(disk)]).start();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"write notes Hello\necho written\n").unwrap();
    let written = |seen: &str| seen.ends_with("\nwritten\n> ");
    let (stdout, _) = read_until(child.stdout.take().unwrap(), written);
    end(child, stdin, stdout);
    assert_eq!(content(disk, "notes").as_deref(), Some("Hello\n"));
}

#[test]
fn a_disk_in_use_is_refused() {
    let (_folder, path) = new_disk();
    saved(&path, |child, stdin, _stdout| {
        let before = fs::read(&path).unwrap();
        assert_refused(&path, "");
        assert!(fs::read(&path).unwrap() == before, "it has changed");
        drop(stdin);
        assert_ends(&finish(child, b""), 0, &["exited with status 0"]);
    });
    assert_answers(&["--disk", text(&path)], &[("cat notes", "Hello\n")]);
}

#[test]
fn what_is_on_the_disk_is_saved_when_the_user_ends_the_machine() {
    for number in [Signal::SIGINT, Signal::SIGTERM] {
        let (_folder, path) = new_disk();
        saved(&path, |child, _stdin, _stdout| {
            signal(&child, number);
            assert_interrupted(child, 1);
        });
    }

    let (_folder, path) = new_disk();
    let mut terminal = on_terminal(&with_settings(&format!("{CHAPTER} --disk {}", text(&path))));
    let before = settings_before(&mut terminal);
    terminal.exp_string("\r\n> ").unwrap();
    type_keys(&mut terminal, "write notes Hello\r");
    terminal.exp_string("Hello\r\n> ").unwrap();
    type_keys(&mut terminal, &format!("{CTRL_A}x"));
    terminal.exp_string("os-1k: interrupted after ").unwrap();
    assert_restored(&mut terminal, &before, 130);
    assert_eq!(content(&path, "notes").as_deref(), Some("Hello\n"));
}

#[test]
fn what_is_on_the_disk_is_saved_when_nobody_reads_the_output() {
    let (_folder, path) = new_disk();
    saved(&path, |child, mut stdin, stdout| {
        drop(stdout);
        stdin.write_all(b"echo Is anybody there?\n").unwrap();
        assert_ends(&finish(child, b""), 0, &[]);
        drop(stdin);
    });
}

#[test]
fn what_is_on_the_disk_is_saved_when_the_kernel_dies() {
    let bad_port = vec![0xba, 0xad, 0x0b, 0x00, 0x00, 0xee]; // mov $0xbad, %edx; out %al, %dx
    for (code, status) in [(vec![0x0f, 0x0b], 63), (bad_port, 65)] {
        let (_folder, path) = new_disk();
        let (kernel, _) = spoilt("fs_list", |_| code);
        let arguments = ["--disk", text(&path), text(kernel.path())];
        let input = b"write notes Hello\nls\n";
        assert_ends(&Run { input, ..Run::new(CHAPTER, &arguments) }.finish(), status, &[]);
        assert_eq!(content(&path, "notes").as_deref(), Some("Hello\n"));
    }
}
