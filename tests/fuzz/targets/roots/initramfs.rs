#[path = "../../../../initramfs/src/archive.rs"]
mod archive;

/// The parts of the shell that only look at text.
#[path = "../../../../initramfs/src/bin/mini-init/sh"]
mod sh {
    pub mod expand;
    pub mod glob;
    pub mod lexer;
    pub mod parse;
}

#[path = ".."]
#[allow(clippy::unwrap_used, reason = "a target panics if a promise is broken")]
mod fuzzed {
    pub mod cpio;
    pub mod shell;
}

macro_rules! targets {
    ($($for:tt)*) => {
        $($for)*! {
            cpio: crate::fuzzed::cpio::TARGET;
            shell: crate::fuzzed::shell::TARGET;
        }
    };
}
