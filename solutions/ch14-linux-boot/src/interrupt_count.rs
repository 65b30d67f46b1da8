//! How many interrupts a vCPU has got: KVM counts them. KVM API document, 4.133.
#![expect(unsafe_code, reason = "kvm-ioctls does not know this ioctl")]

use std::fs::File;
use std::io;
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;

use kvm_bindings::KVMIO;
use kvm_ioctls::VcpuFd;
use vm_memory::ByteValued;
use vmm_sys_util::ioctl::ioctl;
use vmm_sys_util::ioctl_io_nr;

ioctl_io_nr!(KVM_GET_STATS_FD, KVMIO, 0xce);

/// What stands before the name in a `kvm_stats_desc`.
const DESCRIPTOR_BYTES: u32 = 16;

pub struct InterruptCount {
    file: File,
    offset: u64,
    seen: u64,
}

impl InterruptCount {
    /// `None` if this KVM does not tell: before Linux 5.14.
    pub fn open(vcpu: &VcpuFd) -> Option<Self> {
        // SAFETY: there is no argument, and what is returned is a new file, ours, or negative.
        let file = unsafe {
            match ioctl(vcpu, KVM_GET_STATS_FD()) {
                fd @ 0.. => File::from_raw_fd(fd),
                _ => return None,
            }
        };
        let mut header = [0_u32; 6];
        file.read_exact_at(ByteValued::as_mut_slice(&mut header), 0).ok()?;
        let [_, name_bytes, count, _, descriptors, data] = header;
        let mut descriptor = vec![0; (DESCRIPTOR_BYTES + name_bytes) as usize];
        for index in 0..count {
            let at = descriptors + index * (DESCRIPTOR_BYTES + name_bytes);
            file.read_exact_at(&mut descriptor, at.into()).ok()?;
            let (numbers, name) = descriptor.split_at(DESCRIPTOR_BYTES as usize);
            if name.starts_with(b"irq_injections\0") {
                let offset = u32::from_ne_bytes(numbers[8..12].try_into().ok()?);
                return Some(Self { file, offset: (data + offset).into(), seen: 0 });
            }
        }
        None
    }

    /// Those since the last call. One that has to be injected again counts again.
    pub fn more(&mut self) -> io::Result<u64> {
        let mut total = 0_u64;
        self.file.read_exact_at(total.as_mut_slice(), self.offset)?;
        Ok(total - std::mem::replace(&mut self.seen, total))
    }
}
