//! Chapter 8: four vCPUs, four guests, side by side.

mod console;
mod crash;
mod exit;
mod guest;
mod hypercall;
mod input;
mod kvm;
mod registers;
mod screen;
mod signal;
mod split;
mod statistics;
mod terminal;
mod uart;
mod vcpu;
mod vm;
mod vm_exit;

use std::ffi::OsString;
use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use vm_memory::{Bytes, GuestAddress};

use crate::console::Console;
use crate::guest::{GuestError, MODES, load_image};
use crate::kvm::{open_kvm, require_capabilities};
use crate::split::{NotATerminal, Pane};
use crate::terminal::RawMode;
use crate::vcpu::Stop;
use crate::vm::Vm;

const CHAPTER: u8 = 8;

const VCPUS_MAX: usize = 4;

/// Each guest's share. Four fill the 1 MiB that real mode can address.
const MEMORY_BYTES: usize = 256 * 1024;

/// Runs up to four guests side by side, and says why each stopped.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Up to four built-in guests, or paths of images
    #[arg(value_name = "GUEST", default_values = ["multiplication", "counter", "hello", "hctest"])]
    guests: Vec<OsString>,
    /// List the built-in guests
    #[arg(long)]
    list: bool,
    /// Show each guest in a pane of its own
    #[arg(long)]
    split: bool,
    /// Trace every VM exit
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> ExitCode {
    signal::ignore_file_limit();
    ExitCode::from(match Options::try_parse() {
        Ok(options) => run(&options).unwrap_or_else(|error| exit::failure(&error)),
        Err(help_or_error) => exit::usage(&help_or_error),
    })
}

fn run(options: &Options) -> Result<u8> {
    if options.list {
        write!(stdout(), "{}", guests::list(MODES))?;
        return Ok(exit::SUCCESS);
    }
    ensure!(!options.split || stdout().is_terminal(), NotATerminal);
    let (guests, vcpus) = (options.guests.len(), VCPUS_MAX);
    ensure!(guests <= vcpus, GuestError::TooMany { guests, vcpus });
    let load = |name: &OsString| load_image(name, MEMORY_BYTES);
    let images = options.guests.iter().map(load).collect::<Result<Vec<_>, _>>()?;

    let kvm = open_kvm()?;
    require_capabilities(&kvm, CHAPTER)?;
    let ranges: Vec<_> = (0..guests).map(|id| (base(id), MEMORY_BYTES)).collect();
    let vm = Vm::new(&kvm, &ranges)?;

    signal::catch()?;
    let raw_mode = if stdin().is_terminal() {
        let _ = writeln!(stderr(), "Ctrl-D ends the input, Ctrl-A x the virtual machine");
        Some(RawMode::enter()?)
    } else {
        None
    };
    if guests > 1 && screen::is_coloured() {
        let legend: Vec<_> = (0..guests).map(|id| screen::paint(id, &name(id, options))).collect();
        screen::say(&format!("vCPUs: {}\n", legend.join(" ")));
    }
    let panes: Vec<_> = if options.split {
        (0..guests).map(|id| Pane::new(name(id, options), tag(id, options))).collect()
    } else {
        Vec::new()
    };
    let mut results: Vec<Result<u8>> = thread::scope(|scope| {
        let end_all = |_: &_| signal::end_all();
        let run =
            |(id, image): (usize, &Vec<u8>)| run_guest(&vm, id, image, panes.get(id), options);
        let start = |guest| {
            let thread = move || run(guest).inspect_err(end_all);
            let thread = thread::Builder::new().spawn_scoped(scope, thread);
            thread.map_err(kvm_ioctls::Error::from).context("pthread_create").inspect_err(end_all)
        };
        let threads: Vec<_> = images.iter().enumerate().map(start).collect();
        if options.split {
            // Guests that cannot be shown run all the same.
            let _ = split::show(&panes, || {
                threads.iter().flatten().any(|thread| !thread.is_finished())
            });
        }
        threads.into_iter().map(|thread| thread?.join().expect("no thread panics")).collect()
    });
    drop(raw_mode);
    if options.split {
        results = split::write_all(&panes, results);
    }

    let failed = results.iter().any(Result::is_err); // and that interrupted the others
    let status = |result: Result<u8>| result.unwrap_or_else(|error| exit::failure(&error));
    let statuses = results.into_iter().map(status).filter(|s| !failed || *s != exit::INTERRUPTED);
    Ok(statuses.max().unwrap_or(exit::SUCCESS))
}

/// Where the memory of vCPU `id` begins.
fn base(id: usize) -> GuestAddress {
    GuestAddress((id * MEMORY_BYTES) as u64)
}

/// What we call the guest of vCPU `id`.
fn name(id: usize, options: &Options) -> String {
    let guest = options.guests[id].display();
    if options.guests.len() == 1 { guest.to_string() } else { format!("[{id} {guest}]") }
}

/// What the lines of vCPU `id` begin with, if it is not alone.
fn tag(id: usize, options: &Options) -> Option<String> {
    let tag = || format!("{} ", screen::paint(id, &name(id, options)));
    (options.guests.len() > 1).then(tag)
}

/// Runs a guest to its end, in the thread that its vCPU stays in. KVM API document, 1.
fn run_guest(
    vm: &Vm,
    id: usize,
    image: &[u8],
    pane: Option<&Pane>,
    options: &Options,
) -> Result<u8> {
    let guest = name(id, options);
    vm.memory.write_slice(image, base(id)).context("loading the guest")?;
    let mut vcpu = vm.create_vcpu(id as u64)?;
    vcpu.enter_real_mode(base(id))?;

    let say = |message: &str| match pane {
        Some(pane) => pane.say(message),
        None => screen::say(message),
    };
    let input = if id == 0 { input::listen()? } else { std::sync::mpsc::channel().1 };
    let mut console = match pane {
        Some(pane) => Console::in_pane(pane, input),
        None => Console::open(id, tag(id, options), input),
    };
    let trace = |exit: &str| say(&format!("{guest}: {exit}\n"));
    let stop = vcpu.run(&mut console, options.verbose.then_some(trace))?;
    let printed = console.close();

    let count = vcpu.statistics.total();
    let exits = format!("{count} exit{}", if count == 1 { "" } else { "s" });
    let statistics = &vcpu.statistics;
    let (message, status) = match stop {
        Stop::Halted => (format!("{guest}: halted after {exits}\n{statistics}"), exit::SUCCESS),
        Stop::Exited(status) => {
            (format!("{guest}: exited with status {status} after {exits}\n{statistics}"), status)
        }
        Stop::Interrupted => {
            (format!("{guest}: interrupted after {exits}\n{statistics}"), exit::INTERRUPTED)
        }
        Stop::Crashed(reason) => {
            let report = crash::report(&vcpu.registers()?, &vm.memory);
            (format!("error: {guest}: crashed after {exits}: {reason}\n{report}"), exit::CRASHED)
        }
    };
    say(&message);
    if status == exit::SUCCESS {
        printed?;
    }
    Ok(status)
}
