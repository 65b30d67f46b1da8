//! Runs targets.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::abort;
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use fastrand::Rng;

use crate::Target;
use crate::mutate::mutate;

/// The mutants of `cargo test` are the same each time.
const SEED: u64 = 0x6d69_6e69_2d6b_766d;

/// Who takes longer for one input hangs: they take less than a millisecond, on a slow day ten.
const HANGS: Duration = Duration::from_secs(60);

/// How long a mutant may be: longer than the largest seed.
const BYTES_MAX: usize = 2 << 20;

/// The kept cases of a target: what once broke a promise, and what leads far into the code.
pub fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("the corpus can be listed").path());
    let mut cases: Vec<_> =
        paths.map(|path| (path.clone(), fs::read(path).expect("the corpus can be read"))).collect();
    cases.sort();
    cases
}

/// Runs the kept cases, then mutants of them and of the seeds.
pub fn briefly(target: &Target) {
    let kept = corpus(target);
    let mut parents: Vec<_> = kept.iter().map(|(_, case)| case.clone()).collect();
    parents.extend((target.seeds)());
    assert!(!parents.is_empty(), "{} has nothing to begin with", target.name);

    let (started, watch) = channel();
    let name = target.name;
    let watchdog = thread::spawn(move || {
        let mut case = String::new();
        loop {
            match watch.recv_timeout(HANGS) {
                Ok(next) => case = next,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    eprintln!("{name}: hangs for more than {HANGS:?}: {case}");
                    abort();
                }
            }
        }
    });
    let run = |what: String, case: &[u8]| {
        started.send(what.clone()).expect("the watchdog lives");
        let run = AssertUnwindSafe(|| limited(target, case));
        if let Err(cause) = panic::catch_unwind(run) {
            let file = std::env::temp_dir().join(format!("fuzz-{name}-{}", std::process::id()));
            let file = fs::write(&file, case).map(|()| file);
            eprintln!("{name}: {what} breaks a promise; it is in {file:?}");
            panic::resume_unwind(cause);
        }
    };
    for (path, case) in &kept {
        run(path.display().to_string(), case);
    }
    for (index, seed) in (target.seeds)().iter().enumerate() {
        run(format!("seed {index}"), seed);
    }
    let mut rng = Rng::with_seed(SEED);
    for index in 0..target.cases {
        let mut case = parents[rng.usize(0..parents.len())].clone();
        mutate(&mut case, BYTES_MAX, target.fields, &mut rng);
        run(format!("mutant {index}"), &case);
    }
    drop(started);
    watchdog.join().expect("the watchdog has nothing to say");
}

/// Memory is a promise, too. Other threads' does not count.
fn limited(target: &Target, case: &[u8]) {
    let bytes = allocation_counter::measure(|| (target.run)(case)).bytes_max;
    let max = target.allocated_max as u64;
    assert!(bytes <= max, "{bytes} bytes were allocated for it, more than {max}");
}

static CHOSEN: Mutex<Option<&'static Target>> = Mutex::new(None);

/// The target that libFuzzer runs.
pub fn chosen() -> &'static Target {
    CHOSEN.lock().expect("nobody panics with it").expect("it has begun")
}

/// Chooses the target that `FUZZ_TARGET` names, and writes its seeds to the folder that `FUZZ_SEEDS`
/// names. Without a name, prints all there are, and ends.
pub fn begin(targets: &'static [Target]) {
    let Ok(name) = std::env::var("FUZZ_TARGET") else {
        targets.iter().for_each(|target| println!("{}", target.name));
        std::process::exit(0);
    };
    let target = targets.iter().find(|target| target.name == name);
    let target = target.unwrap_or_else(|| panic!("there is no target {name}"));
    *CHOSEN.lock().expect("nobody panics with it") = Some(target);
    if let Some(folder) = std::env::var_os("FUZZ_SEEDS") {
        for (index, seed) in (target.seeds)().iter().enumerate() {
            let path = Path::new(&folder).join(format!("seed-{index}"));
            fs::write(path, seed).expect("the folder of the seeds can be written");
        }
    }
}

/// One input of libFuzzer's.
pub fn one(case: &[u8]) {
    limited(chosen(), case);
}
