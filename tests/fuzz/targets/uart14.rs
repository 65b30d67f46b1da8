//! Chapter 14's serial port, which only remembers.

use arbitrary::Unstructured;
use fuzz::Target;

use crate::uart::{DATA, Uart};

pub const TARGET: Target = Target {
    name: "uart-ch14",
    seeds: || {
        let mut rng = fastrand::Rng::with_seed(14);
        (0..8).map(|_| (0..200).map(|_| rng.u8(..)).collect()).collect()
    },
    fields: &[],
    run: |bytes| _ = run(&mut Unstructured::new(bytes)),
    cases: 3_000,
    allocated_max: 1 << 20,
};

fn run(bytes: &mut Unstructured) -> arbitrary::Result<()> {
    let mut uart = Uart::default();
    let mut is_divisor = false;
    while !bytes.is_empty() {
        let port = match bytes.ratio(7, 8)? {
            true => DATA + u16::from(bytes.arbitrary::<u8>()? % 8),
            false => bytes.arbitrary()?,
        };
        let (is_write, byte): (bool, u8) = (bytes.arbitrary()?, bytes.arbitrary()?);
        let is_ours = (DATA..DATA + 8).contains(&port);
        if is_write {
            let sent = uart.write(port, byte);
            assert_eq!(sent, (port == DATA && !is_divisor).then_some(byte));
            if port == DATA + 3 {
                is_divisor = byte & 1 << 7 != 0;
            }
        } else {
            assert_eq!(uart.read(port).is_some(), is_ours, "{port:#x}");
        }
    }
    Ok(())
}
