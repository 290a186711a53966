//! Questions, in a box above the view.

use ratatui::layout::Rect;

use super::{edges::draw_field, help, pen::Pen};
use crate::{
    app::{
        dialog::{Add, Choice, Dialog, Limits, Stage},
        keys::TABLE,
        model::Model,
        theme::Role,
        words::clean,
    },
    units::{Bytes, counted},
};

/// The widest box.
const WIDTH_MAX: u16 = 84;

pub(super) fn draw(pen: &mut Pen<'_>, model: &Model, dialog: &Dialog) {
    match dialog {
        Dialog::Help(top) => {
            let title = if pen.glyphs().wide { "Keys (j k scroll, any other closes)" } else { "Keys" };
            let area = place(pen, TABLE.len() as u16 + 2);
            let inside = pen.boxed(area, title);
            help::draw(pen, inside, *top);
        }
        Dialog::Add(add) => draw_add(pen, add),
        Dialog::Limits(limits) => draw_limits(pen, limits),
        Dialog::Remove(content, name) => {
            let folder =
                model.downloads.get(*content).map(|entry| clean(&entry.wish.folder.to_string_lossy()));
            let folder = folder.filter(|folder| !folder.is_empty()).unwrap_or_else(|| ".".to_owned());
            let stays = format!("Its files stay in {folder}.");
            ask(
                pen,
                "Remove",
                &[(Role::Strong, name), (Role::Text, &stays)],
                &[("y", "remove"), ("n", "keep")],
            );
        }
        Dialog::Quit(running) => {
            let are = if *running == 1 { "runs" } else { "run" };
            let running = format!("{} still {are}.", counted(*running as u32, "download"));
            let then = match model.settings.is_kept {
                true => "What is open goes on the next time.",
                false => "Nothing of this is kept.",
            };
            let lines = [(Role::Strong, running.as_str()), (Role::Text, then)];
            ask(pen, "Quit", &lines, &[("q", "quit"), ("n", "stay")]);
        }
    }
}

/// The place of a box of so many rows, in the middle.
fn place(pen: &Pen<'_>, rows: u16) -> Rect {
    let area = pen.area();
    let width = area.width.saturating_sub(2).min(WIDTH_MAX);
    let height = rows.min(area.height.saturating_sub(2));
    Rect::new((area.width - width) / 2, (area.height - height) / 2, width, height)
}

/// A question with a few lines and a few answers.
fn ask(pen: &mut Pen<'_>, title: &str, lines: &[(Role, &str)], answers: &[(&str, &str)]) {
    let area = place(pen, lines.len() as u16 + 4);
    let inside = pen.boxed(area, title);
    for (y, (role, text)) in (inside.y..inside.bottom()).zip(lines) {
        pen.write(inside.x, y, inside.width, text, *role);
    }
    draw_answers(pen, inside, answers);
}

/// The keys that answer, in the last row.
fn draw_answers(pen: &mut Pen<'_>, inside: Rect, answers: &[(&str, &str)]) {
    let Some(y) = inside.bottom().checked_sub(1) else { return };
    pen.clear(Rect { y, height: 1, ..inside });
    let mut x = inside.x;
    for (key, does) in answers {
        let room = |x: u16| inside.right().saturating_sub(x);
        x = pen.write(x, y, room(x), key, Role::Key);
        x = pen.write(x, y, room(x), &format!(" {does}"), Role::Dim) + 2;
    }
}

fn draw_add(pen: &mut Pen<'_>, add: &Add) {
    let rows = match &add.stage {
        Stage::Choosing(choice) => (choice.files().max(1) as u16).saturating_add(8),
        Stage::Writing | Stage::Looking => 8,
    };
    let area = place(pen, rows);
    let inside = pen.boxed(area, "Add");
    let answers: &[(&str, &str)] = match &add.stage {
        Stage::Writing => &[("Enter", "look"), ("Tab", "folder"), ("Esc", "close")],
        Stage::Looking => &[("Esc", "close")],
        Stage::Choosing(_) if add.on_folder => &[("Enter", "back to the files")],
        Stage::Choosing(choice) if choice.files() > 1 => &[
            ("Enter", "begin"),
            ("Space", "choose"),
            ("a", "all, none"),
            ("Tab", "folder"),
            ("Esc", "close"),
        ],
        Stage::Choosing(_) => &[("Enter", "begin"), ("Tab", "folder"), ("Esc", "close")],
    };
    let mut y = inside.y;
    match &add.stage {
        Stage::Choosing(choice) => draw_choice(pen, add, choice, inside),
        Stage::Writing | Stage::Looking => {
            let looking = matches!(add.stage, Stage::Looking);
            pen.write(inside.x, y, inside.width, "Link, .torrent file or URL:", Role::Dim);
            let place = (inside.x, y + 1, inside.width);
            draw_field(pen, place, add.text.halves(), !add.on_folder && !looking);
            y += 2;
            draw_folder(pen, add, inside, y);
            if looking {
                pen.write(inside.x, y + 2, inside.width, "It is read, or fetched.", Role::Dim);
            }
            draw_error(pen, add.error.as_deref(), inside, y + 2);
        }
    }
    draw_answers(pen, inside, answers);
}

fn draw_folder(pen: &mut Pen<'_>, add: &Add, inside: Rect, y: u16) {
    let x = pen.write(inside.x, y, inside.width, "into: ", Role::Dim);
    let room = inside.right().saturating_sub(x);
    draw_field(pen, (x, y, room), add.folder.halves(), add.on_folder);
}

fn draw_error(pen: &mut Pen<'_>, error: Option<&str>, inside: Rect, y: u16) {
    if let Some(error) = error.filter(|_| y < inside.bottom()) {
        pen.write(inside.x, y, inside.width, error, Role::Bad);
    }
}

fn draw_choice(pen: &mut Pen<'_>, add: &Add, choice: &Choice, inside: Rect) {
    let name = choice.manifest.as_ref().map(|manifest| manifest.name()).or(choice.named.name());
    let name = name.map_or_else(|| choice.named.content().to_string(), clean);
    pen.write(inside.x, inside.y, inside.width, &name, Role::Strong);
    draw_folder(pen, add, inside, inside.y + 1);
    let Some(manifest) = &choice.manifest else {
        let text = "Peers are asked for the list of files. Enter begins with all of them now.";
        pen.write(inside.x, inside.y + 3, inside.width, text, Role::Text);
        return draw_error(pen, add.error.as_deref(), inside, inside.y + 4);
    };
    let (count, bytes) = choice.wanted();
    let all = counted(choice.files() as u32, "file");
    let sum = format!("{count} of {all}, {}", Bytes(bytes));
    match &add.error {
        Some(error) => draw_error(pen, Some(error), inside, inside.y + 2),
        None => {
            pen.write(inside.x, inside.y + 2, inside.width, &sum, Role::Dim);
        }
    }
    let list = Rect { y: inside.y + 3, height: inside.height.saturating_sub(5), ..inside };
    let files = manifest.files().iter().enumerate().skip(top(choice, list.height));
    for (y, (at, file)) in (list.y..list.bottom()).zip(files) {
        let ticks = pen.glyphs().ticks;
        let x = pen.write(list.x, y, list.width, ticks[usize::from(choice.wants(at))], Role::Key) + 1;
        let size = Bytes(file.length).to_string();
        let room = list.right().saturating_sub(x).saturating_sub(size.len() as u16 + 2);
        pen.write(x, y, room, &clean(file.path.as_str()), Role::Text);
        pen.write_right(list.x, y, list.width, &size, Role::Dim);
        if at == choice.cursor.at && !add.on_folder {
            pen.paint(Rect { y, height: 1, ..list }, Role::Selected);
        }
    }
}

/// The first file that is drawn, so that the chosen one is among those that are.
fn top(choice: &Choice, rows: u16) -> usize {
    let mut cursor = choice.cursor;
    cursor.follow(choice.files(), usize::from(rows));
    cursor.top
}

fn draw_limits(pen: &mut Pen<'_>, limits: &Limits) {
    let area = place(pen, limits.count() as u16 + 7);
    let inside = pen.boxed(area, "Limits");
    pen.write(inside.x, inside.y, inside.width, "Like 5M, 800k or 40Mbit. Empty: no limit.", Role::Dim);
    let labels = ["all, down", "all, up", "this one, down", "this one, up"];
    for (at, label) in labels.into_iter().enumerate().take(limits.count()) {
        let y = inside.y + 2 + at as u16;
        if y < inside.bottom() {
            pen.write(inside.x, y, 16, label, if at == limits.at { Role::Strong } else { Role::Text });
            let place = (inside.x + 17, y, inside.width.saturating_sub(17));
            draw_field(pen, place, limits.fields[at].halves(), at == limits.at);
        }
    }
    let y = inside.y + 2 + limits.count() as u16;
    match (&limits.error, &limits.one) {
        (Some(error), _) => draw_error(pen, Some(error), inside, y),
        (None, Some((_, name))) if y + 1 < inside.bottom() => {
            pen.write(inside.x, y, inside.width, &format!("this one: {name}"), Role::Dim);
        }
        _ => {}
    }
    draw_answers(pen, inside, &[("Enter", "set"), ("Tab", "next"), ("Esc", "close")]);
}
