//! One line on a terminal: parts of text, each with a paint.

use nearcast_core::paths::printable;
use ratatui::{
    style::{Color, Modifier, Style},
    text::{self, Span},
};

use super::{cut, width};

/// How a part of a line looks. Words always tell the same as the paint, so colour alone never
/// matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Default text.
    Plain,
    /// A bar.
    Bar,
    /// Headings and sums. Bold, not coloured, so it works without colours.
    Strong,
    /// Something complete.
    Good,
    /// Something wrong.
    Bad,
}

impl From<Paint> for Style {
    fn from(paint: Paint) -> Style {
        match paint {
            Paint::Plain => Style::new(),
            Paint::Bar => Style::new().fg(Color::Cyan),
            Paint::Strong => Style::new().add_modifier(Modifier::BOLD),
            Paint::Good => Style::new().fg(Color::Green),
            Paint::Bad => Style::new().fg(Color::Red),
        }
    }
}

/// The codes of a style for the terminal (ECMA-48, SGR); empty for unpainted text. It knows only
/// the styles that [`Paint`] makes.
fn codes(style: Style, colour: bool) -> Vec<u8> {
    let weight = style.add_modifier.contains(Modifier::BOLD).then_some(1);
    let hue = style.fg.filter(|_| colour).and_then(|hue| match hue {
        Color::Red => Some(31),
        Color::Green => Some(32),
        Color::Cyan => Some(36),
        _ => None,
    });
    weight.into_iter().chain(hue).collect()
}

/// One line, not padded to the width of the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line(text::Line<'static>);

impl Line {
    /// A line of unpainted text.
    pub(crate) fn plain(text: impl Into<String>) -> Line {
        Line::default().with(Paint::Plain, text)
    }

    /// Appends a part.
    pub(crate) fn with(mut self, paint: Paint, text: impl Into<String>) -> Line {
        self.0.push_span(Span::styled(text.into(), paint));
        self
    }

    /// Puts an indent in front.
    pub(crate) fn indented(mut self, indent: &str) -> Line {
        self.0.spans.insert(0, Span::raw(indent.to_owned()));
        self
    }

    /// Columns that the line takes.
    pub(crate) fn width(&self) -> usize {
        self.0.spans.iter().map(|part| width(&part.content)).sum()
    }

    /// The line in at most `columns` columns. A `…` marks the cut.
    pub(crate) fn cut(mut self, columns: usize) -> Line {
        if self.width() <= columns {
            return self;
        }
        let mut left = columns;
        self.0.spans.retain_mut(|part| {
            // The mark stands where text was cut, also between two parts.
            let more = width(&part.content) >= left;
            if more {
                part.content = cut(&format!("{} ", part.content), left).into();
            }
            let taken = width(&part.content);
            let kept = taken > 0;
            left = if more { 0 } else { left - taken };
            kept
        });
        self
    }

    /// The text without paint.
    pub(crate) fn text(&self) -> String {
        self.0.spans.iter().map(|part| part.content.as_ref()).collect()
    }

    /// The bytes for a terminal. Text from strangers cannot send commands to the terminal.
    pub(crate) fn painted(&self, colour: bool) -> String {
        let painted = |part: &Span<'_>| {
            let text = printable(&part.content);
            let codes: Vec<String> = codes(part.style, colour).iter().map(u8::to_string).collect();
            if codes.is_empty() { text } else { format!("\u{1b}[{}m{text}\u{1b}[0m", codes.join(";")) }
        };
        self.0.spans.iter().map(painted).collect()
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
