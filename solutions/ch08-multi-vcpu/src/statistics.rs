//! What the guest needed us for, and how often.

use std::fmt;

use kvm_ioctls::VcpuExit;

use crate::hypercall::{self, NAMES};
use crate::uart;

#[derive(Default)]
pub struct Statistics {
    /// By number.
    hypercalls: [u64; NAMES.len()],
    transmit: u64,
    receive: u64,
    line_status: u64,
    hlt: u64,
    other: u64,
}

impl Statistics {
    pub fn count(&mut self, exit: &VcpuExit) {
        *match exit {
            VcpuExit::IoOut(hypercall::PORT, [number]) => {
                self.hypercalls.get_mut(usize::from(*number)).unwrap_or(&mut self.other)
            }
            VcpuExit::IoOut(uart::DATA, _) => &mut self.transmit,
            VcpuExit::IoIn(uart::DATA, _) => &mut self.receive,
            VcpuExit::IoIn(uart::LINE_STATUS, _) => &mut self.line_status,
            VcpuExit::Hlt => &mut self.hlt,
            _ => &mut self.other,
        } += 1;
    }

    pub fn total(&self) -> u64 {
        self.rows().map(|(_, count)| count).sum()
    }

    fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let others = [
            ("COM1 transmit", self.transmit),
            ("COM1 receive", self.receive),
            ("COM1 line status", self.line_status),
            ("hlt", self.hlt),
            ("other", self.other),
        ];
        NAMES.into_iter().zip(self.hypercalls).chain(others)
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut happened = self.rows().filter(|(_, count)| *count > 0);
        happened.try_for_each(|(kind, count)| writeln!(f, "{count:>9}  {kind}"))
    }
}
