//! Fits text to the terminal: the first of several shapes that fits, parts that flow from line to
//! line, and tables ([`table`]) that leave columns out.
//!
//! The last column stays empty, because terminals wrap a line that fills it. So all functions take
//! the room that text may use ([`room`]), not the width of the terminal.

pub(crate) mod line;
pub(crate) mod table;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use self::line::Line;
use crate::units::percent;

/// Width assumed where none is known: for files, and for terminals that do not tell it.
pub(crate) const COLUMNS: u16 = 80;

/// Columns that text may use on a terminal of `columns` columns.
pub(crate) fn room(columns: u16) -> usize {
    usize::from(columns.saturating_sub(1))
}

/// Columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Columns that a letter takes.
pub(crate) fn width_of(letter: char) -> usize {
    letter.width().unwrap_or_default()
}

/// A text in at most `columns` columns. A `…` marks the cut.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        if width(&short) + width_of(letter) + 1 > columns {
            break;
        }
        short.push(letter);
    }
    if columns > 0 {
        short.push('…');
    }
    short
}

/// Full blocks for the part that is done. The last block is full only when all is done.
pub(crate) fn bar(part: u64, total: u64, columns: usize) -> String {
    let full = usize::from(percent(part, total)) * columns / 100;
    format!("{}{}", "█".repeat(full), "░".repeat(columns - full))
}

/// The first line that fits into `room`. If none fits: the last line, cut.
pub(crate) fn first_that_fits(lines: impl IntoIterator<Item = Line>, room: usize) -> Line {
    let mut last = Line::default();
    for line in lines {
        if line.width() <= room {
            return line;
        }
        last = line;
    }
    last.cut(room)
}

/// Parts joined by commas, as many on a line as fit. Lines after the first are indented. A part too
/// long for any line gets its own line and is not cut, so that people can copy paths and keys.
pub(crate) fn flow(parts: &[String], room: usize) -> Vec<String> {
    flow_from("", parts, room)
}

/// Like [`flow`], with the first line indented too, as it belongs to the line above.
pub(crate) fn flow_below(parts: &[String], room: usize) -> Vec<String> {
    flow_from(INDENT, parts, room)
}

fn flow_from(indent: &str, parts: &[String], room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if width(line) + 2 + width(part) <= room => {
                line.push_str(", ");
                line.push_str(part);
            }
            Some(_) => lines.push(format!("{INDENT}{part}")),
            None => lines.push(format!("{indent}{part}")),
        }
    }
    lines
}

/// Indentation of a line that belongs to the line above.
pub(crate) const INDENT: &str = "  ";

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The terminal widths that tests draw at.
    pub(crate) const WIDTHS: [u16; 5] = [120, 100, 80, 60, 40];

    #[test]
    fn texts_are_cut_by_the_columns_they_take() {
        assert_eq!(cut("short", 24), "short");
        assert_eq!(cut("非常に長い", 6), "非常…");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcdef", 0), "");
    }

    #[test]
    fn a_bar_is_full_only_when_everything_is_there() {
        assert_eq!(bar(0, 10, 4), "░░░░");
        assert_eq!(bar(999, 1000, 4), "███░");
        assert_eq!(bar(10, 10, 4), "████");
    }

    #[test]
    fn parts_flow_and_a_long_one_stays_whole() {
        let parts = ["season: 1 GB", "in 3 s", "80% from peers", "in /a/rather/long/path/to/somewhere"];
        let lines = flow(&parts.map(str::to_owned), 24);
        assert_eq!(
            lines,
            ["season: 1 GB, in 3 s", "  80% from peers", "  in /a/rather/long/path/to/somewhere"]
        );
        assert!(flow(&[], 24).is_empty());
        assert_eq!(flow_below(&["a".to_owned(), "b".to_owned()], 24), ["  a, b"]);
    }

    #[test]
    fn the_first_line_that_fits_is_taken_and_the_last_one_is_cut() {
        let lines = || ["a long line", "a short", "tiny"].map(Line::plain);
        assert_eq!(first_that_fits(lines(), 11).text(), "a long line");
        assert_eq!(first_that_fits(lines(), 10).text(), "a short");
        assert_eq!(first_that_fits(lines(), 3).text(), "ti…");
    }
}
