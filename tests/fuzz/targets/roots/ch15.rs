#[path = ".."]
#[allow(clippy::unwrap_used, reason = "a target panics if a promise is broken")]
mod fuzzed {
    pub mod crash;
    pub mod disk;
    pub mod elf;
    pub mod hypercall;
    pub mod keyboard;
    pub mod linux;
    pub mod options;
    pub mod os_1k;
    pub mod uart;
    pub mod walk;
}

/// What differs from chapter to chapter.
mod root {
    use vm_memory::{GuestAddress, GuestMemoryMmap};

    use crate::walk::{LEVELS_32_BIT, LEVELS_LONG};

    pub const HAS_LONG_MODE: bool = true;
    pub const HAS_INITRD: bool = true;
    pub const LINUX: &str = "linux";

    pub fn is_long(wanted: bool) -> bool {
        wanted
    }

    pub fn walk(
        is_long: bool,
        cr3: u64,
        linear: u64,
        memory: &GuestMemoryMmap,
    ) -> (String, Option<GuestAddress>) {
        let levels = if is_long { LEVELS_LONG } else { LEVELS_32_BIT };
        crate::walk::walk(levels, cr3, linear, memory)
    }
}

macro_rules! targets {
    ($($for:tt)*) => {
        $($for)*! {
            crash: crate::fuzzed::crash::TARGET;
            disk: crate::fuzzed::disk::OPENED;
            disk_saved: crate::fuzzed::disk::SAVED;
            elf: crate::fuzzed::elf::TARGET;
            hypercall: crate::fuzzed::hypercall::TARGET;
            keyboard: crate::fuzzed::keyboard::TARGET;
            linux: crate::fuzzed::linux::TARGET;
            os_1k_calculator: crate::fuzzed::os_1k::CALCULATOR;
            os_1k_files: crate::fuzzed::os_1k::FILES;
            os_1k_programs: crate::fuzzed::os_1k::PROGRAMS;
            os_1k_shell: crate::fuzzed::os_1k::SHELL;
            options: crate::fuzzed::options::TARGET;
            uart: crate::fuzzed::uart::TARGET;
            walk: crate::fuzzed::walk::TARGET;
        }
    };
}
