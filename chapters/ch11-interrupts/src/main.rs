//! Chapter 11: interrupts, from a timer and a keyboard.

mod console;
mod crash;
mod exception;
mod exit;
mod gdt;
mod guest;
mod hypercall;
mod input;
mod interrupt_count;
mod keyboard;
mod kvm;
mod layout;
mod paging;
mod registers;
mod screen;
mod signal;
mod statistics;
mod terminal;
mod uart;
mod vcpu;
mod vm;
mod vm_exit;
mod walk;

use std::ffi::OsString;
use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use guests::Mode;
use kvm_ioctls::Kvm;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::console::Console;
use crate::guest::{GuestError, Image, MODES, load_image, parse_mode};
use crate::kvm::{open_kvm, require_capabilities};
use crate::layout::{GDT_ADDRESS, PAGE_DIRECTORY_ADDRESS, layout};
use crate::terminal::RawMode;
use crate::vcpu::Stop;
use crate::vm::Vm;
use crate::walk::walk;

const CHAPTER: u8 = 11;

const VCPUS_MAX: usize = 4;

/// Runs up to four guests side by side, and says why each stopped.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Up to four built-in guests, or paths of images
    #[arg(value_name = "GUEST", default_value = "ticker")]
    guests: Vec<OsString>,
    /// The mode in which images given by path start: real, protected, paging or interrupts
    #[arg(long, value_parser = parse_mode, default_value = "real")]
    mode: Mode,
    /// Show how a guest in paging mode gets from this hexadecimal address to physical memory
    #[arg(long, value_name = "ADDRESS", exclusive = true)]
    #[arg(value_parser = |at: &str| u32::from_str_radix(at.strip_prefix("0x").unwrap_or(at), 16))]
    translate: Option<u32>,
    /// List the built-in guests
    #[arg(long)]
    list: bool,
    /// Trace every VM exit, and how often interrupts were injected before it
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
    if let Some(address) = options.translate {
        let bytes = layout(Mode::Paging).memory_bytes;
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), bytes)])?;
        paging::write(&memory)?;
        write!(stdout(), "{}", walk(PAGE_DIRECTORY_ADDRESS.0, address.into(), &memory).0)?;
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
    if image.mode == Mode::Interrupts {
        vm.create_interrupt_controllers()?;
    }
    let mut vcpu = vm.create_vcpu(0)?;
    if image.mode == Mode::Interrupts {
        vm.connect(&vcpu.keyboard.interrupt, keyboard::IRQ)?;
    }
    match image.mode {
        Mode::Real => vcpu.enter_real_mode(layout.image)?,
        _ => {
            vm.memory.write_obj(gdt::FLAT, GDT_ADDRESS).context("the GDT")?;
            exception::write(&vm.memory)?;
            vcpu.enter_protected_mode(layout.image, layout.memory_bytes as u64)?;
            if image.mode == Mode::Paging {
                paging::write(&vm.memory)?;
                vcpu.enable_paging()?;
            }
        }
    }

    let tag = (options.guests.len() > 1).then(|| format!("{} ", screen::paint(id, &guest)));
    let interrupt =
        vcpu.keyboard.interrupt.try_clone().map_err(kvm_ioctls::Error::from).context("eventfd")?;
    let input = if id == 0 { input::listen(interrupt)? } else { std::sync::mpsc::channel().1 };
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
            let registers = vcpu.registers()?;
            let (reason, registers) =
                exception::decode(&registers, &vm.memory).unwrap_or((reason, registers));
            let report = crash::report(&registers, &vcpu.before, &vm.memory);
            (format!("error: {guest}: crashed after {exits}: {reason}\n{report}"), exit::CRASHED)
        }
    };
    screen::say(&message);
    if status == exit::SUCCESS {
        printed?;
    }
    Ok(status)
}
