//! Edits a line: bytes from the keyboard in, text for the terminal out. All that it asks of the
//! terminal is that a backspace moves the cursor back.

use super::keys::{Decoder, Key};

/// A serial line does not tell how wide the terminal at its other end is.
const COLUMNS: usize = 80;

/// What a key did, apart from what there is to see.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    None,
    Line(String),
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    End,
}

#[derive(Default)]
pub struct Editor {
    line: Vec<char>,
    /// The index of the character under the cursor; the line's length at its end.
    cursor: usize,
    /// Earlier lines, the latest last.
    history: Vec<String>,
    /// Which of them is shown; their number for the line that is being written.
    recalled: usize,
    /// That line, while one of the history is shown.
    draft: Vec<char>,
    decoder: Decoder,
    screen: Screen,
}

impl Editor {
    /// Begins a line; returns what there is to see.
    pub fn start(&mut self, prompt: &str) -> String {
        self.line.clear();
        self.cursor = 0;
        self.recalled = self.history.len();
        self.draft.clear();
        let width = COLUMNS.saturating_sub(prompt.chars().count() + 1).max(10);
        self.screen = Screen { width, ..Screen::default() };
        prompt.to_owned()
    }

    pub fn type_byte(&mut self, byte: u8) -> (String, Event) {
        let Some(key) = self.decoder.decode(byte) else {
            return (String::new(), Event::None);
        };
        match key {
            Key::Enter => return self.enter(),
            Key::Interrupt => return ("^C\n".to_owned(), Event::Interrupt),
            Key::EndOfInput if self.line.is_empty() => return ("\n".to_owned(), Event::End),
            Key::EndOfInput | Key::Delete => self.delete(self.cursor, self.cursor + 1),
            Key::Character(character) => {
                self.line.insert(self.cursor, character);
                self.cursor += 1;
            }
            Key::Backspace => self.delete(self.cursor.saturating_sub(1), self.cursor),
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = (self.cursor + 1).min(self.line.len()),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.line.len(),
            Key::DeleteToStart => self.delete(0, self.cursor),
            Key::DeleteToEnd => self.delete(self.cursor, self.line.len()),
            Key::DeleteWord => self.delete(self.word_start(), self.cursor),
            Key::Up => self.recall(self.recalled.saturating_sub(1)),
            Key::Down => self.recall((self.recalled + 1).min(self.history.len())),
            Key::Unknown => {}
        }
        (self.screen.show(&self.line, self.cursor), Event::None)
    }

    fn enter(&mut self) -> (String, Event) {
        let line: String = self.line.iter().collect();
        if !line.trim().is_empty() && self.history.last() != Some(&line) {
            self.history.push(line.clone());
        }
        // What is printed next begins below the whole line.
        let shown = self.screen.show(&self.line, self.line.len()) + "\n";
        (shown, Event::Line(line))
    }

    fn delete(&mut self, from: usize, to: usize) {
        self.line.drain(from..to.min(self.line.len()));
        self.cursor = from;
    }

    fn word_start(&self) -> usize {
        let before: String = self.line[..self.cursor].iter().collect();
        let kept = before.trim_end().rfind(' ').map_or("", |space| &before[..=space]);
        kept.chars().count()
    }

    /// Shows a line of the history, or the draft.
    fn recall(&mut self, index: usize) {
        if self.recalled == self.history.len() {
            self.draft.clone_from(&self.line);
        }
        self.recalled = index;
        self.line = match self.history.get(index) {
            Some(line) => line.chars().collect(),
            None => self.draft.clone(),
        };
        self.cursor = self.line.len();
    }
}

/// The part of the line that is on the screen, behind the prompt: all of it, if it is not too long.
#[derive(Default)]
struct Screen {
    width: usize,
    /// The index of the first character that is shown.
    first: usize,
    shown: Vec<char>,
    /// The column of the cursor in it.
    cursor: usize,
}

impl Screen {
    /// What makes the screen show this line: as little as possible, for each character on a serial
    /// line costs time.
    fn show(&mut self, line: &[char], cursor: usize) -> String {
        if cursor < self.first || cursor > self.first + self.width {
            self.first = cursor.saturating_sub(self.width / 2);
        }
        let last = line.len().min(self.first + self.width);
        let wanted = &line[self.first.min(last)..last];
        let column = cursor - self.first;
        let same = wanted.iter().zip(&self.shown).take_while(|(new, old)| new == old).count();

        let mut output = String::new();
        if same < wanted.len().max(self.shown.len()) {
            self.go(same, &mut output);
            output.extend(&wanted[same..]);
            let rest = self.shown.len().saturating_sub(wanted.len());
            output.extend(std::iter::repeat_n(' ', rest));
            self.cursor = wanted.len() + rest;
            self.shown = wanted.to_vec();
        }
        self.go(column, &mut output);
        output
    }

    /// Moves the cursor: back by backspaces, and forward over what is there by writing it again.
    fn go(&mut self, column: usize, output: &mut String) {
        if column < self.cursor {
            output.extend(std::iter::repeat_n('\x08', self.cursor - column));
        } else {
            output.extend(&self.shown[self.cursor..column]);
        }
        self.cursor = column;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: &str = "\x1b[A";
    const DOWN: &str = "\x1b[B";
    const RIGHT: &str = "\x1b[C";
    const LEFT: &str = "\x1b[D";

    /// A terminal that knows characters, backspace and newline.
    #[derive(Default)]
    struct Display {
        line: Vec<char>,
        column: usize,
    }

    impl Display {
        fn write(&mut self, text: &str) {
            for character in text.chars() {
                match character {
                    '\x08' => self.column -= 1,
                    '\n' => *self = Self::default(),
                    other => {
                        self.line.resize(self.line.len().max(self.column + 1), ' ');
                        self.line[self.column] = other;
                        self.column += 1;
                    }
                }
            }
        }

        /// The text, with a bar where the cursor is.
        fn text(&self) -> String {
            let (before, after) = self.line.split_at(self.column);
            let after: String = after.iter().collect();
            format!("{}|{}", before.iter().collect::<String>(), after.trim_end())
        }
    }

    struct Session {
        editor: Editor,
        display: Display,
    }

    impl Session {
        fn new() -> Self {
            let mut session = Self { editor: Editor::default(), display: Display::default() };
            session.display.write(&session.editor.start("# "));
            session
        }

        /// Types keys; what is on the display afterwards.
        fn keys(&mut self, keys: &str) -> String {
            for byte in keys.bytes() {
                let (shown, event) = self.editor.type_byte(byte);
                self.display.write(&shown);
                assert_eq!(event, Event::None);
            }
            self.display.text()
        }

        fn enter(&mut self, keys: &str) -> String {
            self.keys(keys);
            let (shown, event) = self.editor.type_byte(b'\r');
            self.display.write(&shown);
            self.display.write(&self.editor.start("# "));
            match event {
                Event::Line(line) => line,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn typed_at_the_end_a_character_costs_one() {
        let mut editor = Editor::default();
        editor.start("# ");
        assert_eq!(editor.type_byte(b'a'), ("a".to_owned(), Event::None));
        assert_eq!(editor.type_byte(b'b'), ("b".to_owned(), Event::None));
    }

    #[test]
    fn the_cursor_moves_and_characters_come_and_go() {
        let mut session = Session::new();
        assert_eq!(session.keys("acd"), "# acd|");
        assert_eq!(session.keys(&(LEFT.repeat(2) + "b")), "# ab|cd");
        assert_eq!(session.keys("\x7f"), "# a|cd");
        assert_eq!(session.keys("\x1b[3~"), "# a|d");
        assert_eq!(session.keys("\x04"), "# a|");
        assert_eq!(session.keys(&(LEFT.repeat(5) + RIGHT + RIGHT)), "# a|");
        assert_eq!(session.keys("\x01x\x05y"), "# xay|");
        assert_eq!(session.keys("\x1b[Hö\x1bOF"), "# öxay|");
        assert_eq!(session.enter(LEFT), "öxay");
    }

    #[test]
    fn words_and_ends_are_deleted() {
        let mut session = Session::new();
        assert_eq!(session.keys("ls /proc  -l  \x17"), "# ls /proc  |");
        assert_eq!(session.keys("\x17"), "# ls |");
        assert_eq!(session.keys("abc\x1b[D\x0b"), "# ls ab|");
        assert_eq!(session.keys("\x1b[D\x15"), "# |b");
    }

    #[test]
    fn earlier_lines_come_back() {
        let mut session = Session::new();
        assert_eq!(session.enter("one"), "one");
        assert_eq!(session.enter("two"), "two");
        assert_eq!(session.enter("two"), "two");
        assert_eq!(session.enter(" "), " ");
        assert_eq!(session.keys(&("dra".to_owned() + UP)), "# two|");
        assert_eq!(session.keys(&UP.repeat(5)), "# one|");
        assert_eq!(session.keys(DOWN), "# two|");
        assert_eq!(session.keys(&(DOWN.repeat(3) + "ft")), "# draft|");
        assert_eq!(session.enter(&UP.repeat(2)), "one");
    }

    #[test]
    fn a_long_line_is_shown_in_part() {
        let mut session = Session::new();
        let line: String = ('a'..='z').cycle().take(200).collect();
        let display = session.keys(&line);
        assert!(display.chars().count() <= COLUMNS + 1, "{display}");
        assert!(
            line.ends_with(display.trim_start_matches("# ").trim_end_matches('|')),
            "{display}"
        );
        assert!(session.keys("\x01").starts_with("# |abcdefg"));
        assert_eq!(session.display.text().chars().count(), COLUMNS);
        assert_eq!(session.enter("X"), format!("X{line}"));
    }

    #[test]
    fn what_ends_a_line_without_running_it() {
        let mut editor = Editor::default();
        editor.start("# ");
        editor.type_byte(b'a');
        assert_eq!(editor.type_byte(3).1, Event::Interrupt);
        editor.start("# ");
        assert_eq!(editor.type_byte(4).1, Event::End);
        assert_eq!(editor.type_byte(0).1, Event::End);
    }
}
