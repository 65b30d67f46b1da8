#[path = ".."]
#[allow(clippy::unwrap_used, reason = "a target panics if a promise is broken")]
mod fuzzed {
    pub mod linux;
    pub mod uart14;
}

/// What differs from chapter to chapter.
mod root {
    pub const HAS_INITRD: bool = false;
    pub const LINUX: &str = "linux-ch14";
}

macro_rules! targets {
    ($($for:tt)*) => {
        $($for)*! {
            linux: crate::fuzzed::linux::TARGET;
            uart: crate::fuzzed::uart14::TARGET;
        }
    };
}
