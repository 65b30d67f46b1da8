//! Hypercalls: any number, any argument.

use std::sync::mpsc::channel;

use arbitrary::Unstructured;
use fuzz::Target;
use guests::hypercall::{END_OF_INPUT, HC_EXIT, HC_GETCHAR, HC_NEWLINE, HC_PUTCHAR, HC_PUTNUM};

use crate::console::Console;
use crate::hypercall::{Answer, call};

pub const TARGET: Target = Target {
    name: "hypercall",
    seeds: || {
        let mut rng = fastrand::Rng::with_seed(7);
        (0..8).map(|_| (0..200).map(|_| rng.u8(0..8)).collect()).collect()
    },
    fields: &[],
    run: |bytes| _ = run(&mut Unstructured::new(bytes)),
    cases: 5_000,
    allocated_max: 1 << 20,
};

fn run(bytes: &mut Unstructured) -> arbitrary::Result<()> {
    let typed: Vec<u8> = bytes.arbitrary()?;
    let (keyboard, input) = channel();
    typed.iter().for_each(|byte| keyboard.send(*byte).unwrap());
    drop(keyboard);
    let (mut typed, mut printed, mut expected) = (typed.into_iter(), Vec::new(), Vec::new());
    let mut console = Console::new(&mut printed, false, input);
    while !bytes.is_empty() {
        let (number, rbx): (u8, u64) = (bytes.arbitrary()?, bytes.arbitrary()?);
        let answer = match number {
            HC_EXIT => Answer::Exit((rbx & 0xff) as u8),
            HC_PUTCHAR => {
                expected.push((rbx & 0xff) as u8);
                Answer::Done
            }
            HC_PUTNUM => {
                expected.extend((rbx & 0xffff).to_string().bytes());
                Answer::Done
            }
            HC_NEWLINE => {
                expected.push(b'\n');
                Answer::Done
            }
            HC_GETCHAR => Answer::Value(typed.next().map_or(END_OF_INPUT, u32::from)),
            _ => Answer::Unknown,
        };
        assert_eq!(call(number, rbx, &mut console).unwrap(), answer, "{number} {rbx:#x}");
    }
    console.close().unwrap();
    assert_eq!(printed, expected);
    Ok(())
}
