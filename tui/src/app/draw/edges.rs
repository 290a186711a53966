//! The edges of the screen: views and rates above, a note and hints below.

use super::pen::Pen;
use crate::{
    app::{
        entry::Entry,
        keys,
        model::{Model, NodeState},
        plan::{Plan, View},
        theme::Role,
        words::clean,
    },
    layout::width,
    units::{Bytes, Rate, counted, percent},
};

/// One line for a terminal that is too small for more.
pub(super) fn draw_tiny(pen: &mut Pen<'_>, model: &Model) {
    let sums = model.downloads.sums();
    let [down, _] = pen.glyphs().arrows;
    let share = percent(sums.have, sums.total);
    let count = counted(model.downloads.len() as u32, "download");
    let text = match model.downloads.len() {
        0 => "nearcast".to_owned(),
        _ => format!("{share}% {down}{} {count}", Rate(sums.rates[0])),
    };
    pen.write(0, 0, model.size.0, &text, Role::Text);
}

pub(super) fn draw_header(pen: &mut Pen<'_>, model: &Model, plan: &Plan) {
    let y = plan.header.y;
    for tab in plan.tabs(model.view) {
        let role = if tab.view == model.view { Role::Title } else { Role::Dim };
        let end = pen.write(tab.x, y, tab.width, &tab.text, role);
        if tab.view == View::Log && model.journal.unread > 0 && model.view != View::Log {
            pen.write(end, y, 1, "*", Role::Warn);
        }
    }
    let x = plan.header.width.saturating_sub(plan.rates());
    let columns = plan.rates().saturating_sub(1);
    match &model.node {
        NodeState::Starting => pen.write_right(x, y, columns, "starting", Role::Dim),
        NodeState::Down(_) => pen.write_right(x, y, columns, "stopped", Role::Bad),
        NodeState::Up => draw_rates(pen, (x, y, columns), model.downloads.sums().rates),
    }
}

fn draw_rates(pen: &mut Pen<'_>, (x, y, columns): (u16, u16, u16), [down, up]: [f64; 2]) {
    let [down_arrow, up_arrow] = pen.glyphs().arrows;
    let down = format!("{down_arrow} {}", Rate(down));
    match columns {
        0..12 => pen.write_right(x, y, columns, &down.replace(' ', ""), Role::Text),
        _ => {
            let half = columns / 2;
            pen.write_right(x, y, half, &down, Role::Text);
            pen.write_right(x + half, y, columns - half, &format!("{up_arrow} {}", Rate(up)), Role::Text);
        }
    }
}

/// A line about what is chosen.
pub(super) fn draw_note(pen: &mut Pen<'_>, model: &Model, plan: &Plan) {
    let (y, columns) = (plan.note.y, plan.note.width.saturating_sub(2));
    if plan.note.height == 0 {
        return;
    }
    let (role, text) = match model.view {
        View::Downloads | View::Details | View::WhereFrom => match model.downloads.chosen() {
            Some(entry) => about(entry),
            None => return,
        },
        View::Catalogue => match model.catalogue.chosen() {
            Some(item) => (Role::Dim, clean(&item.offer.path.to_string_lossy())),
            None => return,
        },
        View::Log => return,
    };
    pen.write(1, y, columns, &text, role);
}

/// A sentence about a download: why it does not go on, or where it goes.
fn about(entry: &Entry) -> (Role, String) {
    if let Some(reason) = entry.reason() {
        return (entry.status().role(), format!("{}: {reason}", entry.status().word()));
    }
    let folder = clean(&entry.wish.folder.to_string_lossy());
    let [near, far, servers] = entry.neighbours();
    let who = match near + far + servers {
        0 => String::new(),
        _ => format!("{near} near, {far} far, {}; ", counted(servers as u32, "server")),
    };
    let share = match entry.peers_share() {
        Some((part, total)) => format!("{}% from peers; ", percent(part, total)),
        None => String::new(),
    };
    let given = match entry.progress.uploaded {
        0 => String::new(),
        bytes => format!("{} given; ", Bytes(bytes)),
    };
    (Role::Dim, format!("{share}{who}{given}in {}", if folder.is_empty() { "." } else { &folder }))
}

/// What is typed, or a notice, or hints.
pub(super) fn draw_footer(pen: &mut Pen<'_>, model: &Model, plan: &Plan) {
    let (y, columns) = (plan.footer.y, plan.footer.width.saturating_sub(2));
    if let Some(field) = &model.typing {
        let x = pen.write(1, y, columns, "filter: ", Role::Key);
        return draw_field(pen, (x, y, (columns + 1).saturating_sub(x)), field.halves(), true);
    }
    if let NodeState::Down(why) = &model.node {
        pen.write(1, y, columns, &format!("the node has stopped: {why}"), Role::Bad);
        return;
    }
    if let Some(notice) = &model.notice {
        pen.write(1, y, columns, notice, Role::Strong);
        return;
    }
    let mut x = 1;
    // The last two, help and how to quit, have to fit as well.
    for (key, hint) in hints(model, columns) {
        x = pen.write(x, y, columns, key, Role::Key);
        x = pen.write(x, y, columns, &format!(" {hint}"), Role::Dim) + 2;
    }
    let filter = match model.view {
        View::Catalogue => model.catalogue.filtered(),
        _ => model.downloads.filtered(),
    };
    if !filter.is_empty() {
        let text = format!("filter: {}", clean(filter));
        pen.write_right(x, y, (columns + 1).saturating_sub(x), &text, Role::Warn);
    }
}

/// The hints that fit: help and quit always, the others from the front.
fn hints(model: &Model, columns: u16) -> Vec<(&'static str, &'static str)> {
    let all: Vec<_> = keys::hints(model.scope()).collect();
    let takes = |(key, hint): &(&str, &str)| width(key) + width(hint) + 3;
    let (last, first): (Vec<_>, Vec<_>) = all.iter().partition(|(_, hint)| ["help", "quit"].contains(hint));
    let mut room = usize::from(columns).saturating_sub(last.iter().map(takes).sum());
    let fits = |hint: &(&'static str, &'static str)| {
        let fits = takes(hint) <= room;
        room = if fits { room - takes(hint) } else { 0 };
        fits
    };
    let mut shown: Vec<_> = first.into_iter().take_while(fits).collect();
    shown.extend(last);
    shown
}

/// Draws a field with its cursor. What does not fit is left out at the far side of the cursor.
pub(super) fn draw_field(
    pen: &mut Pen<'_>,
    (x, y, columns): (u16, u16, u16),
    (before, after): (&str, &str),
    is_active: bool,
) {
    let (before, after) = (clean_end(before), clean(after));
    if !is_active {
        pen.write(x, y, columns, &clean(&(before + &after)), Role::Text);
        return;
    }
    let room = usize::from(columns.saturating_sub(1));
    let mut shown: &str = &before;
    while width(shown) > room {
        let next = shown.char_indices().nth(1).map_or(shown.len(), |(at, _)| at);
        shown = &shown[next..];
    }
    let under: String = after.chars().next().map_or_else(|| " ".to_owned(), String::from);
    let rest: String = after.chars().skip(1).collect();
    let at = pen.write(x, y, columns, shown, Role::Text);
    let at = pen.write(at, y, (x + columns).saturating_sub(at), &under, Role::Selected);
    pen.write(at, y, (x + columns).saturating_sub(at), &rest, Role::Text);
}

/// The end of a long text, clean.
fn clean_end(text: &str) -> String {
    const LETTERS_MAX: usize = 300;
    let skipped = text.chars().count().saturating_sub(LETTERS_MAX);
    clean(&text.chars().skip(skipped).collect::<String>())
}
