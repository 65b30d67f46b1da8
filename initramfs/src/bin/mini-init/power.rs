//! The end of the machine.

use std::io::stdout;
use std::path::Path;

use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::termios::tcdrain;
use nix::unistd::sync;

use crate::failure::{Failure, Named};

/// Switches the machine off, by ACPI; where there is none, Linux would only halt, with the VMM waiting
/// for it: then by a reboot, which the VMM takes for the end as well. QEMU does with `-no-reboot`.
pub fn off() -> Result<(), Failure> {
    sync();
    // The serial port has yet to send what was written last. If it is no terminal, nothing waits.
    let _ = tcdrain(stdout());
    let has_acpi = Path::new("/sys/firmware/acpi").exists();
    let how = if has_acpi { RebootMode::RB_POWER_OFF } else { RebootMode::RB_AUTOBOOT };
    let Err(error) = reboot(how);
    Err(error).named("reboot")
}
