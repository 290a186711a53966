//! The list of downloads. Only rows that are seen are built.

use ratatui::layout::Rect;

use super::{
    pen::Pen,
    rows::{self, Cell},
};
use crate::{
    app::{
        columns::{Column, Way, fit},
        entry::{Entry, Status},
        model::Model,
        plan::Plan,
        theme::{Glyphs, Role},
    },
    units::{Bytes, Rate, Span, percent},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    Mark,
    Name,
    State,
    Bar,
    Percent,
    Size,
    Down,
    Up,
    Left,
    FromPeers,
    Neighbours,
}

const fn column(shows: Shows, title: &'static str, width: u16, way: Way, rank: u8) -> Column<Shows> {
    Column { shows, title, width, way, rank }
}

/// Name, percent, rate and time left are there at every width.
const COLUMNS: [Column<Shows>; 11] = [
    column(Shows::Mark, "", 1, Way::Left, 0),
    column(Shows::Name, "name", 12, Way::Stretch, 0),
    column(Shows::State, "state", 9, Way::Left, 7),
    column(Shows::Bar, "", 10, Way::Left, 4),
    column(Shows::Percent, "", 4, Way::Right, 0),
    column(Shows::Size, "size", 7, Way::Right, 5),
    column(Shows::Down, "down", 9, Way::Right, 0),
    column(Shows::Up, "up", 9, Way::Right, 6),
    column(Shows::Left, "left", 7, Way::Right, 1),
    column(Shows::FromPeers, "by peers", 8, Way::Right, 3),
    column(Shows::Neighbours, "near+far", 8, Way::Right, 8),
];

pub(super) fn draw(pen: &mut Pen<'_>, model: &Model, plan: &Plan) {
    let (body, list) = (plan.body, plan.list());
    let room = body.width.saturating_sub(2);
    if model.downloads.shown() == 0 {
        return draw_empty(pen, model, list);
    }
    let columns = fit(&COLUMNS, room);
    rows::heading(pen, Rect::new(1, body.y, room, 1), &columns);
    let has_state = columns.iter().any(|shown| shown.column.shows == Shows::State);
    let (cursor, height) = (model.downloads.cursor, usize::from(list.height));
    for (y, entry) in (list.y..).zip(model.downloads.rows(cursor.top, height)) {
        let glyphs = pen.glyphs();
        rows::row(pen, 1, y, &columns, |shows| cell(shows, entry, glyphs, has_state));
        if usize::from(y - list.y) + cursor.top == cursor.at {
            pen.paint(Rect::new(0, y, body.width, 1), Role::Selected);
        }
    }
}

fn draw_empty(pen: &mut Pen<'_>, model: &Model, list: Rect) {
    let room = list.width.saturating_sub(4);
    let lines: [(Role, &str); 3] = match model.downloads.len() {
        0 => [
            (Role::Strong, "Nothing is downloaded yet."),
            (Role::Text, "a adds a magnet link, a .torrent file or a URL of one; pasting does, too."),
            (Role::Text, "4 shows the .torrent files that lie at hand. ? shows all keys."),
        ],
        _ => [
            (Role::Strong, "No name has these words."),
            (Role::Text, "/ changes them, and Esc shows all downloads again."),
            (Role::Text, ""),
        ],
    };
    for (y, (role, text)) in (list.y + 1..list.bottom()).zip(lines) {
        pen.write(2, y, room, text, role);
    }
}

/// The mark of a state.
pub(super) fn mark(status: Status, glyphs: &Glyphs) -> String {
    glyphs.states[status as usize].to_string()
}

fn cell(shows: Shows, entry: &Entry, glyphs: &Glyphs, has_state: bool) -> Cell {
    let status = entry.status();
    let none = || Cell::dim(glyphs.none);
    let (have, total) = (entry.have(), entry.total());
    match shows {
        Shows::Mark => Cell::Text(status.role(), mark(status, glyphs)),
        Shows::Name => Cell::text(&entry.name),
        Shows::State => Cell::Text(status.role(), status.word().to_owned()),
        Shows::Bar => Cell::Bar(if have == total { Role::Good } else { Role::Peers }, have, total),
        Shows::Percent if total == 0 => none(),
        Shows::Percent => Cell::text(format!("{}%", percent(have, total))),
        Shows::Size if total == 0 => none(),
        Shows::Size => Cell::text(Bytes(total).to_string()),
        Shows::Down => match entry.down() {
            Some(rate) => Cell::text(Rate(rate).to_string()),
            // Where there is no column for the state, its word stands here.
            None if has_state || status == Status::Getting => none(),
            None => Cell::Text(status.role(), status.word().to_owned()),
        },
        Shows::Up => entry.up().map_or_else(none, |rate| Cell::text(Rate(rate).to_string())),
        Shows::Left => entry.left().map_or_else(none, |left| Cell::text(Span(left).to_string())),
        Shows::FromPeers => match entry.peers_share() {
            Some((part, total)) => Cell::text(format!("{}%", percent(part, total))),
            None => none(),
        },
        Shows::Neighbours => match entry.neighbours() {
            [0, 0, _] => none(),
            [near, far, _] => Cell::text(format!("{near}+{far}")),
        },
    }
}
