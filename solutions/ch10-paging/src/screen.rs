//! Standard output and standard error, shared by the vCPUs' threads: no line is ever torn.

use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::sync::Mutex;

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};

use crate::VCPUS_MAX;

/// A guest that does not end its line gets an end here.
const LINE_BYTES_MAX: usize = 4096;

/// Back to the start of the line, and erase it. ECMA-48, 8.3.41.
const ERASE_LINE: &[u8] = b"\r\x1b[K";

/// One for each vCPU. Red is for errors.
const COLOURS: [AnsiColor; VCPUS_MAX] =
    [AnsiColor::Green, AnsiColor::Yellow, AnsiColor::Cyan, AnsiColor::Magenta];

/// The unfinished line at the bottom of the terminal, if a guest asks for input there. Whoever
/// prints holds this lock.
static PROMPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Whether to use colours: on a terminal that has them, unless `NO_COLOR` forbids it.
pub fn is_coloured() -> bool {
    AutoStream::choice(&stdout()) != ColorChoice::Never
}

/// `text` in the colour of vCPU `id`, if there are colours.
pub fn paint(id: usize, text: &str) -> String {
    let style = if is_coloured() { COLOURS[id].on_default() } else { Style::new() };
    format!("{style}{text}{style:#}")
}

/// Prints what the VMM has to say: whole lines. If standard error is gone, the status has to do.
pub fn say(message: &str) {
    let prompt = PROMPT.lock().expect("nobody panics while printing");
    let _ = print_above(&prompt, AutoStream::auto(stderr()), message.as_bytes());
}

/// What one of several guests prints, line by line, each with its tag.
pub struct Lines {
    tag: Vec<u8>,
    line: Vec<u8>,
    /// The user types for this guest, and must see what it asks.
    is_interactive: bool,
}

impl Lines {
    pub fn new(tag: String, has_input: bool) -> Self {
        let tag = tag.into_bytes();
        Self { line: tag.clone(), tag, is_interactive: has_input && stdout().is_terminal() }
    }

    /// Shows the line, as far as it goes.
    fn show(&mut self) -> io::Result<()> {
        let mut prompt = PROMPT.lock().expect("nobody panics while printing");
        let is_whole = self.line.ends_with(b"\n");
        if self.is_interactive {
            stdout().write_all(&self.line[prompt.len()..])?;
            stdout().flush()?;
            *prompt = if is_whole { Vec::new() } else { self.line.clone() };
        } else {
            print_above(&prompt, stdout(), &self.line)?;
        }
        if is_whole {
            self.line.clone_from(&self.tag);
        }
        Ok(())
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if self.line.len() >= LINE_BYTES_MAX && *byte != b'\n' {
                self.write_all(b"\n")?;
            }
            self.line.push(*byte);
            if *byte == b'\n' {
                self.show()?;
            }
        }
        Ok(bytes.len())
    }

    /// What a guest asks has to be seen before it waits for the answer.
    fn flush(&mut self) -> io::Result<()> {
        if self.is_interactive && self.line != self.tag { self.show() } else { Ok(()) }
    }
}

fn print_above(prompt: &[u8], mut output: impl Write, lines: &[u8]) -> io::Result<()> {
    if prompt.is_empty() {
        return output.write_all(lines);
    }
    stdout().write_all(ERASE_LINE)?;
    stdout().flush()?;
    output.write_all(lines)?;
    stdout().write_all(prompt)?;
    stdout().flush()
}
