//! Where things lie in guest memory.

use guests::Mode;
use vm_memory::GuestAddress;

pub struct Layout {
    pub memory_bytes: usize,
    /// Where the image begins, and the guest with it.
    pub image: GuestAddress,
    pub image_bytes_max: usize,
}

/// A segment of 64 KiB, and more for a guest that sets segment registers of its own.
const REAL: Layout =
    Layout { memory_bytes: 256 << 10, image: GuestAddress(0), image_bytes_max: 256 << 10 };

/// The first page is for our tables, and so is what begins at 1 MiB.
const FLAT: Layout = Layout {
    memory_bytes: 16 << 20,
    image: GuestAddress(0x1000),
    image_bytes_max: 0x10_0000 - 0x1000,
};

/// The first page is for our tables, and the disk is the last MiB.
const MULTIBOOT: Layout = Layout { image_bytes_max: DISK_ADDRESS.0 as usize - 0x1000, ..FLAT };

/// A tar archive, as long as there is nothing else to do with this memory.
pub const DISK_ADDRESS: GuestAddress = GuestAddress(15 << 20);
pub const DISK_BYTES: usize = 1 << 20;

/// On a PC, the firmware's vectors and data end here.
pub const GDT_ADDRESS: GuestAddress = GuestAddress(0x500);

/// Handlers for the exceptions, above the GDT.
pub const HANDLERS_ADDRESS: GuestAddress = GuestAddress(0x600);

/// What we tell a kernel that starts, above them.
pub const MULTIBOOT_ADDRESS: GuestAddress = GuestAddress(0x700);

/// Room for 256 entries, below the image.
pub const IDT_ADDRESS: GuestAddress = GuestAddress(0x800);

/// Above the image; the page tables follow.
pub const PAGE_DIRECTORY_ADDRESS: GuestAddress = GuestAddress(0x10_0000);

/// For Linux: what a PC's firmware leaves free below 1 MiB, and above.
pub const LOW_MEMORY_END: u64 = 0x9_fc00;
pub const HIGH_MEMORY_START: u64 = 0x10_0000;

/// Above what we have below 0x1000. Any page will do.
pub const ZERO_PAGE_ADDRESS: GuestAddress = GuestAddress(0x7000);

/// Six page tables, to begin with.
pub const IDENTITY_ADDRESS: GuestAddress = GuestAddress(0x9000);

/// Above them.
pub const COMMAND_LINE_ADDRESS: GuestAddress = GuestAddress(0x2_0000);

/// How long it may be; most kernels allow less.
pub const COMMAND_LINE_BYTES_MAX: usize = 0x1_0000;

/// Where each bzImage wants to be, by default.
pub const KERNEL_ADDRESS: GuestAddress = GuestAddress(HIGH_MEMORY_START);

/// From here to 4 GiB a PC has devices: its local APIC, for one. More memory is above.
const GAP_START: u64 = 3 << 30;
const GAP_END: u64 = 4 << 30;

/// Where a machine has so much memory: addresses, and lengths in bytes.
pub fn memory_ranges(bytes: u64) -> Vec<(GuestAddress, usize)> {
    let above = bytes.saturating_sub(GAP_START);
    let ranges = [(0, bytes - above), (GAP_END, above)].into_iter().filter(|(_, bytes)| *bytes > 0);
    ranges.map(|(start, bytes)| (GuestAddress(start), bytes as usize)).collect()
}

pub fn layout(mode: Mode) -> Layout {
    match mode {
        Mode::Real => REAL,
        Mode::Multiboot => MULTIBOOT,
        _ => FLAT,
    }
}
