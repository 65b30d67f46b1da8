//! Where the shell reads its commands: a terminal, or anything else that has lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write, stdin, stdout};

use nix::errno::Errno;

use super::editor::{Editor, Event};
use crate::failure::{Failure, Named};
use crate::terminal::Terminal;

/// What came of the wait for a line.
pub enum Line {
    /// A line, with its end.
    Is(String),
    /// Ctrl-C.
    Interrupted,
    End,
}

pub enum Input {
    Terminal { terminal: Box<Terminal>, editor: Box<Editor> },
    Piped,
    Script(Box<dyn BufRead>),
}

impl Input {
    pub fn terminal() -> Result<Self, Failure> {
        Ok(Self::Terminal { terminal: Box::new(Terminal::open()?), editor: Box::default() })
    }

    pub fn text(text: String) -> Self {
        Self::Script(Box::new(io::Cursor::new(text)))
    }

    pub fn file(name: &str) -> Result<Self, Failure> {
        Ok(Self::Script(Box::new(BufReader::new(File::open(name).named(name)?))))
    }

    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal { .. })
    }

    /// Reads a line; the prompt is for users.
    pub fn line(&mut self, prompt: &str) -> Result<Line, Failure> {
        match self {
            Self::Terminal { terminal, editor } => {
                terminal.keys();
                let line = edit(editor, prompt);
                terminal.lines();
                line
            }
            Self::Piped => {
                let mut line = Vec::new();
                // A byte at a time: what follows the line is for the commands in it.
                while line.last() != Some(&b'\n') {
                    match byte()? {
                        Some(byte) => line.push(byte),
                        None => break,
                    }
                }
                Ok(whole(line))
            }
            Self::Script(script) => {
                let mut line = Vec::new();
                script.read_until(b'\n', &mut line).named("the script")?;
                Ok(whole(line))
            }
        }
    }
}

fn whole(line: Vec<u8>) -> Line {
    if line.is_empty() { Line::End } else { Line::Is(String::from_utf8_lossy(&line).into_owned()) }
}

fn edit(editor: &mut Editor, prompt: &str) -> Result<Line, Failure> {
    let mut out = stdout().lock();
    let mut write = |text: &str| -> Result<(), Failure> {
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    };
    write(&editor.start(prompt))?;
    loop {
        let Some(byte) = byte()? else { return Ok(Line::End) };
        let (shown, event) = editor.type_byte(byte);
        write(&shown)?;
        match event {
            Event::None => {}
            Event::Line(line) => return Ok(Line::Is(line + "\n")),
            Event::Interrupt => return Ok(Line::Interrupted),
            Event::End => return Ok(Line::End),
        }
    }
}

/// One byte of the standard input, past Rust's buffer: none at its end.
fn byte() -> Result<Option<u8>, Failure> {
    let mut byte = [0];
    loop {
        match nix::unistd::read(stdin(), &mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error).named("standard input"),
        }
    }
}
