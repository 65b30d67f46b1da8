//! The programs that run inside the VM, handed out as bytes.
