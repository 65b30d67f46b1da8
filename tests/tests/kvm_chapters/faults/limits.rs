//! Too little memory, too few files.

use super::plan::{Ended, runs};
use super::some_runs;

const UNAVAILABLE: i32 = 69;
const BAD_INPUT: i32 = 66;

#[test]
fn too_few_files_is_told() {
    for (chapter, arguments, always) in some_runs() {
        let faults =
            [0].into_iter().chain(3..=10).chain([20]).map(|files| format!("{always}files:{files}"));
        let (normal, ended) = normal_and(chapter, arguments, always, faults);
        let mut is_enough = false;
        for run in &ended {
            run.assert_sane();
            let code = run.code();
            assert!(code == normal || !is_enough, "with one file less it ran: {run}");
            is_enough = code == normal;
            if !is_enough {
                // A guest's image, or Linux, is a file, too.
                assert!(matches!(code, Some(UNAVAILABLE | BAD_INPUT)), "{run}");
                run.assert_ends(code.unwrap(), &["error: ", "Too many open files"]);
                if run.said().contains("error: KVM_") {
                    run.assert_ends(UNAVAILABLE, &["too few files", "ulimit -n"]);
                }
            }
        }
        assert_ne!(ended[0].code(), normal, "{}", ended[0]);
        assert!(is_enough, "20 files are not enough: {}", ended.last().unwrap());
    }
}

/// The status of a run that has enough, and how those with the faults end.
fn normal_and(
    chapter: &str,
    arguments: &[&str],
    always: &str,
    faults: impl Iterator<Item = String>,
) -> (Option<i32>, Vec<Ended>) {
    let faults: Vec<_> = [always.to_owned()].into_iter().chain(faults).collect();
    let mut ended = runs(chapter, arguments, &faults);
    (ended.remove(0).code(), ended)
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

#[test]
fn too_little_memory_is_told() {
    for (chapter, arguments, always) in some_runs() {
        let (most, step) = match chapter {
            "ch14-linux-boot" | "ch15-linux-shell" => (640 * MIB, 160 * MIB + 4 * KIB),
            "ch12-os-1k" | "ch13-long-mode" => (96 * MIB, 16 * MIB + 4 * KIB),
            "ch09-protected-mode" | "ch10-paging" | "ch11-interrupts" => {
                (40 * MIB, 6 * MIB + 4 * KIB)
            }
            "ch08-multi-vcpu" => (16 * MIB, 1300 * KIB),
            "ch06-uart-input" | "ch07-hypercall" => (4 * MIB, 500 * KIB),
            _ => (MIB, 60 * KIB),
        };
        let limits = (0..most).step_by(step).chain([most]);
        let faults = limits.map(|bytes| format!("{always}memory:{bytes}"));
        let (normal, ended) = normal_and(chapter, arguments, always, faults);
        let mut told = 0;
        for run in &ended {
            if run.is_out_of_memory() {
                continue;
            }
            run.assert_sane();
            match run.code() {
                code if code == normal => {}
                Some(code @ (UNAVAILABLE | BAD_INPUT)) => {
                    told += 1;
                    run.assert_ends(code, &["error: "]);
                    let refused = ["Cannot allocate memory", "Resource temporarily unavailable"];
                    let said = run.said();
                    assert!(refused.iter().any(|words| said.contains(words)), "{run}");
                }
                _ => panic!("{run}"),
            }
        }
        assert!(told > 0 || chapter == "ch01-open-kvm", "{chapter} was never short of memory");
        assert_eq!(ended.last().unwrap().code(), normal, "{}", ended.last().unwrap());
    }
}
