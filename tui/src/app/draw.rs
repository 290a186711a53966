//! Draws the screen. It takes `&Model`, so it cannot change anything.

mod catalogue;
mod details;
mod dialogs;
mod downloads;
mod edges;
mod from;
mod help;
mod log;
mod pen;
mod rows;

use ratatui::Frame;

use self::pen::Pen;
use super::{model::Model, plan::View};

/// Draws one frame.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>) {
    let mut pen = Pen::new(frame.buffer_mut(), model.settings.theme);
    let plan = model.plan();
    if plan.is_tiny {
        return edges::draw_tiny(&mut pen, model);
    }
    edges::draw_header(&mut pen, model, &plan);
    match model.view {
        View::Downloads => downloads::draw(&mut pen, model, &plan),
        View::Details => details::draw(&mut pen, model, &plan),
        View::WhereFrom => from::draw(&mut pen, model, &plan),
        View::Catalogue => catalogue::draw(&mut pen, model, &plan),
        View::Log => log::draw(&mut pen, model, &plan),
    }
    edges::draw_note(&mut pen, model, &plan);
    edges::draw_footer(&mut pen, model, &plan);
    if let Some(dialog) = &model.dialog {
        dialogs::draw(&mut pen, model, dialog);
    }
}

#[cfg(test)]
mod tests;
