//! The split screen: a pane for each guest while they run. What they print is kept, and written when
//! all is over.

use std::io::{self, Write, stdout};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::prelude::CrosstermBackend;
use ratatui::style::{Color, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph};
use ratatui::{Frame, Terminal};
use thiserror::Error;

use crate::console::Console;
use crate::terminal::{self, AlternateScreen};
use crate::{VCPUS_MAX, exit, input, screen, signal};

/// How long it takes until what a guest prints is seen, and a change of the window's size followed.
const FRAME: Duration = Duration::from_millis(100);

/// Those of the tags.
const COLOURS: [Color; VCPUS_MAX] = [Color::Green, Color::Yellow, Color::Cyan, Color::Magenta];

#[derive(Debug, Error)]
#[error("--split: standard output is not a terminal")]
pub struct NotATerminal;

/// A guest's part of the screen.
pub struct Pane {
    name: String,
    tag: Option<String>,
    /// All that the guest has printed.
    output: Mutex<Vec<u8>>,
    /// All that the VMM has to say about it.
    messages: Mutex<String>,
}

impl Pane {
    pub fn new(name: String, tag: Option<String>) -> Self {
        Self { name, tag, output: Mutex::default(), messages: Mutex::default() }
    }

    pub fn say(&self, message: &str) {
        *self.messages.lock().expect("nobody panics while speaking") += message;
    }

    fn output(&self) -> MutexGuard<'_, Vec<u8>> {
        self.output.lock().expect("nobody panics while printing")
    }
}

impl Write for &Pane {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Shows the panes as long as somebody `is_running`, and then until a key is pressed.
///
/// # Errors
///
/// The terminal does not tell its size, or has gone.
pub fn show(panes: &[Pane], is_running: impl Fn() -> bool) -> io::Result<()> {
    let _alternate_screen = AlternateScreen::enter();
    let mut terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    let mut draw = || {
        if terminal::take_stopped() {
            // `clear` would ask the terminal for the cursor, and the guest would get the answer.
            let size = terminal.size()?;
            terminal.resize(Rect::from((Position::ORIGIN, size)))?;
        }
        // Looks at the window's size each time, and writes only what has changed.
        terminal.draw(|frame| draw_panes(frame, panes))?;
        thread::sleep(FRAME);
        io::Result::Ok(())
    };
    while is_running() {
        draw()?;
    }
    let keys = input::keys();
    while input::is_typed() && input::keys() == keys && !signal::has_arrived() {
        draw()?;
    }
    Ok(())
}

fn draw_panes(frame: &mut Frame, panes: &[Pane]) {
    for ((pane, area), colour) in panes.iter().zip(areas(frame.area(), panes.len())).zip(COLOURS) {
        let style = if screen::is_coloured() { Style::new().fg(colour) } else { Style::new() };
        let block = Block::bordered().border_style(style).title(&*pane.name);
        let inner = block.inner(area);
        let lines = last_lines(&pane.output(), inner.height.into(), inner.width.into());
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }
}

/// Where the panes are: one has it all, two a half each, more a quarter each.
fn areas(screen: Rect, panes: usize) -> Vec<Rect> {
    let [rows, columns] = match panes {
        1 => [1, 1],
        2 => [1, 2],
        _ => [2, 2],
    };
    let rows = Layout::vertical(vec![Constraint::Fill(1); rows]).split(screen);
    let row =
        |row: &Rect| Layout::horizontal(vec![Constraint::Fill(1); columns]).split(*row).to_vec();
    rows.iter().flat_map(row).collect()
}

/// The last lines of what a guest has printed, with the unfinished one.
fn last_lines(output: &[u8], rows: usize, columns: usize) -> Vec<Line<'static>> {
    let output = output.strip_suffix(b"\n").unwrap_or(output);
    let lines = output.rsplit(|byte| *byte == b'\n').take(rows).map(|line| {
        // No character has more bytes than four.
        let line = String::from_utf8_lossy(&line[..line.len().min(4 * columns)]);
        // A guest that could send commands to the terminal would not stay in its pane.
        Line::from(line.replace(char::is_control, " "))
    });
    let mut lines: Vec<_> = lines.collect();
    lines.reverse();
    lines
}

/// Writes all that would have been written without panes, vCPU by vCPU. `results` are those of the
/// guests; output that cannot be written is the result of one that went well.
pub fn write_all(panes: &[Pane], results: Vec<Result<u8>>) -> Vec<Result<u8>> {
    let write = |pane: &Pane| Console::write_all(pane.tag.clone(), &pane.output());
    let written: Vec<_> = panes.iter().map(write).collect();
    for pane in panes {
        screen::say(&pane.messages.lock().expect("nobody panics while speaking"));
    }
    let result = |(result, written): (Result<u8>, io::Result<()>)| match result {
        Ok(exit::SUCCESS) => written.map(|()| exit::SUCCESS).map_err(Into::into),
        result => result,
    };
    results.into_iter().zip(written).map(result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(output: &[u8], rows: usize, columns: usize) -> Vec<String> {
        last_lines(output, rows, columns).iter().map(Line::to_string).collect()
    }

    #[test]
    fn the_last_lines_are_shown() {
        assert_eq!(shown(b"a\nb\nc", 2, 9), ["b", "c"]);
        assert_eq!(shown(b"a\nb\n", 2, 9), ["a", "b"]);
        assert_eq!(shown(b"a\n\n", 2, 9), ["a", ""]);
        assert_eq!(shown(b"\x1b[2J\xff", 2, 9), [" [2J\u{fffd}"]);
        assert_eq!(shown(b"a\nb", 0, 0), [""; 0]);
    }

    #[test]
    fn panes_are_laid_out_row_by_row() {
        let areas = |panes| areas(Rect::new(0, 0, 80, 24), panes);
        assert_eq!(areas(1), [Rect::new(0, 0, 80, 24)]);
        assert_eq!(areas(2), [Rect::new(0, 0, 40, 24), Rect::new(40, 0, 40, 24)]);
        assert_eq!(areas(3)[..3], areas(4)[..3]);
        assert_eq!(areas(4)[1..3], [Rect::new(40, 0, 40, 12), Rect::new(0, 12, 40, 12)]);
    }
}
