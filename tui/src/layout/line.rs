//! A line of a terminal: parts of text, and how each is painted.

use nearcast_core::paths::printable;

use super::{cut, width};

/// How a part of a line looks. Never the only thing that tells: what is right or wrong says so in words, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Like everything else.
    Plain,
    /// A bar.
    Bar,
    /// Headings and sums: a weight and not a colour, so it stays where colours are unwanted.
    Strong,
    /// What is done.
    Good,
    /// What is wrong.
    Bad,
}

impl Paint {
    /// The number that terminals know it by (ECMA-48, SGR); none for what is not painted.
    fn code(self, colour: bool) -> Option<u8> {
        match self {
            Paint::Plain => None,
            Paint::Strong => Some(1),
            _ if !colour => None,
            Paint::Bar => Some(36),
            Paint::Good => Some(32),
            Paint::Bad => Some(31),
        }
    }
}

/// One line. It ends where its text does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<(Paint, String)>);

impl Line {
    /// A line that is not painted.
    pub(crate) fn plain(text: impl Into<String>) -> Line {
        Line::default().with(Paint::Plain, text)
    }

    /// The same with a part more.
    pub(crate) fn with(mut self, paint: Paint, text: impl Into<String>) -> Line {
        self.0.push((paint, text.into()));
        self
    }

    /// The same with something before it.
    pub(crate) fn indented(mut self, indent: &str) -> Line {
        self.0.insert(0, (Paint::Plain, indent.to_owned()));
        self
    }

    /// Columns it takes.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// As much of it as fits into so many columns; what is cut off is marked.
    pub(crate) fn cut(mut self, columns: usize) -> Line {
        if self.width() <= columns {
            return self;
        }
        let mut left = columns;
        self.0.retain_mut(|(_, text)| {
            // The mark stands where the text went on, also if that is between two parts.
            let more = width(text) >= left;
            *text = if more { cut(&format!("{text} "), left) } else { text.clone() };
            let taken = width(text);
            let kept = taken > 0;
            left = if more { 0 } else { left - taken };
            kept
        });
        self
    }

    /// What it says.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// What is sent to a terminal, which nothing that strangers wrote can command.
    pub(crate) fn painted(&self, colour: bool) -> String {
        let painted = |(paint, text): &(Paint, String)| match paint.code(colour) {
            Some(code) => format!("\u{1b}[{code}m{}\u{1b}[0m", printable(text)),
            None => printable(text),
        };
        self.0.iter().map(painted).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_across_its_parts() {
        let line = || Line::plain("name ").with(Paint::Bar, "████").with(Paint::Plain, " 50%");
        assert_eq!(line().cut(13), line());
        assert_eq!(line().cut(12).text(), "name ████ 5…");
        assert_eq!(line().cut(9).text(), "name ███…");
        assert_eq!(line().cut(7).text(), "name █…");
        assert_eq!(line().cut(3).text(), "na…");
        assert_eq!(line().cut(0).text(), "");
        for columns in 0..14 {
            assert!(line().cut(columns).width() <= columns);
        }
    }

    #[test]
    fn colours_are_left_out_where_nobody_wants_them_and_escapes_always() {
        let line = Line::plain("a\u{1b}[2J").with(Paint::Good, "b").with(Paint::Strong, "c");
        assert_eq!(line.painted(true), "a\\u{1b}[2J\u{1b}[32mb\u{1b}[0m\u{1b}[1mc\u{1b}[0m");
        assert_eq!(line.painted(false), "a\\u{1b}[2Jb\u{1b}[1mc\u{1b}[0m");
    }
}
