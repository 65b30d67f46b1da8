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

/// The first page is for our tables; what is above 1 MiB is for the guest, whatever its image.
const FLAT: Layout = Layout {
    memory_bytes: 16 << 20,
    image: GuestAddress(0x1000),
    image_bytes_max: 0x10_0000 - 0x1000,
};

/// On a PC, the firmware's vectors and data end here.
pub const GDT_ADDRESS: GuestAddress = GuestAddress(0x500);

/// Above the GDT, with room for a few more descriptors between them.
pub const TSS_ADDRESS: GuestAddress = GuestAddress(0x600);

pub fn layout(mode: Mode) -> Layout {
    match mode {
        Mode::Real => REAL,
        _ => FLAT,
    }
}
