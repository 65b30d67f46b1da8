//! Where a nest is, and whose it is.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::fixture::{BOOT, Nest, assert_output, await_end, text};

#[test]
fn the_nests_of_two_checkouts_do_not_know_each_other() {
    // The one in a path that is hard to get right.
    let nests = [Nest::new(), Nest::at(Path::new(&format!("with a space/{}", "deep/".repeat(30))))];
    let boots = [nests[0].boot(), nests[1].boot()];
    assert_ne!(boots[0], boots[1]);
    let processes = nests[0].processes();
    let down = nests[0].command(&["down"]).output().unwrap();
    assert_eq!(text(&down.stdout), "nest: ended\n");
    await_end(&processes, Duration::ZERO);
    assert_eq!(nests[0].status().1, 1);
    assert_eq!(nests[1].boot(), boots[1]);
}

/// Somebody who is not root: we ourselves, or else nobody, if they can read the workspace.
fn ordinary_user() -> u32 {
    const NOBODY: u32 = 65534;
    let ourselves = fs::metadata("/proc/self").unwrap().uid();
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    let mut can_read = Command::new("test");
    can_read.args(["-r", lock]).uid(NOBODY).gid(NOBODY);
    if ourselves == 0 && can_read.status().unwrap().success() { NOBODY } else { ourselves }
}

#[test]
fn without_root_a_nest_stays_as_well() {
    let nest = Nest::new();
    let user = ordinary_user();
    let run = |command: &mut Command| -> Output {
        if user != fs::metadata("/proc/self").unwrap().uid() {
            command.uid(user).gid(user);
        }
        command.output().unwrap()
    };
    for place in [nest.target(), &nest.target().join("nest")] {
        chown(place, Some(user), None).unwrap();
    }
    let script = format!("id -u; cd '{}'; echo x >file; {BOOT}", nest.target().display());
    let boots = [(); 2].map(|()| {
        let output = run(&mut nest.script(&script));
        assert!(output.status.success(), "{output:?}");
        let (id, boot) = text(&output.stdout).split_once('\n').unwrap();
        assert_eq!(id, user.to_string());
        boot.to_owned()
    });
    assert_eq!(nest.target().join("file").metadata().unwrap().uid(), user);
    assert_eq!(boots[0], boots[1]);
    // In there, one may be root all the same; outside that makes no difference.
    let script = format!(
        "id -u; ls /sys/kernel/debug/kvm | grep -x exits; echo x >'{}/by root'",
        nest.target().display()
    );
    let output = run(&mut nest.command(&["shell", "--root", "/bin/sh", "-c", &script]));
    assert_output(&output, "0\nexits\n", "", 0);
    assert_eq!(nest.target().join("by root").metadata().unwrap().uid(), user);
    let down = run(&mut nest.command(&["down"]));
    assert_output(&down, "nest: ended\n", "", 0);
}

#[test]
fn where_none_can_stay_each_command_has_its_own() {
    let nest = Nest::new();
    nest.says("true");
    let home = nest.homes().pop().unwrap();
    assert!(nest.command(&["down"]).output().unwrap().status.success());
    let home = nest.target().join("nest").join(home);
    fs::write(&home, "").unwrap();
    let output = nest.script("echo done").output().unwrap();
    let said = format!(
        "nest: {} is not a directory of yours alone\n  remove it\n\
         nest: it cannot stay: this command gets its own\n",
        home.display()
    );
    assert_output(&output, "done\n", &said, 0);
    assert_eq!(nest.status().1, 1);
}
