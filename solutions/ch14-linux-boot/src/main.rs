//! Chapter 14: Linux boots.

mod console;
mod cpuid;
mod crash;
mod disk;
mod elf;
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
mod linux;
mod long_mode;
mod multiboot;
mod paging;
mod paging64;
mod pvh;
mod registers;
mod screen;
mod signal;
mod statistics;
mod terminal;
mod timestamps;
mod uart;
mod vcpu;
mod vm;
mod vm_exit;
mod walk;

use std::ffi::OsString;
use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use guests::Mode;
use kvm_ioctls::Kvm;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::console::Console;
use crate::disk::Disk;
use crate::guest::{GuestError, Image, MODES, Segment, load_image, parse_mode};
use crate::kvm::{open_kvm, require_capabilities};
use crate::layout::{
    DISK_ADDRESS, GDT_ADDRESS, IDT_ADDRESS, MULTIBOOT_ADDRESS, PAGE_DIRECTORY_ADDRESS, layout,
};
use crate::long_mode::Mistake;
use crate::terminal::RawMode;
use crate::vcpu::Stop;
use crate::vm::Vm;
use crate::walk::{LEVELS_32_BIT, LEVELS_LONG, walk};

const CHAPTER: u8 = 14;

const VCPUS_MAX: usize = 4;

/// Runs up to four guests side by side, and says why each stopped.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Up to four built-in guests, or paths of images, or "linux"
    #[arg(value_name = "GUEST", default_value = "linux")]
    guests: Vec<OsString>,
    /// The mode in which images given by path start, unless they are ELF files: real, protected,
    /// paging, interrupts or long
    #[arg(long, value_parser = parse_mode, default_value = "real")]
    mode: Mode,
    /// Show how a guest in paging mode, or with --mode long in that, gets from this hexadecimal
    /// address to physical memory
    #[arg(long, value_name = "ADDRESS", conflicts_with = "guests")]
    #[arg(value_parser = |at: &str| u64::from_str_radix(at.strip_prefix("0x").unwrap_or(at), 16))]
    translate: Option<u64>,
    /// Forget something on the way to long mode
    #[arg(long = "break", value_name = "MISTAKE")]
    mistake: Option<Mistake>,
    /// The kernel of the guest "linux", a bzImage or a vmlinux. cargo run fetches one
    #[arg(long, value_name = "FILE", env = "MINI_KVM_KERNEL", hide_env_values = true)]
    kernel: Option<PathBuf>,
    /// What Linux is told: COM1 is the console; after a panic, reset by the keyboard controller
    #[arg(long, value_name = "WORDS")]
    #[arg(default_value = "console=ttyS0 earlycon=uart,io,0x3f8 reboot=k panic=-1")]
    cmdline: String,
    /// How much memory Linux has, up to 3G
    #[arg(long, value_name = "SIZE", value_parser = linux::parse_memory, default_value = "256M")]
    memory: usize,
    /// The tar archive to start with, and to keep the guest's files in: made if there is none
    #[arg(long, value_name = "FILE")]
    disk: Option<PathBuf>,
    /// List the built-in guests
    #[arg(long)]
    list: bool,
    /// Begin each line of a guest that is alone with the seconds since the start
    #[arg(long)]
    timestamps: bool,
    /// Say in the statistics, too, how often each port was read and written
    #[arg(long)]
    ports: bool,
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
    let start = options.timestamps.then(Instant::now);
    if options.list {
        write!(stdout(), "{}", guests::list(MODES))?;
        return Ok(exit::SUCCESS);
    }
    if let Some(address) = options.translate {
        let bytes = layout(Mode::Paging).memory_bytes;
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), bytes)])?;
        let is_long = options.mode == Mode::Long || address > u32::MAX.into();
        let written = if is_long { paging64::write(&memory) } else { paging::write(&memory) };
        written?;
        let levels = if is_long { LEVELS_LONG } else { LEVELS_32_BIT };
        write!(stdout(), "{}", walk(levels, PAGE_DIRECTORY_ADDRESS.0, address, &memory).0)?;
        return Ok(exit::SUCCESS);
    }
    let (guests, vcpus) = (options.guests.len(), VCPUS_MAX);
    ensure!(guests <= vcpus, GuestError::TooMany { guests, vcpus });
    let load = |name: &OsString| match name.as_encoded_bytes() {
        b"linux" => linux::open(options),
        _ => load_image(name, options.mode),
    };
    let images = options.guests.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let can_have_disk = matches!(images.as_slice(), [Image { mode: Mode::Multiboot, .. }]);
    ensure!(options.disk.is_none() || can_have_disk, GuestError::NoUseForDisk);
    let is_long = images.iter().all(|image| image.mode == Mode::Long);
    ensure!(options.mistake.is_none() || is_long, GuestError::NothingToBreak);
    ensure!(start.is_none() || guests == 1, GuestError::NotAlone);
    let disk = Disk::open(options.disk.as_deref())?;

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
        let run = |(id, image): (usize, &Image)| run_guest(&kvm, id, image, &disk, options, start);
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
fn run_guest(
    kvm: &Kvm,
    id: usize,
    image: &Image,
    disk: &Disk,
    options: &Options,
    start: Option<Instant>,
) -> Result<u8> {
    let guest = name(id, options);
    let layout = layout(image.mode);
    let is_linux = image.mode == Mode::Linux;
    let memory_bytes = if is_linux { options.memory } else { layout.memory_bytes };
    let vm = Vm::new(kvm, &[(GuestAddress(0), memory_bytes)])?;
    for Segment { address, bytes } in &image.segments {
        vm.memory.write_slice(bytes, *address).context("loading the guest")?;
    }
    let has_interrupts = matches!(image.mode, Mode::Interrupts | Mode::Multiboot | Mode::Linux);
    if has_interrupts {
        vm.create_interrupt_controllers()?;
    }
    let mut vcpu = vm.create_vcpu(0)?;
    vcpu.set_cpuid(&cpuid::of_vcpu(kvm, 0)?)?;
    if has_interrupts {
        vm.connect(&vcpu.keyboard.interrupt, keyboard::IRQ)?;
    }
    match image.mode {
        Mode::Linux if image.bzimage.is_empty() => {
            pvh::write(&options.cmdline, &vm.memory)?;
            vm.memory.write_obj(gdt::FLAT, GDT_ADDRESS).context("the GDT")?;
            vcpu.enter_pvh(image.entry)?;
        }
        Mode::Linux => {
            linux::load(image, &options.cmdline, &vm.memory)?;
            vm.memory.write_obj(gdt::LINUX, GDT_ADDRESS).context("the GDT")?;
            paging64::write(&vm.memory)?;
            vcpu.enter_linux(image.entry)?;
        }
        Mode::Real => vcpu.enter_real_mode(image.entry)?,
        _ => {
            vm.memory.write_obj(gdt::FLAT, GDT_ADDRESS).context("the GDT")?;
            exception::write(&vm.memory)?;
            vcpu.enter_protected_mode(image.entry, layout.memory_bytes as u64)?;
            if image.mode == Mode::Paging {
                paging::write(&vm.memory)?;
                vcpu.enable_paging()?;
            }
            if image.mode == Mode::Long {
                vm.memory.write_obj(gdt::LONG, GDT_ADDRESS).context("the GDT")?;
                vm.memory.write_obj(exception::long_table(), IDT_ADDRESS).context("the IDT")?;
                paging64::write(&vm.memory)?;
                vcpu.enable_long_mode(options.mistake)?;
            }
            if image.mode == Mode::Multiboot {
                vm.memory.write_slice(&disk.bytes, DISK_ADDRESS).context("the disk")?;
                multiboot::write(&vm.memory)?;
                vcpu.hand_over(multiboot::MAGIC, MULTIBOOT_ADDRESS)?;
            }
        }
    }

    let tag = (options.guests.len() > 1).then(|| format!("{} ", screen::paint(id, &guest)));
    let interrupt =
        vcpu.keyboard.interrupt.try_clone().map_err(kvm_ioctls::Error::from).context("eventfd")?;
    let input = if id == 0 { input::listen(interrupt, has_interrupts)? } else { channel().1 };
    let mut console = Console::open(id, tag, start, input);
    let stop = vcpu.run(&mut console, options.verbose.then_some(&guest));
    disk.save(&vm.memory)?;
    let stop = stop?;
    let printed = console.close();

    let count = vcpu.statistics.total();
    let exits = format!("{count} exit{}", if count == 1 { "" } else { "s" });
    let ports = if options.ports { vcpu.statistics.ports() } else { String::new() };
    let statistics = format!("{}{ports}", vcpu.statistics);
    let (message, status) = match stop {
        Stop::Halted => (format!("{guest}: halted after {exits}\n{statistics}"), exit::SUCCESS),
        Stop::Exited(status) => {
            (format!("{guest}: exited with status {status} after {exits}\n{statistics}"), status)
        }
        Stop::Reset => (format!("{guest}: reset after {exits}\n{statistics}"), exit::SUCCESS),
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
