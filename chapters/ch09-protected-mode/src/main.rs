//! Chapter 9: protected mode, with a table of segments.

mod console;
mod crash;
mod exit;
mod gdt;
mod guest;
mod hypercall;
mod input;
mod kvm;
mod layout;
mod registers;
mod screen;
mod signal;
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
use guests::Mode;
use kvm_ioctls::Kvm;
use vm_memory::{Bytes, GuestAddress};

use crate::console::Console;
use crate::guest::{GuestError, Image, MODES, load_image, parse_mode};
use crate::kvm::{open_kvm, require_capabilities};
use crate::layout::{GDT_ADDRESS, layout};
use crate::terminal::RawMode;
use crate::vcpu::Stop;
use crate::vm::Vm;

const CHAPTER: u8 = 9;

const VCPUS_MAX: usize = 4;

/// Runs up to four guests side by side, and says why each stopped.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Up to four built-in guests, or paths of images
    #[arg(value_name = "GUEST", default_value = "pmode")]
    guests: Vec<OsString>,
    /// The mode in which images given by path start: real or protected
    #[arg(long, value_parser = parse_mode, default_value = "real")]
    mode: Mode,
    /// List the built-in guests
    #[arg(long)]
    list: bool,
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
    let (guests, vcpus) = (options.guests.len(), VCPUS_MAX);
    ensure!(guests <= vcpus, GuestError::TooMany { guests, vcpus });
    let load = |name: &OsString| load_image(name, options.mode);
    let images = options.guests.iter().map(load).collect::<Result<Vec<_>, _>>()?;

    let kvm = open_kvm()?;
    require_capabilities(&kvm, CHAPTER)?;

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
    let results: Vec<Result<u8>> = thread::scope(|scope| {
        let end_all = |_: &_| signal::end_all();
        let run = |(id, image): (usize, &Image)| run_guest(&kvm, id, image, options);
        let start = |guest| {
            let thread = move || run(guest).inspect_err(end_all);
            let thread = thread::Builder::new().spawn_scoped(scope, thread);
            thread.map_err(kvm_ioctls::Error::from).context("pthread_create").inspect_err(end_all)
        };
        let threads: Vec<_> = images.iter().enumerate().map(start).collect();
        threads.into_iter().map(|thread| thread?.join().expect("no thread panics")).collect()
    });
    drop(raw_mode);

    let failed = results.iter().any(Result::is_err); // and that interrupted the others
    let status = |result: Result<u8>| result.unwrap_or_else(|error| exit::failure(&error));
    let statuses = results.into_iter().map(status).filter(|s| !failed || *s != exit::INTERRUPTED);
    Ok(statuses.max().unwrap_or(exit::SUCCESS))
}

/// What we call the guest of vCPU `id`.
fn name(id: usize, options: &Options) -> String {
    let guest = options.guests[id].display();
    if options.guests.len() == 1 { guest.to_string() } else { format!("[{id} {guest}]") }
}

/// Runs a guest to its end, in the thread that its vCPU stays in. KVM API document, 1.
fn run_guest(kvm: &Kvm, id: usize, image: &Image, options: &Options) -> Result<u8> {
    let guest = name(id, options);
    let layout = layout(image.mode);
    let vm = Vm::new(kvm, &[(GuestAddress(0), layout.memory_bytes)])?;
    vm.memory.write_slice(&image.bytes, layout.image).context("loading the guest")?;
    let mut vcpu = vm.create_vcpu(0)?;
    match image.mode {
        Mode::Real => vcpu.enter_real_mode(layout.image)?,
        _ => {
            vm.memory.write_obj(gdt::FLAT, GDT_ADDRESS).context("the GDT")?;
            vcpu.enter_protected_mode(layout.image, layout.memory_bytes as u64)?;
        }
    }

    let tag = (options.guests.len() > 1).then(|| format!("{} ", screen::paint(id, &guest)));
    let input = if id == 0 { input::listen()? } else { std::sync::mpsc::channel().1 };
    let mut console = Console::open(id, tag, input);
    let stop = vcpu.run(&mut console, options.verbose.then_some(&guest))?;
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
            let report = crash::report(&vcpu.registers()?, &vcpu.before, &vm.memory);
            (format!("error: {guest}: crashed after {exits}: {reason}\n{report}"), exit::CRASHED)
        }
    };
    screen::say(&message);
    if status == exit::SUCCESS {
        printed?;
    }
    Ok(status)
}
