//! What the mouse does.

use ratatui::{
    crossterm::event::{MouseButton, MouseEvent, MouseEventKind},
    layout::Position,
};

use super::Model;
use crate::app::{
    cursor::Cursor,
    dialog::{Dialog, Stage},
    effect::Effect,
    plan::View,
};

/// Rows that one turn of the wheel moves.
const WHEEL: isize = 3;

impl Model {
    /// Takes an event of the mouse.
    pub(super) fn on_mouse(&mut self, mouse: MouseEvent) -> Vec<Effect> {
        let place = Position::new(mouse.column, mouse.row);
        match mouse.kind {
            MouseEventKind::ScrollDown => self.turn(WHEEL),
            MouseEventKind::ScrollUp => self.turn(-WHEEL),
            MouseEventKind::Down(MouseButton::Left) if self.dialog.is_none() => {
                self.notice = None;
                return self.click(place);
            }
            _ => {}
        }
        Vec::new()
    }

    fn turn(&mut self, rows: isize) {
        match &mut self.dialog {
            None => self.step(rows),
            Some(Dialog::Help(line)) => {
                *line = line.saturating_add_signed(rows).min(super::keys::TABLE.len());
            }
            Some(Dialog::Add(add)) => {
                if let Stage::Choosing(choice) = &mut add.stage {
                    let files = choice.files();
                    choice.cursor.step(rows, files);
                }
            }
            Some(Dialog::Limits(_) | Dialog::Remove(..) | Dialog::Quit(_)) => {}
        }
    }

    fn click(&mut self, place: Position) -> Vec<Effect> {
        let plan = self.plan();
        if plan.header.contains(place) {
            let tabs = plan.tabs(self.view).into_iter();
            let hit = tabs.filter(|tab| (tab.x..tab.x.saturating_add(tab.width)).contains(&place.x));
            return hit.map(|tab| tab.view).next().map_or_else(Vec::new, |view| self.show(view));
        }
        let list = plan.list();
        if !list.contains(place) {
            return Vec::new();
        }
        let row = usize::from(place.y - list.y);
        let (cursor, shown): (&mut Cursor, usize) = match self.view {
            View::Downloads => {
                let shown = self.downloads.shown();
                (&mut self.downloads.cursor, shown)
            }
            View::Catalogue => {
                let shown = self.catalogue.shown();
                (&mut self.catalogue.cursor, shown)
            }
            View::Details | View::WhereFrom | View::Log => return Vec::new(),
        };
        let at = cursor.top + row;
        if at >= shown {
            return Vec::new();
        }
        // A click on what is chosen already opens it.
        match std::mem::replace(&mut cursor.at, at) == at {
            true => self.open_chosen(),
            false => Vec::new(),
        }
    }
}
