//! The keyboard's registers, read in any order, while anything is typed.

use std::sync::mpsc::channel;

use arbitrary::Unstructured;
use fuzz::Target;

use crate::console::Console;
use crate::keyboard::Keyboard;

pub const TARGET: Target = Target {
    name: "keyboard",
    seeds: || {
        let mut rng = fastrand::Rng::with_seed(11);
        (0..8).map(|_| (0..100).map(|_| rng.u8(..)).collect()).collect()
    },
    fields: &[],
    run: |bytes| _ = run(&mut Unstructured::new(bytes)),
    cases: 5_000,
    allocated_max: 1 << 20,
};

fn run(bytes: &mut Unstructured) -> arbitrary::Result<()> {
    let (typist, input) = channel();
    let mut console = Console::new(Vec::new(), false, input);
    let mut keyboard = Keyboard::new().unwrap();
    let (mut typed, mut down, mut got) = (Vec::new(), [false; 256], Vec::new());
    let (mut is_shift, mut is_ctrl) = (false, false);
    let mut typist = Some(typist);
    loop {
        let is_done = typist.is_none() || keyboard.status(&mut console).unwrap() == 0;
        if bytes.is_empty() && is_done {
            break;
        }
        let byte = if bytes.is_empty() { 0 } else { bytes.arbitrary::<u8>()? };
        match byte % 4 {
            _ if bytes.is_empty() => {}
            0 => {
                let byte = bytes.arbitrary()?;
                if let Some(typist) = &typist {
                    typist.send(byte).unwrap();
                    typed.push(byte);
                }
                continue;
            }
            1 if byte == 0xfd => typist = None,
            1 => {
                assert!(keyboard.status(&mut console).unwrap() <= 1);
                continue;
            }
            _ => {}
        }
        let is_full = keyboard.status(&mut console).unwrap() == 1;
        let scancode = keyboard.read(&mut console).unwrap();
        assert!(is_full || scancode == 0, "a scancode {scancode:#x} from an empty buffer");
        let (key, is_released) = (usize::from(scancode & 0x7f), scancode & 0x80 != 0);
        assert!(is_released == down[key] || scancode == 0, "{scancode:#x} twice");
        down[key] = !is_released && scancode != 0;
        match scancode & 0x7f {
            0x2a => is_shift = !is_released,
            0x1d => is_ctrl = !is_released,
            0 => {}
            _ if !is_released => got.push((key, is_shift, is_ctrl)),
            _ => {}
        }
    }
    if typist.is_none() {
        return Ok(()); // Ctrl-D as often as somebody reads: perhaps in the middle of one
    }
    assert!(down.iter().all(|down| !down) && !is_shift && !is_ctrl, "a key is still down");
    assert!(got.len() <= typed.len(), "{} keys for {} bytes", got.len(), typed.len());
    Ok(())
}
