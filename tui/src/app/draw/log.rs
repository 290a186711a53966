//! The log.

use super::pen::Pen;
use crate::{
    app::{model::Model, plan::Plan, theme::Role},
    units::counted,
};

pub(super) fn draw(pen: &mut Pen<'_>, model: &Model, plan: &Plan) {
    let (body, list) = (plan.body, plan.list());
    let room = body.width.saturating_sub(2);
    let title = match (model.journal.len(), model.journal.back) {
        (0, _) => "nothing was logged".to_owned(),
        (lines, 0) => format!("{}, the newest below", counted(lines as u32, "line")),
        (lines, back) => format!("{}, {back} newer below: G", counted(lines as u32, "line")),
    };
    pen.write(1, body.y, room, &title, Role::Dim);
    for (y, line) in (list.y..list.bottom()).zip(model.journal.shown(usize::from(list.height))) {
        let role = match line {
            _ if line.contains("error: ") || line.contains("ERROR") => Role::Bad,
            _ if line.contains("warning: ") || line.contains("WARN") => Role::Warn,
            _ => Role::Text,
        };
        pen.write(1, y, room, line, role);
    }
}
