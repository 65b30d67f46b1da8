//! Standard input and outputs that are closed, full, or of no interest to anybody.

use std::fs;

use tests::text;

use super::plan::runs;
use super::some_runs;

#[test]
fn closed_streams_are_as_dev_null() {
    const CLOSED: [&str; 4] = [
        "stdin:closed",
        "stdout:closed",
        "stderr:closed",
        "stdin:closed;stdout:closed;stderr:closed",
    ];
    for (chapter, arguments, always) in some_runs() {
        let mut faults = vec![always.to_owned()];
        faults.extend(CLOSED.map(|closed| format!("{closed};{always}")));
        let mut ended = runs(chapter, arguments, &faults);
        let normal = ended.remove(0);
        for ended in ended {
            ended.assert_ends(normal.code().unwrap(), &[]);
            if !ended.fault.contains("stdout") && arguments.len() == 1 {
                assert_eq!(ended.finished.stdout, normal.finished.stdout, "{ended}");
            }
        }
    }
}

/// Where no guest prints nothing is lost, and a crash is the worse news.
#[test]
fn output_that_cannot_be_written_is_told() {
    for (chapter, arguments, always) in some_runs() {
        let faults = ["", "stdout:/dev/full", "stdout:nobody", "stderr:/dev/full", "stderr:nobody"];
        let faults = faults.map(|fault| format!("{always}{fault}"));
        let mut ended = runs(chapter, arguments, &faults);
        let normal = ended.remove(0);
        let (code, prints) = (normal.code().unwrap(), !normal.finished.stdout.is_empty());
        if prints && code == 0 {
            ended[0].assert_ends(74, &["error: ", "No space left on device"]);
        } else {
            ended[0].assert_ends(code, &[]);
        }
        ended[1].assert_ends(code, &[]);
        // All that chapter 3 has to show is on standard error.
        ended[2].assert_ends(if chapter == "ch03-hlt" { 74 } else { code }, &[]);
        ended[3].assert_ends(code, &[]);
    }
}

/// `ulimit -f`: Linux sends a signal then, which must not end us.
#[test]
fn a_file_that_may_not_grow_is_told() {
    for (chapter, guest) in [
        ("ch05-uart", "hello"),
        ("ch07-hypercall", "multiplication"),
        ("ch08-multi-vcpu", "multiplication"),
        ("ch11-interrupts", "multiplication"),
    ] {
        // What it says goes to a file, too, and is cut off as well: the status has to do.
        const BYTES: usize = 8;
        let ended = runs(chapter, &[guest], &[format!("file:{BYTES}")]).remove(0);
        ended.assert_ends(74, &[]);
        assert_eq!(ended.finished.stdout.len(), BYTES, "{ended}");
    }
}

/// The limit is the same as a full disk: a new file is gone again or empty, an old one as it was.
#[test]
fn a_disk_that_cannot_have_its_size_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.tar");
    for old in [None, Some(guests::DISK)] {
        if let Some(old) = old {
            fs::write(&disk, old).unwrap();
        }
        for limit in [0, 512, 100_000, 1_000_000] {
            let fault = format!("stdin:/dev/null;stdout:/dev/null;file:{limit}");
            let ended = runs("ch12-os-1k", &["--disk", text(&disk)], &[fault]).remove(0);
            assert_eq!(ended.code(), Some(66), "{ended}");
            assert!(fs::read(&disk).unwrap() == old.unwrap_or_default(), "it has changed: {ended}");
        }
    }
}
