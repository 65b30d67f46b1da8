//! The same computation on KVM and by QEMU's emulation, TCG.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use performance::Group;

use super::{Here, image, process, tools};

/// How long the guest computes on KVM.
const COMPUTES: Duration = Duration::from_secs(1);

/// What it prints at its end: the number 69.
const PRINTS: &[u8] = b"E";

const NAMES: [&str; 3] = ["`ch07-hypercall`", "QEMU on KVM", "QEMU without, by TCG"];

pub fn measure(here: &Here) -> Result<Vec<Group>> {
    let matrix = fs::read(here.tools.join(tools::MATRIX)).context(tools::MATRIX)?;
    let images = tempfile::tempdir().context("a directory for images")?;
    let time = |subject: usize, count: u32| -> Result<Duration> {
        let mut code = matrix.clone();
        let last = code.len().checked_sub(4).context("an image without a count")?;
        code[last..].copy_from_slice(&count.to_le_bytes());
        let path = images.path().join("image");
        let (mut command, status) = if subject == 0 {
            fs::write(&path, code)?;
            (Command::new(here.chapter("ch07-hypercall")), 0)
        } else {
            fs::write(&path, image::firmware(&code)?)?;
            let accelerator = if subject == 1 { "kvm" } else { "tcg" };
            (image::qemu(&here.qemu, accelerator, &path), image::QEMU_STATUS)
        };
        match subject {
            0 => command.arg(&path),
            _ => command.args(["-serial", "stdio"]),
        };
        let (took, output) = process::finish(&mut command, status)?;
        ensure!(output.stdout == PRINTS, "{}: the product is wrong", NAMES[subject]);
        Ok(took.cpu)
    };
    let count = process::count_for(COMPUTES, |count| time(0, count))?;
    // Once: it takes long, and a clock that counts says the same each time.
    eprintln!("emulation: {count} products each");
    let values = (0..NAMES.len()).map(|subject| {
        let each = process::nanoseconds_each(count, |count| time(subject, count))?;
        Ok(each * f64::from(count))
    });
    let values = values.collect::<Result<Vec<_>>>()?;
    let title = "a guest that multiplies matrices";
    Ok(vec![Group::of_rounds("emulation", title, here.unit(), &NAMES, &[values])])
}
