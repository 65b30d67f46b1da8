//! VM exits in the words of the KVM API document, chapter 5.

use kvm_ioctls::VcpuExit;

/// `exit`, by its name in the document and with what came along.
pub fn describe(exit: &VcpuExit) -> String {
    match exit {
        VcpuExit::IoOut(port, data) => format!("KVM_EXIT_IO: OUT {data:02x?} to port {port:#x}"),
        VcpuExit::IoIn(port, data) => {
            format!("KVM_EXIT_IO: IN of {} byte(s) from port {port:#x}", data.len())
        }
        VcpuExit::MmioWrite(address, data) => {
            format!("KVM_EXIT_MMIO: write of {data:02x?} to {address:#x}")
        }
        VcpuExit::MmioRead(address, data) => {
            format!("KVM_EXIT_MMIO: read of {} byte(s) from {address:#x}", data.len())
        }
        VcpuExit::Shutdown => "KVM_EXIT_SHUTDOWN: triple fault".into(),
        VcpuExit::FailEntry(reason, cpu) => {
            format!("KVM_EXIT_FAIL_ENTRY: CPU {cpu} refused the vCPU's state, reason {reason:#x}")
        }
        VcpuExit::Unsupported(reason) => format!("exit reason {reason}, which we do not know"),
        other => format!("KVM_EXIT_{}", screaming_snake_case(&format!("{other:?}"))),
    }
}

/// Turns the name of a `VcpuExit`, and only the name, into the document's way of writing.
fn screaming_snake_case(debug: &str) -> String {
    let (name, payload) = debug.split_at(debug.find([' ', '(']).unwrap_or(debug.len()));
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_uppercase());
    }
    snake + payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_have_their_names_in_the_document() {
        assert_eq!(describe(&VcpuExit::Hlt), "KVM_EXIT_HLT");
        assert_eq!(describe(&VcpuExit::IrqWindowOpen), "KVM_EXIT_IRQ_WINDOW_OPEN");
        assert_eq!(describe(&VcpuExit::IoOut(0x3f8, b"A")), "KVM_EXIT_IO: OUT [41] to port 0x3f8");
        assert_eq!(describe(&VcpuExit::SystemEvent(2, &[16])), "KVM_EXIT_SYSTEM_EVENT(2, [16])");
    }
}
