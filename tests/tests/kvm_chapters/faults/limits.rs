//! Too little memory, too few files.

use super::plan::runs;
use super::some_runs;

const UNAVAILABLE: i32 = 69;
const BAD_INPUT: i32 = 66;

#[test]
fn too_few_files_is_told() {
    for (chapter, arguments, always) in some_runs() {
        let normal = runs(chapter, arguments, &[always.to_owned()]).remove(0).code();
        let faults: Vec<_> =
            (0..=12).chain([20]).map(|files| format!("{always}files:{files}")).collect();
        let ended = runs(chapter, arguments, &faults);
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

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

#[test]
fn too_little_memory_is_told() {
    for (chapter, arguments, always) in some_runs() {
        let (most, step) = match chapter {
            "ch14-linux-boot" | "ch15-linux-shell" => (640 * MIB, 80 * MIB + 4 * KIB),
            "ch12-os-1k" | "ch13-long-mode" => (96 * MIB, 8 * MIB + 4 * KIB),
            "ch09-protected-mode" | "ch10-paging" | "ch11-interrupts" => {
                (40 * MIB, 3 * MIB + 4 * KIB)
            }
            "ch08-multi-vcpu" => (16 * MIB, 700 * KIB),
            "ch06-uart-input" | "ch07-hypercall" => (4 * MIB, 252 * KIB),
            _ => (MIB, 52 * KIB),
        };
        let normal = runs(chapter, arguments, &[always.to_owned()]).remove(0).code();
        let limits = (0..most).step_by(step).chain([most]);
        let faults: Vec<_> = limits.map(|bytes| format!("{always}memory:{bytes}")).collect();
        let ended = runs(chapter, arguments, &faults);
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
