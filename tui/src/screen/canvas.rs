//! What is drawn on the terminal, and the bytes to send to change it.
//!
//! Invariant: erasing counts the rows that the drawn lines take at the present width of the
//! terminal. A terminal that gets narrower breaks lines; a terminal that gets wider joins them
//! again.

use std::env;

use crate::layout::{line::Line, room, width_of};

/// The size of a terminal, in columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: u16,
    pub(super) rows: u16,
}

/// The drawn lines. The cursor stands at the beginning of the row below them.
#[derive(Debug)]
pub(super) struct Canvas {
    drawn: Vec<String>,
    /// The width that the lines were drawn for.
    columns: u16,
    colour: bool,
    /// Whether the terminal breaks existing lines when it gets narrower. If not, it cuts them.
    reflows: bool,
}

impl Canvas {
    /// A canvas with nothing drawn.
    pub(super) fn new(colour: bool, reflows: bool) -> Canvas {
        Canvas { drawn: Vec::new(), columns: 0, colour, reflows }
    }

    /// Forgets the drawn lines: the terminal no longer shows them at the cursor.
    pub(super) fn forget(&mut self) {
        self.drawn.clear();
    }

    /// The bytes that erase all drawn lines.
    pub(super) fn erase(&mut self, size: Size) -> String {
        let rows = self.rows_above(size);
        self.drawn.clear();
        up(rows) + &blank(rows)
    }

    /// The bytes that draw `lines` in place of the drawn ones, as many as the rows allow.
    pub(super) fn draw(&mut self, size: Size, lines: Vec<Line>) -> String {
        // At the same width each line is drawn over the old one, which does not flicker. After a
        // change of width the old lines may be broken, so they are erased first.
        let in_place = self.columns == size.columns;
        let rows = self.rows_above(size);
        let mut text = if in_place { up(rows) } else { self.erase(size) };
        let lines = as_many_as_fit(lines, usize::from(size.rows.saturating_sub(1)));
        let left_over = if in_place { rows.saturating_sub(lines.len()) } else { 0 };
        self.drawn.clear();
        self.columns = size.columns;
        for line in lines {
            let line = line.cut(room(size.columns));
            // Clears the whole line first. If it cleared behind a shorter text instead, some
            // terminals would count the cleared columns when they break lines.
            text += &format!("{CLEAR}{}\r\n", line.painted(self.colour));
            self.drawn.push(line.text());
        }
        text + &blank(left_over)
    }

    /// Rows from the first drawn line to the cursor. Rows scrolled off the upper edge cannot be
    /// reached and do not count.
    fn rows_above(&self, size: Size) -> usize {
        let rows = |line: &String| if self.reflows { rows(line, size.columns) } else { 1 };
        self.drawn.iter().map(rows).sum::<usize>().min(usize::from(size.rows.saturating_sub(1)))
    }
}

/// Clears the row of the cursor.
const CLEAR: &str = "\u{1b}[2K";

/// Moves the cursor up by `rows` rows, to the beginning of the row.
fn up(rows: usize) -> String {
    if rows == 0 { String::new() } else { format!("\u{1b}[{rows}A\r") }
}

/// Clears `rows` rows, and moves the cursor back to the first of them. It clears row by row,
/// because some terminals save text that is cleared at once for scrolling back.
fn blank(rows: usize) -> String {
    if rows == 0 {
        return String::new();
    }
    let cleared = vec![CLEAR; rows].join("\u{1b}[B");
    cleared + &up(rows - 1)
}

/// The lines, if they fit into `rows`. Otherwise the first lines, and a line with the number of the
/// others.
fn as_many_as_fit(mut lines: Vec<Line>, rows: usize) -> Vec<Line> {
    if lines.len() > rows {
        let shown = rows.saturating_sub(1);
        let more = format!("… and {} lines more", lines.len() - shown);
        lines.truncate(shown);
        lines.extend((rows > 0).then(|| Line::plain(more)));
    }
    lines
}

/// Rows that a line takes on a terminal of `columns` columns. A letter of two columns is not
/// broken.
fn rows(line: &str, columns: u16) -> usize {
    let (mut rows, mut column) = (1, 0);
    for letter in line.chars() {
        if column + width_of(letter) > usize::from(columns.max(1)) {
            rows += 1;
            column = 0;
        }
        column += width_of(letter);
    }
    rows
}

/// Whether the terminal breaks lines when it gets narrower. Most terminals do, and so does tmux on
/// any terminal. xterm, rxvt, screen and the Linux console cut them.
pub(super) fn reflows(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name| variable(name).is_some();
    let kind = variable("TERM").unwrap_or_default();
    is_set("TMUX")
        || !(is_set("XTERM_VERSION") || is_set("STY") || kind.starts_with("rxvt") || kind == "linux")
}

/// The value of an environment variable.
pub(super) fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Size = Size { columns: 40, rows: 10 };
    const NARROW: Size = Size { columns: 15, rows: 10 };

    fn lines(texts: &[&str]) -> Vec<Line> {
        texts.iter().map(|text| Line::plain(*text)).collect()
    }

    fn canvas() -> Canvas {
        Canvas::new(false, true)
    }

    #[test]
    fn lines_are_drawn_over_those_before() {
        let mut canvas = canvas();
        assert_eq!(canvas.draw(WIDE, lines(&["a", "b"])), "\u{1b}[2Ka\r\n\u{1b}[2Kb\r\n");
        assert_eq!(canvas.draw(WIDE, lines(&["c"])), "\u{1b}[2A\r\u{1b}[2Kc\r\n\u{1b}[2K");
        assert_eq!(canvas.erase(WIDE), "\u{1b}[1A\r\u{1b}[2K");
        assert_eq!(canvas.erase(WIDE), "", "there is nothing any more");
    }

    #[test]
    fn lines_that_a_narrower_terminal_broke_are_erased_with_all_their_rows() {
        let mut canvas = canvas();
        canvas.draw(WIDE, lines(&["thirty-one columns are too many", "short"]));
        let text = canvas.draw(NARROW, lines(&["x"]));
        let cleared = "\u{1b}[2K\u{1b}[B\u{1b}[2K\u{1b}[B\u{1b}[2K\u{1b}[B\u{1b}[2K\u{1b}[3A\r";
        assert_eq!(text, format!("\u{1b}[4A\r{cleared}\u{1b}[2Kx\r\n"), "three rows and one");
        let mut canvas = Canvas::new(false, false);
        canvas.draw(WIDE, lines(&["thirty-one columns are too many", "short"]));
        let text = canvas.erase(NARROW);
        assert_eq!(
            text, "\u{1b}[2A\r\u{1b}[2K\u{1b}[B\u{1b}[2K\u{1b}[1A\r",
            "where they are cut, they stay two"
        );
    }

    #[test]
    fn no_line_reaches_the_last_column() {
        let mut canvas = canvas();
        let text = canvas.draw(NARROW, lines(&["exactly fifteen"]));
        assert!(text.contains("exactly fifte…"), "{text:?}");
        assert!(canvas.drawn.iter().all(|line| line.chars().count() == 14), "{:?}", canvas.drawn);
    }

    #[test]
    fn there_are_never_more_lines_than_rows() {
        let mut canvas = canvas();
        let size = Size { columns: 40, rows: 4 };
        canvas.draw(size, lines(&["1", "2", "3", "4", "5"]));
        assert_eq!(canvas.drawn, ["1", "2", "… and 3 lines more"]);
        let text = canvas.erase(Size { columns: 1, rows: 4 });
        assert!(text.starts_with("\u{1b}[3A"), "not beyond the upper edge: {text:?}");
        canvas.draw(Size { columns: 40, rows: 1 }, lines(&["1", "2"]));
        assert!(canvas.drawn.is_empty());
    }

    #[test]
    fn letters_of_two_columns_are_not_broken() {
        assert_eq!(rows("", 10), 1);
        assert_eq!(rows("0123456789", 10), 1);
        assert_eq!(rows("0123456789a", 10), 2);
        assert_eq!(rows("非常に長い", 5), 3);
        assert_eq!(rows("abc", 0), 3);
    }

    #[test]
    fn terminals_that_cut_are_known() {
        let of = |variables: &[(&str, &str)]| {
            let variables: Vec<(String, String)> =
                variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            reflows(move |name| {
                variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            })
        };
        assert!(of(&[("TERM", "xterm-256color")]), "most call themselves so");
        assert!(!of(&[("TERM", "xterm-256color"), ("XTERM_VERSION", "XTerm(390)")]));
        assert!(!of(&[("TERM", "rxvt-unicode")]) && !of(&[("TERM", "screen"), ("STY", "1.x")]));
        assert!(of(&[("TERM", "screen"), ("TMUX", "/tmp/x"), ("XTERM_VERSION", "XTerm(390)")]));
    }
}
