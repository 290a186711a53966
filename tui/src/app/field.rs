//! One line of text that the user writes.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The longest text, in bytes: the longest link.
const BYTES_MAX: usize = nearcast_core::magnet::LINK_BYTES_MAX;

/// A line with a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Field {
    text: String,
    /// Where the cursor stands, in bytes, at the border of a character.
    at: usize,
}

impl Field {
    /// A line with this text, and the cursor behind it.
    pub(crate) fn new(text: impl Into<String>) -> Field {
        let text = text.into();
        Field { at: text.len(), text }
    }

    /// What is written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor, and after it.
    pub(crate) fn halves(&self) -> (&str, &str) {
        self.text.split_at(self.at)
    }

    /// Adds text at the cursor. Breaks of lines, which come with what is pasted, become spaces.
    pub(crate) fn insert(&mut self, text: &str) {
        for letter in text.trim_matches(['\r', '\n']).chars() {
            let letter = if letter.is_control() { ' ' } else { letter };
            if self.text.len() + letter.len_utf8() <= BYTES_MAX {
                self.text.insert(self.at, letter);
                self.at += letter.len_utf8();
            }
        }
    }

    /// Takes a key. False: it means nothing here.
    pub(crate) fn press(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => {
                self.text.drain(..self.at);
                self.at = 0;
            }
            KeyCode::Char('w') if control => {
                let before = self.text[..self.at].trim_end();
                let from = before.rfind(' ').map_or(0, |space| space + 1);
                self.text.drain(from..self.at);
                self.at = from;
            }
            KeyCode::Char('a') if control => self.at = 0,
            KeyCode::Char('e') if control => self.at = self.text.len(),
            KeyCode::Char(letter) if !control => self.insert(&letter.to_string()),
            KeyCode::Backspace => {
                if let Some(before) = self.before() {
                    self.at -= before.len_utf8();
                    self.text.remove(self.at);
                }
            }
            KeyCode::Delete if self.at < self.text.len() => {
                self.text.remove(self.at);
            }
            KeyCode::Left => self.at -= self.before().map_or(0, char::len_utf8),
            KeyCode::Right => self.at += self.text[self.at..].chars().next().map_or(0, char::len_utf8),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = self.text.len(),
            _ => return false,
        }
        true
    }

    fn before(&self) -> Option<char> {
        self.text[..self.at].chars().next_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(field: &mut Field, keys: &[KeyCode]) {
        keys.iter().for_each(|&key| assert!(field.press(KeyEvent::new(key, KeyModifiers::NONE)), "{key:?}"));
    }

    #[test]
    fn text_is_written_and_changed_at_the_cursor() {
        let mut field = Field::new("über");
        pressed(&mut field, &[KeyCode::Home, KeyCode::Delete, KeyCode::Char('ü'), KeyCode::Left]);
        assert_eq!(field.halves(), ("", "über"));
        pressed(
            &mut field,
            &[KeyCode::Left, KeyCode::Backspace, KeyCode::End, KeyCode::Right, KeyCode::Backspace],
        );
        assert_eq!((field.text(), field.halves().1), ("übe", ""));
        field.press(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(field.text(), "");
    }

    #[test]
    fn what_is_pasted_is_one_line_and_no_longer_than_a_link() {
        let mut field = Field::default();
        field.insert("\nmagnet:?xt=a\r\n");
        assert_eq!(field.text(), "magnet:?xt=a");
        field.insert("\u{1b}[2J b");
        assert_eq!(field.text(), "magnet:?xt=a [2J b");
        field.insert(&"x".repeat(2 * BYTES_MAX));
        assert_eq!(field.text().len(), BYTES_MAX);
        assert!(!field.press(KeyEvent::new(KeyCode::F(5), KeyModifiers::NONE)));
    }
}
