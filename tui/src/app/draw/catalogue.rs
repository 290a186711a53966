//! What could be added.

use ratatui::layout::Rect;

use super::{
    pen::Pen,
    rows::{self, Cell},
};
use crate::{
    app::{
        catalogue::{Item, Search},
        columns::{Column, Way, fit},
        model::Model,
        plan::Plan,
        theme::{Glyphs, Role},
    },
    units::Bytes,
};

#[derive(Clone, Copy)]
enum Shows {
    Mark,
    Name,
    Size,
    Files,
    Signed,
    Folder,
}

const COLUMNS: [Column<Shows>; 6] = [
    Column { shows: Shows::Mark, title: "", width: 1, way: Way::Left, rank: 0 },
    Column { shows: Shows::Name, title: "name", width: 14, way: Way::Stretch, rank: 0 },
    Column { shows: Shows::Size, title: "size", width: 7, way: Way::Right, rank: 0 },
    Column { shows: Shows::Files, title: "files", width: 6, way: Way::Right, rank: 1 },
    Column { shows: Shows::Signed, title: "signed", width: 6, way: Way::Left, rank: 2 },
    Column { shows: Shows::Folder, title: "in", width: 24, way: Way::Left, rank: 3 },
];

pub(super) fn draw(pen: &mut Pen<'_>, model: &Model, plan: &Plan) {
    let (body, list) = (plan.body, plan.list());
    let room = body.width.saturating_sub(2);
    if model.catalogue.shown() == 0 {
        return draw_empty(pen, model, list);
    }
    let columns = fit(&COLUMNS, room);
    rows::heading(pen, Rect::new(1, body.y, room, 1), &columns);
    let cursor = model.catalogue.cursor;
    for (y, item) in (list.y..).zip(model.catalogue.rows(cursor.top, usize::from(list.height))) {
        let is_open = model.downloads.get(item.offer.content).is_some();
        let glyphs = pen.glyphs();
        rows::row(pen, 1, y, &columns, |shows| cell(shows, item, is_open, glyphs));
        if usize::from(y - list.y) + cursor.top == cursor.at {
            pen.paint(Rect::new(0, y, body.width, 1), Role::Selected);
        }
    }
}

fn cell(shows: Shows, item: &Item, is_open: bool, glyphs: &Glyphs) -> Cell {
    let offer = &item.offer;
    match shows {
        Shows::Mark if is_open => Cell::Text(Role::Good, glyphs.states[7].to_string()),
        Shows::Mark => Cell::text(" "),
        Shows::Name => Cell::text(&item.name),
        Shows::Size => Cell::text(Bytes(offer.bytes).to_string()),
        Shows::Files => Cell::text(offer.files.to_string()),
        Shows::Signed if offer.signed > 0 => Cell::text("yes"),
        Shows::Signed => Cell::dim(glyphs.none),
        Shows::Folder => Cell::dim(&item.folder),
    }
}

fn draw_empty(pen: &mut Pen<'_>, model: &Model, list: Rect) {
    let room = list.width.saturating_sub(4);
    let lines: &[&str] = match (model.catalogue.state, model.catalogue.len()) {
        (Search::Never | Search::Running, _) => &["The folders are looked through."],
        (Search::Done, 0) => &[
            "No .torrent file lies in the folder that downloads go to, nor in the",
            "present folder. r looks again.",
            "",
            "Seeders and trackers tell who has a content. They do not list what",
            "there is, so links come from elsewhere: a web page, a mail, a friend.",
        ],
        (Search::Done, _) => &["No name has these words. / changes them, and Esc shows all again."],
    };
    for (y, text) in (list.y + 1..list.bottom()).zip(lines) {
        pen.write(2, y, room, text, Role::Text);
    }
}
