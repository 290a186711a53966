//! Writes text into the frame, by roles.
//!
//! Invariant: nothing is written outside of the frame, and a text that is too long ends with a mark.

use ratatui::{buffer::Buffer, layout::Rect};

use crate::{
    app::{
        chart,
        theme::{Glyphs, Role, Theme},
        words::fitted,
    },
    layout::width,
};

/// A pen over one frame.
pub(super) struct Pen<'a> {
    buffer: &'a mut Buffer,
    theme: &'static Theme,
}

impl<'a> Pen<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, theme: &'static Theme) -> Pen<'a> {
        Pen { buffer, theme }
    }

    /// What the theme draws with.
    pub(super) fn glyphs(&self) -> &'static Glyphs {
        self.theme.glyphs
    }

    /// The whole frame.
    pub(super) fn area(&self) -> Rect {
        self.buffer.area
    }

    /// Writes clean text from `x` on, in at most `columns` columns. Returns the column behind it.
    pub(super) fn write(&mut self, x: u16, y: u16, columns: u16, text: &str, role: Role) -> u16 {
        let area = self.buffer.area;
        if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
            return x;
        }
        let columns = columns.min(area.right() - x);
        let text = fitted(text, usize::from(columns), self.glyphs());
        self.buffer.set_stringn(x, y, text, usize::from(columns), self.theme.look(role)).0
    }

    /// Writes text so that it ends before `x + columns`.
    pub(super) fn write_right(&mut self, x: u16, y: u16, columns: u16, text: &str, role: Role) {
        let taken = (width(text) as u16).min(columns);
        self.write(x.saturating_add(columns - taken), y, taken, text, role);
    }

    /// Writes parts one after another, until `columns` columns are full.
    pub(super) fn parts(&mut self, x: u16, y: u16, columns: u16, parts: &[(Role, &str)]) -> u16 {
        let end = x.saturating_add(columns);
        parts.iter().fold(x, |x, (role, text)| self.write(x, y, end.saturating_sub(x), text, *role))
    }

    /// Writes a bar.
    pub(super) fn bar(&mut self, x: u16, y: u16, columns: u16, (part, total): (u64, u64), role: Role) {
        let (done, rest) = chart::bar(part, total, usize::from(columns), self.glyphs());
        self.parts(x, y, columns, &[(role, &done), (Role::Track, &rest)]);
    }

    /// Paints over what is written in an area.
    pub(super) fn paint(&mut self, area: Rect, role: Role) {
        let look = self.theme.look(role);
        self.buffer.set_style(area.intersection(self.buffer.area), look);
    }

    /// Clears an area.
    pub(super) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                self.buffer[(x, y)].reset();
            }
            // The right half of a wide letter is gone, and so must be its left half.
            if let Some(before) = area.left().checked_sub(1)
                && width(self.buffer[(before, y)].symbol()) > 1
            {
                self.buffer[(before, y)].reset();
            }
        }
    }

    /// Clears an area and draws a box with a title around it. Returns what is inside, with a margin
    /// of one column.
    pub(super) fn boxed(&mut self, area: Rect, title: &str) -> Rect {
        let area = area.intersection(self.buffer.area);
        self.clear(area);
        let [line, wall, corners @ ..] = self.glyphs().lines;
        if area.width < 4 || area.height < 3 {
            return Rect::new(area.x, area.y, area.width, area.height);
        }
        let inner = usize::from(area.width - 2);
        let edge = |from: char, to: char| format!("{from}{}{to}", line.to_string().repeat(inner));
        let (right, below) = (area.right() - 1, area.bottom() - 1);
        self.write(area.x, area.y, area.width, &edge(corners[0], corners[1]), Role::Dim);
        self.write(area.x, below, area.width, &edge(corners[2], corners[3]), Role::Dim);
        for y in area.y + 1..below {
            self.write(area.x, y, 1, &wall.to_string(), Role::Dim);
            self.write(right, y, 1, &wall.to_string(), Role::Dim);
        }
        self.write(area.x + 2, area.y, area.width.saturating_sub(4), &format!(" {title} "), Role::Title);
        Rect::new(area.x + 2, area.y + 1, area.width - 4, area.height - 2)
    }
}
