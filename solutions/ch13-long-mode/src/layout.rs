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

pub fn layout(mode: Mode) -> Layout {
    match mode {
        Mode::Real => REAL,
        Mode::Multiboot => MULTIBOOT,
        _ => FLAT,
    }
}
