//! The help: the table of keys.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::app::{keys::TABLE, theme::Role};

/// Columns for the keys.
const KEYS: u16 = 8;

pub(super) fn draw(pen: &mut Pen<'_>, area: Rect, top: usize) {
    // The end of the table stays at the lower edge.
    let top = top.min(TABLE.len().saturating_sub(usize::from(area.height)));
    for (y, row) in (area.y..area.bottom()).zip(&TABLE[top..]) {
        let shown = if pen.glyphs().wide { row.shown } else { row.shown.split(' ').next().unwrap_or("") };
        pen.write(area.x, y, KEYS, shown, Role::Key);
        let x = area.x.saturating_add(KEYS + 1);
        pen.write(x, y, area.right().saturating_sub(x), row.help, Role::Text);
    }
}
