#[path = ".."]
#[allow(clippy::unwrap_used, reason = "a target panics if a promise is broken")]
mod fuzzed {
    pub mod crash;
    pub mod walk;
}

/// What differs from chapter to chapter.
mod root {
    pub const HAS_LONG_MODE: bool = false;
    pub use crate::walk_32_bit::walk;

    pub fn is_long(_: bool) -> bool {
        false
    }
}

/// Its walk has no choice of levels.
mod walk_32_bit {
    use vm_memory::{GuestAddress, GuestMemoryMmap};

    pub fn walk(
        _is_long: bool,
        cr3: u64,
        linear: u64,
        memory: &GuestMemoryMmap,
    ) -> (String, Option<GuestAddress>) {
        crate::walk::walk(cr3, linear, memory)
    }
}

macro_rules! targets {
    ($($for:tt)*) => {
        $($for)*! {
            crash: crate::fuzzed::crash::TARGET;
            walk: crate::fuzzed::walk::TARGET;
        }
    };
}
