//! What the guest needed us for, and how often.

use std::collections::BTreeMap;
use std::fmt;

use kvm_ioctls::VcpuExit;

use crate::{hypercall, uart};

#[derive(Default)]
pub struct Statistics {
    counts: BTreeMap<&'static str, u64>,
}

impl Statistics {
    pub fn count(&mut self, exit: &VcpuExit) {
        let kind = match exit {
            VcpuExit::IoOut(hypercall::PORT, [number]) => {
                hypercall::name(*number).unwrap_or("unknown hypercall")
            }
            VcpuExit::IoOut(uart::DATA, _) => "COM1 transmit",
            VcpuExit::IoIn(uart::DATA, _) => "COM1 receive",
            VcpuExit::IoIn(uart::LINE_STATUS, _) => "COM1 line status",
            VcpuExit::Hlt => "hlt",
            _ => "other",
        };
        *self.counts.entry(kind).or_default() += 1;
    }

    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in &self.counts {
            writeln!(f, "{count:>9}  {kind}")?;
        }
        Ok(())
    }
}
