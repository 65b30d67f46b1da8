//! The doctor's four tiny guests, on a KVM that is complete: nowhere else can they all succeed.

use std::process::{Command, Stdio};

use tests::{finish, program};

#[test]
fn the_doctor_finds_this_kvm_complete() {
    let mut command = Command::new(program("xtask"));
    let child = command.arg("doctor").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let finished = finish(child.unwrap(), b"");
    assert_eq!(finished.code(), 0, "{finished}");
    let stdout = String::from_utf8_lossy(&finished.stdout);
    for guest in ["real mode", "32-bit paging", "long mode", "in-kernel irqchip", "\ncomplete\n"] {
        assert!(stdout.contains(guest), "{finished}");
    }
}
