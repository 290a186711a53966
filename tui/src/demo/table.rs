//! The terminal under the demonstration's table: a few lines below the prompt, not the whole screen.

use std::io::{self, Stderr, Write};

use ratatui::{Terminal, TerminalOptions, Viewport, backend::CrosstermBackend};

use super::{model::Model, view::View};
use crate::screen::wants_colour;

/// A table that is redrawn in place. The cursor is shown again when it is dropped.
pub(super) struct Table {
    terminal: Terminal<CrosstermBackend<Stderr>>,
    view: View,
}

impl Table {
    /// Makes room below the cursor.
    ///
    /// # Errors
    /// When the terminal does not tell where its cursor is.
    pub(super) fn new(model: &Model) -> io::Result<Table> {
        let viewport = Viewport::Inline(View::height(model.peers().len()));
        let terminal =
            Terminal::with_options(CrosstermBackend::new(io::stderr()), TerminalOptions { viewport })?;
        let view = View::new(wants_colour());
        Ok(Table { terminal, view })
    }

    /// Draws what changed. A terminal that went away is no reason to stop the demonstration.
    pub(super) fn draw(&mut self, model: &Model) {
        let view = &self.view;
        let _ = self.terminal.draw(|frame| view.draw(frame, model));
    }

    /// Leaves the table where it is and goes on below it.
    pub(super) fn leave(&mut self) {
        let below = self.terminal.get_frame().area().bottom().saturating_sub(1);
        let _ = self
            .terminal
            .set_cursor_position((0, below))
            .and_then(|()| self.terminal.show_cursor())
            .and_then(|()| writeln!(io::stderr()));
    }
}
