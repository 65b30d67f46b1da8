//! What each chapter prints when it is broken as `tests/patches` says: the book shows these, too.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use chapter_diff::chapters::Checkout;
use tests::Run;
use variants::breaks::{self, Break};

use crate::snapshots::{LINUX, POLLS, REGISTERS, check, resets_after_triple_fault};

// A test of its name for each patch, made by build.rs.
include!(concat!(env!("OUT_DIR"), "/patches.rs"));

/// What differs from run to run or from CPU to CPU in what a broken chapter prints.
const VARYING: &[(&str, &[(&str, &str)])] = &[
    ("ch06_break_no_data", POLLS),
    // How far the linker has put main from the code in front of it.
    ("ch10_break_higher_half", &[("f3 aa e8 [0-9a-f ]+", "f3 aa e8 [bytes]")]),
    // How this kernel begins.
    (
        "ch14_break_zeroed_header",
        &[("code at 0x1000200: [0-9a-f ]+", "code at 0x1000200: [bytes]")],
    ),
    ("ch15_break_fixed_initrd", LINUX),
    ("ch15_break_wrong_irq", LINUX),
];

/// Broken chapters whose triple fault the book takes apart: where the registers are others, the
/// rest has to do.
const TRIPLE_FAULTS: &[&str] = &["ch09_break_gdt", "ch14_break_zeroed_header"];

fn checkout() -> Checkout {
    Checkout::at(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()).unwrap()
}

fn breaks_as_shown(name: &str) {
    let broken = Break::read(&checkout(), name).unwrap_or_else(|error| panic!("{error:#}"));
    let program = program(&broken);
    let arguments: Vec<_> = broken.arguments.iter().map(String::as_str).collect();
    let run = Run {
        program: Some(&program),
        input: &broken.input,
        ..Run::new(&broken.chapter, &arguments)
    };
    let of_this = VARYING.iter().filter(|(patch, _)| *patch == name);
    let varying: Vec<_> = of_this.flat_map(|(_, varying)| *varying).copied().collect();
    if TRIPLE_FAULTS.contains(&name) && !resets_after_triple_fault() {
        check(&format!("{name}_elsewhere"), &run, &[&varying, REGISTERS].concat());
    } else {
        check(name, &run, &varying);
    }
}

/// Where the runner had the broken chapter built.
fn program(broken: &Break) -> PathBuf {
    let folder = env::var_os("MINI_KVM_PATCHED").expect(
        "MINI_KVM_PATCHED is not set: the broken chapters have not been built\n  \
         run the tests with `cargo test`; if you did, see what its first lines say",
    );
    let folder = Path::new(&folder).join(&broken.name);
    if let Ok(failure) = fs::read_to_string(folder.join("failure")) {
        panic!("{failure}");
    }
    let program = folder.join(&broken.chapter);
    assert!(program.is_file(), "{} has not been built: cargo xtask patched", program.display());
    program
}

#[test]
fn what_varies_is_of_a_patch() {
    let names = breaks::names(&checkout().root).unwrap();
    for name in VARYING.iter().map(|(name, _)| name).chain(TRIPLE_FAULTS) {
        assert!(names.iter().any(|other| other == name), "{name}: there is no such patch");
    }
}
