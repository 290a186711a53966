//! Rows of lists: a heading, and cells below it.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::app::{
    columns::{Shown, Way},
    theme::Role,
};

/// What stands in a cell.
pub(super) enum Cell {
    Text(Role, String),
    /// A part, and a total.
    Bar(Role, u64, u64),
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Cell {
        Cell::Text(Role::Text, text.into())
    }

    pub(super) fn dim(text: impl Into<String>) -> Cell {
        Cell::Text(Role::Dim, text.into())
    }
}

/// Writes the titles of columns.
pub(super) fn heading<T>(pen: &mut Pen<'_>, area: Rect, columns: &[Shown<T>]) {
    for Shown { column, x, width } in columns {
        let x = area.x.saturating_add(*x);
        match column.way {
            Way::Right => pen.write_right(x, area.y, *width, column.title, Role::Dim),
            Way::Left | Way::Stretch => {
                pen.write(x, area.y, *width, column.title, Role::Dim);
            }
        }
    }
}

/// Writes the cells of one row.
pub(super) fn row<T: Copy>(
    pen: &mut Pen<'_>,
    x: u16,
    y: u16,
    columns: &[Shown<T>],
    cell: impl Fn(T) -> Cell,
) {
    for Shown { column, x: at, width } in columns {
        let x = x.saturating_add(*at);
        match (cell(column.shows), column.way) {
            (Cell::Bar(role, part, total), _) => pen.bar(x, y, *width, (part, total), role),
            (Cell::Text(role, text), Way::Right) => pen.write_right(x, y, *width, &text, role),
            (Cell::Text(role, text), Way::Left | Way::Stretch) => {
                pen.write(x, y, *width, &text, role);
            }
        }
    }
}
