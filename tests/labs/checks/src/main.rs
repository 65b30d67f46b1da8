//! Checks answers to the labs: the jobs come on standard input, what was found goes to standard
//! output, each a line of JSON (`labs::protocol`). `cargo xtask grade` starts it where KVM is complete.

use std::io::{self, BufRead, Write};
use std::panic;
use std::process::ExitCode;

use kvm_ioctls::Kvm;
use labs::protocol::Job;

/// There is no usable KVM (`EX_UNAVAILABLE`).
const NO_USABLE_KVM: u8 = 69;

fn main() -> ExitCode {
    // Without it every answer would fail, and be none the worse for it.
    if let Err(error) = Kvm::new() {
        eprintln!("error: the labs cannot be graded: /dev/kvm: {error}");
        return ExitCode::from(NO_USABLE_KVM);
    }
    // What a check panics with is in its verdict.
    panic::set_hook(Box::new(|_| {}));
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: the checks: {error}");
            ExitCode::FAILURE
        }
    }
}

fn work() -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let job: Job = serde_json::from_str(&line?)?;
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, &lab_checks::check(&job))?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}
