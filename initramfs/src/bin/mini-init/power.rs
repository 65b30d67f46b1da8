//! The end of the machine.

use std::io::stdout;

use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::termios::tcdrain;
use nix::unistd::sync;

use crate::failure::{Failure, Named};

/// Ends the machine by a reboot. The machine has no ACPI, so Linux knows no way to switch it off:
/// `RB_POWER_OFF` would leave it halted, with the VMM waiting for it. A reboot with `reboot=k` on the
/// kernel's command line asks the keyboard controller for a reset (0xfe to port 0x64), and that the
/// VMM takes for the end. QEMU does with `-no-reboot`.
pub fn off() -> Result<(), Failure> {
    sync();
    // The serial port has yet to send what was written last. If it is no terminal, nothing waits.
    let _ = tcdrain(stdout());
    let Err(error) = reboot(RebootMode::RB_AUTOBOOT);
    Err(error).named("reboot")
}
