//! Chapters 1 to 8: from `/dev/kvm` to four vCPUs in real mode.

use anyhow::Result;

use super::super::canvas::Fill;
use super::super::constants::Constants;
use super::super::memory_map::Map;
use super::{Band, Link, Machine, guest, kvm, link, new, old, size, terminal, vmm};

/// Chapter 1.
pub fn open_kvm(constants: &Constants) -> Result<Machine> {
    let version = constants.number("kvm", "KVM_API_VERSION")?;
    let capabilities = constants.length("kvm", "CAPABILITIES")?;
    let asked = format!("{capabilities} capabilities");
    Ok(Machine {
        title: "a program asks what KVM can do",
        bands: vec![
            terminal(new(["the report card"])),
            vmm(new(["opens `/dev/kvm`", "asks for what later chapters need"])),
            kvm(new(["`/dev/kvm`", &format!("API version {version}"), &asked])),
        ],
        links: vec![link("", "yes or no, a line each"), link("`KVM_CHECK_EXTENSION`", "an answer")],
        map: Map::default(),
    })
}

/// Chapter 2.
pub fn guest_memory(constants: &Constants) -> Result<Machine> {
    let memory = constants.number("main", "MEMORY_BYTES")?;
    let byte = constants.variable("main", "guest_address")?;
    let mut map = Map::default();
    map.region(0, byte, "zeros", Fill::New);
    map.region(byte, memory - byte, "zeros, but for the first byte", Fill::New);
    map.pointer(byte, "we write here");
    let mapped = format!("{} of its own memory", size(memory));
    Ok(Machine {
        title: "a virtual machine with memory",
        bands: vec![
            terminal(new(["the memory map"])),
            vmm([old(["opens `/dev/kvm`"]), new([&mapped])].concat()),
            kvm(new(["a VM", "memory slot 0"])),
        ],
        links: vec![link("", "what it wrote and read"), link("`KVM_SET_USER_MEMORY_REGION`", "")],
        map,
    })
}

/// Chapter 3.
pub fn hlt(constants: &Constants) -> Result<Machine> {
    let memory = constants.number("main", "MEMORY_BYTES")?;
    let load = constants.number("main", "LOAD_ADDRESS")?;
    let bytes = constants.length("main", "GUEST")?;
    let mut map = Map::default();
    map.region(load, bytes, format!("the guest: `hlt`, {}", plural(bytes)), Fill::New);
    map.region(load + bytes, memory - load - bytes, "free", Fill::None);
    map.pointer(load, "`CS:IP`, `SS:SP`");
    Ok(Machine {
        title: "a virtual CPU runs its first instruction",
        bands: vec![
            terminal(new(["registers, before and after"])),
            vmm([old(["guest memory"]), new(["sets the registers"])].concat()),
            kvm([old(["VM", "slot 0"]), new(["vCPU 0"])].concat()),
            guest(new(["real mode, 16 bits", "one instruction"])),
        ],
        links: vec![
            link("", "one exit, and its reason"),
            link("`KVM_RUN`", "`KVM_EXIT_HLT`"),
            link("enter", "`hlt`: the first VM exit"),
        ],
        map,
    })
}

/// The memory of chapters 4 to 7.
fn real_mode_map(constants: &Constants, is_new: bool) -> Result<Map> {
    let memory = constants.number("main", "MEMORY_BYTES")?;
    let load = constants.number("main", "LOAD_ADDRESS")?;
    let fill = if is_new { Fill::New } else { Fill::Guest };
    let mut map = Map::default();
    map.region(
        load,
        memory - load,
        format!("the image, up to {}; its stack on top", size(memory)),
        fill,
    );
    map.pointer(load, "`CS:IP`");
    map.pointer(memory, "first `push`");
    Ok(map)
}

/// Chapter 4.
pub fn exits(constants: &Constants) -> Result<Machine> {
    Ok(Machine {
        title: "the run loop, and every reason for a VM exit",
        bands: vec![
            terminal(new(["messages on stderr", "Ctrl-C"])),
            vmm([
                old(["guest memory"]),
                new(["run loop", "guests by name or path", "crash report", "signals"]),
            ]
            .concat()),
            kvm(old(["VM", "slot 0", "vCPU 0"])),
            guest([old(["real mode"]), new(["any image"])].concat()),
        ],
        links: vec![
            link("`SIGINT`", "why the guest stopped"),
            link("`KVM_RUN`, again and again", "any exit"),
            link("enter", "`hlt`, a port, a fault"),
        ],
        map: real_mode_map(constants, true)?,
    })
}

/// Chapter 5.
pub fn uart(constants: &Constants) -> Result<Machine> {
    let port = constants.number("uart", "DATA")?;
    let mut machine = with_devices(
        constants,
        "a serial port that the guest can print on",
        &[(&format!("COM1 output: `{port:#x}`"), true)],
        link("`SIGINT`", "what the guest prints"),
        &format!("`OUT {port:#x}`"),
    )?;
    machine.bands[0] = terminal([new(["stdout"]), old(["stderr", "Ctrl-C"])].concat());
    Ok(machine)
}

/// Chapter 6.
pub fn uart_input(constants: &Constants) -> Result<Machine> {
    let data = constants.number("uart", "DATA")?;
    let status = constants.number("uart", "LINE_STATUS")?;
    let mut machine = with_devices(
        constants,
        "a serial port that the guest can listen to",
        &[
            (&format!("COM1 output: `{data:#x}`"), false),
            (&format!("COM1 input: `{data:#x}`, `{status:#x}`"), true),
            ("input thread", true),
        ],
        link("each key at once", "what the guest prints"),
        &format!("`IN {status:#x}`, `IN {data:#x}`"),
    )?;
    let parts = [new(["raw mode", "stdin", "Ctrl-A x"]), old(["stdout", "stderr"])];
    machine.bands[0] = terminal(parts.concat());
    Ok(machine)
}

/// Chapter 7.
pub fn hypercall(constants: &Constants) -> Result<Machine> {
    let port = hypercall_port(constants)?;
    with_devices(
        constants,
        "an interface of our own, the hypercall",
        &[
            ("COM1", false),
            ("input thread", false),
            (&format!("hypercalls: port `{port:#x}`"), true),
            ("exit statistics", true),
        ],
        link("keys", "characters, numbers"),
        &format!("`OUT {port:#x}`, number in `AL`"),
    )
}

/// The machine of chapters 5 to 7: they differ in what the VMM has for the guest.
fn with_devices(
    constants: &Constants,
    title: &'static str,
    devices: &[(&str, bool)],
    first: Link,
    exit: &str,
) -> Result<Machine> {
    let mut parts = old(["run loop"]);
    parts.extend(devices.iter().map(|(text, is_new)| ((*text).to_owned(), *is_new)));
    let terminal = terminal(old(["stdin", "stdout", "stderr"]));
    let bands: Vec<Band> =
        vec![terminal, vmm(parts), kvm(old(["VM", "slot 0", "vCPU 0"])), guest(old(["real mode"]))];
    let links = vec![first, link("`KVM_RUN`", "`KVM_EXIT_IO`"), link("enter", exit)];
    Ok(Machine { title, bands, links, map: real_mode_map(constants, false)? })
}

/// Chapter 8.
pub fn multi_vcpu(constants: &Constants) -> Result<Machine> {
    let memory = constants.number("main", "MEMORY_BYTES")?;
    let vcpus = constants.number("main", "VCPUS_MAX")?;
    let last = vcpus - 1;
    let mut map = Map::default();
    for id in 0..vcpus {
        let text = format!("slot {id}: guest {id}, {}", size(memory));
        map.region(id * memory, memory, text, Fill::New);
        map.pointer(id * memory, format!("vCPU {id}: its `CS`"));
    }
    let guests: Vec<_> = (0..vcpus).map(|id| (format!("guest {id}"), true)).collect();
    Ok(Machine {
        title: "four vCPUs, four guests, side by side",
        bands: vec![
            terminal(new(["stdin: for guest 0", "stdout: whole lines, tagged"])),
            vmm([
                new(["a thread for each vCPU", "screen, shared"]),
                old(["COM1", "hypercalls", "statistics"]),
            ]
            .concat()),
            kvm([old(["VM"]), new([&format!("slots 0 to {last}"), &format!("vCPUs 0 to {last}")])]
                .concat()),
            guest([old(["real mode"]), guests].concat()),
        ],
        links: vec![
            link("keys", "lines, never torn"),
            link("`KVM_RUN` in each thread", "exits of each vCPU"),
            link("enter", "`OUT`, `IN`, `hlt`"),
        ],
        map,
    })
}

/// The port that the chapter knows from `guests`.
pub fn hypercall_port(constants: &Constants) -> Result<u64> {
    Constants::read(&constants.checkout, "guests/src")?.number("hypercall", "PORT")
}

fn plural(bytes: u64) -> String {
    if bytes == 1 { "1 byte".to_owned() } else { size(bytes) }
}
