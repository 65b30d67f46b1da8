//! A guest that exits a given number of times, assembled by hand: no tools, no build, any count. And
//! how QEMU runs such an image: as its firmware.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

/// COM1's data register, chapter 5's only device.
pub const UART: u16 = 0x3f8;
/// The hypercall port from chapter 7 on.
pub const HYPERCALL: u16 = 0x500;
/// `HC_PUTCHAR`: writes the byte in `BL`.
pub const HC_PUTCHAR: u8 = 1;

/// QEMU's exit status when its guest has ended itself by `HC_EXIT`: its `isa-debug-exit` ends it with
/// twice the byte, plus one.
pub const QEMU_STATUS: i32 = 1;

/// What a guest does.
#[derive(Clone, Copy)]
pub struct Exits {
    /// Where it writes.
    pub port: u16,
    /// What.
    pub al: u8,
    pub end: End,
}

/// How a guest ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Halt,
    /// `HC_EXIT` with status 0.
    Hypercall,
}

/// Real-mode code for address 0 that writes `count` times, with an `x` in `BL`, then ends: `count` + 1
/// exits.
pub fn exits(what: Exits, count: u32) -> Vec<u8> {
    let [port_low, port_high] = what.port.to_le_bytes();
    let [hc_low, hc_high] = HYPERCALL.to_le_bytes();
    let [c0, c1, c2, c3] = count.to_le_bytes();
    #[rustfmt::skip]
    let mut code = vec![
        0xba, port_low, port_high,      //       mov $port, %dx
        0x66, 0xb9, c0, c1, c2, c3,     //       mov $count, %ecx
        0xb0, what.al,                  //       mov $al, %al
        0xb3, b'x',                     //       mov $'x', %bl
        0xee,                           // next: out %al, %dx
        0x66, 0x49,                     //       dec %ecx
        0x75, 0xfb,                     //       jnz next
    ];
    if what.end == End::Hypercall {
        #[rustfmt::skip]
        code.extend([
            0xba, hc_low, hc_high,      //       mov $HYPERCALL, %dx
            0x31, 0xc0,                 //       xor %ax, %ax
            0x31, 0xdb,                 //       xor %bx, %bx
            0xee,                       //       out %al, %dx
        ]);
    }
    code.push(0xf4); //                          hlt
    code
}

/// Where in the firmware's segment the code lies that brings the image to address 0.
const COPY: usize = 0xff00;
/// Where in it a PC begins: 16 bytes below the top.
const RESET: usize = 0xfff0;

/// The firmware of a PC that starts a real-mode image as our chapters do: at address 0, with `CS:IP`
/// 0:0.
pub fn firmware(image: &[u8]) -> Result<Vec<u8>> {
    ensure!(image.len() <= COPY, "the image is too long: {} bytes", image.len());
    let [length_low, length_high] = u16::try_from(image.len())?.to_le_bytes();
    let [copy_low, copy_high] = u16::try_from(COPY)?.to_le_bytes();
    let mut firmware = vec![0; 0x1_0000];
    let mut put = |at: usize, bytes: &[u8]| firmware[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, image);
    #[rustfmt::skip]
    put(COPY, &[
        0xb8, 0x00, 0xf0,               // mov $0xf000, %ax
        0x8e, 0xd8,                     // mov %ax, %ds
        0x31, 0xc0,                     // xor %ax, %ax
        0x8e, 0xc0,                     // mov %ax, %es
        0x31, 0xf6,                     // xor %si, %si
        0x31, 0xff,                     // xor %di, %di
        0xb9, length_low, length_high,  // mov $length, %cx
        0xf3, 0xa4,                     // rep movsb
        0x8e, 0xd8,                     // mov %ax, %ds
        0x8e, 0xd0,                     // mov %ax, %ss
        0x31, 0xe4,                     // xor %sp, %sp
        0xea, 0, 0, 0, 0,               // ljmp $0, $0
    ]);
    put(RESET, &[0xea, copy_low, copy_high, 0x00, 0xf0]); // ljmp $0xf000, $COPY
    Ok(firmware)
}

/// QEMU with nothing but a firmware, a place for the serial port and a hypercall to end it.
pub fn qemu(qemu: &Path, accelerator: &str, firmware: &Path) -> Command {
    let cpu = if accelerator == "kvm" { "host" } else { "max" };
    let mut command = Command::new(qemu);
    command.args(["-M", "pc", "-accel", accelerator, "-cpu", cpu, "-m", "16"]);
    command.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
    command.args(["-device", "isa-debug-exit,iobase=0x500,iosize=1", "-bios"]).arg(firmware);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHAT: Exits = Exits { port: UART, al: b'x', end: End::Halt };

    #[test]
    fn the_loop_jumps_back_to_its_out() {
        let code = exits(WHAT, 0x0102_0304);
        let jump = code.iter().position(|&byte| byte == 0x75).unwrap();
        let after = jump as i64 + 2;
        let target = after + i64::from(code[jump + 1] as i8);
        assert_eq!(code[target as usize], 0xee);
        assert_eq!(code[3..9], [0x66, 0xb9, 0x04, 0x03, 0x02, 0x01]);
        assert_eq!(code.last(), Some(&0xf4));
    }

    #[test]
    fn a_guest_may_end_by_hypercall() {
        let code = exits(Exits { end: End::Hypercall, ..WHAT }, 1);
        assert!(code.ends_with(&[0xba, 0x00, 0x05, 0x31, 0xc0, 0x31, 0xdb, 0xee, 0xf4]));
    }

    #[test]
    fn a_firmware_begins_at_its_end() {
        let firmware = firmware(&[1, 2, 3]).unwrap();
        assert_eq!(firmware.len(), 65_536);
        assert_eq!(firmware[..4], [1, 2, 3, 0]);
        assert_eq!(firmware[RESET..RESET + 5], [0xea, 0x00, 0xff, 0x00, 0xf0]);
        assert_eq!(firmware[COPY + 13..COPY + 16], [0xb9, 3, 0]);
        assert!(super::firmware(&[0; 0xff01]).is_err());
    }
}
