//! The serial port's eight registers, written and read in any order, while anything is typed.

use std::sync::mpsc::channel;

use arbitrary::Unstructured;
use fuzz::Target;
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use crate::console::Console;
use crate::uart::{DATA, Uart, register};

/// Line control: its bit 7 makes the first two registers the divisor's.
const LINE_CONTROL: u8 = 3;
/// Modem control: its bit 4 leads what is sent back to where it is received.
const MODEM_CONTROL: u8 = 4;

pub const TARGET: Target = Target {
    name: "uart",
    seeds: || {
        let mut rng = fastrand::Rng::with_seed(16550);
        (0..8).map(|_| (0..300).map(|_| rng.u8(..)).collect()).collect()
    },
    fields: &[],
    run: |bytes| _ = run(&mut Unstructured::new(bytes)),
    cases: 3_000,
    allocated_max: 1 << 20,
};

fn run(bytes: &mut Unstructured) -> arbitrary::Result<()> {
    let (typist, input) = channel();
    let (mut printed, mut expected) = (Vec::new(), Vec::new());
    let mut console = Console::new(&mut printed, false, input);
    let mut uart = Uart::new(EventFd::new(EFD_NONBLOCK).unwrap());
    let (mut is_divisor, mut is_loop) = (false, false);
    let port = DATA.wrapping_add_signed(bytes.arbitrary::<i8>()?.into());
    assert_eq!(register(port).is_some(), (DATA..DATA + 8).contains(&port));
    while !bytes.is_empty() {
        let (what, byte): (u8, u8) = (bytes.arbitrary()?, bytes.arbitrary()?);
        let at = what % 8;
        match what / 8 % 4 {
            0 => typist.send(byte).unwrap(),
            1 => drop(uart.read(at, &mut console).unwrap()),
            // What a driver says before it listens.
            2 if byte < 16 => uart.write(1, 0b0111, &mut console).unwrap(),
            _ => {
                uart.write(at, byte, &mut console).unwrap();
                match at {
                    0 if !is_divisor && !is_loop => expected.push(byte),
                    LINE_CONTROL => is_divisor = byte & 1 << 7 != 0,
                    MODEM_CONTROL => is_loop = byte & 1 << 4 != 0,
                    _ => {}
                }
            }
        }
    }
    console.close().unwrap();
    assert_eq!(printed, expected);
    Ok(())
}
