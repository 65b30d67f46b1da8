//! A guest that exits a given number of times, assembled by hand: no tools, no build, any count.

/// COM1's data register, chapter 5's only device.
pub const UART: u16 = 0x3f8;
/// The hypercall port from chapter 7 on.
pub const HYPERCALL: u16 = 0x500;
/// `HC_PUTCHAR`: writes the byte in `BL`.
pub const HC_PUTCHAR: u8 = 1;

/// Real-mode code for address 0 that writes `al` to `port` `count` times, with an `x` in `BL`, then
/// halts: `count` + 1 exits.
pub fn exits(port: u16, al: u8, count: u32) -> Vec<u8> {
    let [port_low, port_high] = port.to_le_bytes();
    let [c0, c1, c2, c3] = count.to_le_bytes();
    #[rustfmt::skip]
    let code = vec![
        0xba, port_low, port_high,      //       mov $port, %dx
        0x66, 0xb9, c0, c1, c2, c3,     //       mov $count, %ecx
        0xb0, al,                       //       mov $al, %al
        0xb3, b'x',                     //       mov $'x', %bl
        0xee,                           // next: out %al, %dx
        0x66, 0x49,                     //       dec %ecx
        0x75, 0xfb,                     //       jnz next
        0xf4,                           //       hlt
    ];
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_jumps_back_to_its_out() {
        let code = exits(UART, b'x', 0x0102_0304);
        let jump = code.iter().position(|&byte| byte == 0x75).unwrap();
        let after = jump as i64 + 2;
        let target = after + i64::from(code[jump + 1] as i8);
        assert_eq!(code[target as usize], 0xee);
        assert_eq!(code[3..9], [0x66, 0xb9, 0x04, 0x03, 0x02, 0x01]);
    }
}
