//! Exit statuses, as the chapters have them.

/// What was asked for ran, and found something wrong: a test failed, KVM is incomplete.
pub const FAILED: u8 = 1;
/// The command line was wrong (`EX_USAGE`).
pub const USAGE: u8 = 64;
/// A file that is needed is missing, or not what it should be (`EX_NOINPUT`).
pub const NO_INPUT: u8 = 66;
/// There is no usable KVM: neither this machine's nor the nest's (`EX_UNAVAILABLE`).
pub const NO_USABLE_KVM: u8 = 69;
/// Output could not be written (`EX_IOERR`).
pub const OUTPUT_FAILED: u8 = 74;

/// The status for an error that reached `main`.
pub fn of(_error: &anyhow::Error) -> u8 {
    NO_USABLE_KVM
}
