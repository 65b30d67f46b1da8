//! Images of guests that are not built in.

use std::fs;

use tempfile::NamedTempFile;

/// An image as a file, for as long as it is held.
pub fn image(code: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), code).unwrap();
    file
}

/// Prints the numbers from 0 on, a line each, for ever; after 65535 comes 0.
pub const NUMBERS: [u8; 16] = [
    0xba, 0x00, 0x05, //       mov     $0x500, %dx
    0x31, 0xf6, //             xor     %si, %si
    0x89, 0xf3, //       next: mov     %si, %bx
    0xb0, 0x02, 0xee, //       mov     $HC_PUTNUM, %al; out %al, %dx
    0xb0, 0x03, 0xee, //       mov     $HC_NEWLINE, %al; out %al, %dx
    0x46, //                   inc     %si
    0xeb, 0xf5, //             jmp     next
];

/// Prints the numbers below `count`.
pub fn numbers(count: u16) -> Vec<u8> {
    let [low, high] = count.to_le_bytes();
    let mut code = NUMBERS[..14].to_vec();
    code.extend([0x81, 0xfe, low, high]); // cmp $count, %si
    code.extend([0x75, 0xf1]); //            jne next
    code.push(0xf4); //                      hlt
    code
}

/// Prints 4 bytes `times` times, all on one line that it does not end.
pub fn endless_line(times: u16) -> Vec<u8> {
    let [low, high] = times.to_le_bytes();
    let mut code = vec![0xba, 0xf8, 0x03]; //         mov $0x3f8, %dx
    code.extend([0x66, 0xb8]);
    code.extend(b"abcd"); //                          mov $"abcd", %eax
    code.extend([0xb9, low, high]); //                mov $times, %cx
    code.extend([0x66, 0xef, 0xe2, 0xfc, 0xf4]); // 1: out %eax, %dx; loop 1b; hlt
    code
}

/// Does `first`, then prints a letter through each segment: the name of the segment.
pub fn letters_through_segments(first: &[u8]) -> Vec<u8> {
    // Each with the prefix that makes an instruction use it. SDM Vol. 2A, 2.1.1.
    const SEGMENTS: [(u8, u8); 6] =
        [(0x2e, b'C'), (0x3e, b'D'), (0x26, b'E'), (0x64, b'F'), (0x65, b'G'), (0x36, b'S')];
    const PRINT_BYTES: usize = 5;
    let mut code = [first, &[0xba, 0xf8, 0x03]].concat(); // mov $0x3f8, %dx
    let letters = code.len() + SEGMENTS.len() * PRINT_BYTES + 1;
    for (index, (prefix, _)) in SEGMENTS.into_iter().enumerate() {
        let [low, high] = u16::try_from(letters + index).unwrap().to_le_bytes();
        code.extend([prefix, 0xa0, low, high, 0xee]); // mov %SEGMENT:letter, %al; out %al, %dx
    }
    code.push(0xf4); // hlt
    code.extend(SEGMENTS.map(|(_, letter)| letter));
    code
}
