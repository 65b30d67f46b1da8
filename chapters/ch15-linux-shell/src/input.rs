//! Standard input, read by a thread of its own: Ctrl-A x works even if the guest never listens.

use std::io::{IsTerminal, Read, stdin};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use vmm_sys_util::eventfd::EventFd;

const CTRL_A: u8 = 0x01;
pub const CTRL_D: u8 = 0x04;

/// What the guest has not read yet; of a pipe, more stays in the pipe.
const BUFFER_BYTES: usize = 4096;
/// Who waits for more input at its end is told again.
const END_AGAIN: Duration = Duration::from_millis(100);

/// Starts to read. The channel is closed at the end of the input, on a terminal: at Ctrl-D. What
/// comes is an `interrupt`, and so is the end. With a `keyboard`, Ctrl-D is a key.
pub fn listen(interrupt: EventFd, keyboard: bool) -> Result<Receiver<u8>> {
    let (sender, receiver) = sync_channel(BUFFER_BYTES);
    let is_terminal = stdin().is_terminal();
    let thread = thread::Builder::new().spawn(move || {
        // Signals have to reach the thread that runs the vCPU.
        let _ = SigSet::all().thread_block();
        let mut sender = Some(sender);
        let mut after_ctrl_a = false;
        let mut last_byte = b'\n';
        for byte in stdin().lock().bytes().map_while(Result::ok) {
            last_byte = byte;
            match byte {
                CTRL_A if is_terminal && !after_ctrl_a => {
                    after_ctrl_a = true;
                    continue;
                }
                CTRL_D if is_terminal && !keyboard && !after_ctrl_a => sender = None,
                // The same way out as Ctrl-C.
                b'x' if after_ctrl_a => drop(kill(Pid::this(), Signal::SIGINT)),
                // What is typed too early is lost, as with a real UART, or Ctrl-A x would be stuck.
                _ if is_terminal => drop(sender.as_ref().map(|sender| sender.try_send(byte))),
                _ => drop(sender.as_ref().map(|sender| sender.send(byte))),
            }
            after_ctrl_a = false;
            let _ = interrupt.write(1); // fails if nobody has taken notice of very many
        }
        if keyboard && last_byte != b'\n' {
            // In the middle of a line, Ctrl-D would not be the end.
            let _ = sender.as_ref().map(|sender| sender.send(b'\n'));
        }
        drop(sender);
        let _ = interrupt.write(1);
        if keyboard {
            loop {
                thread::sleep(END_AGAIN);
                let _ = interrupt.write(1);
            }
        }
    });
    thread.map_err(kvm_ioctls::Error::from).context("pthread_create")?;
    Ok(receiver)
}
