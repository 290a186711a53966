//! Lines at the bottom of the terminal that are redrawn in place, while other lines scroll by
//! above.
//!
//! A terminal that takes nothing (stopped by Ctrl-S, or its window hangs) is drawn nothing until it
//! has taken what waits.
//!
//! Invariant: nothing is drawn while the size of the terminal changes. A terminal inside another
//! (tmux, screen) breaks lines before it reports the new size, so lines drawn in between would be
//! erased by a wrong number of rows.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nearcast_service::outlet::{self, Stream, Worth};
use rustix::termios::{Winsize, tcgetwinsize};

use super::{
    canvas::{Canvas, Size, reflows, variable},
    job::is_in_foreground,
    wants_colour,
};
use crate::layout::{COLUMNS, line::Line, room};

/// Rows assumed if the terminal does not tell.
const ROWS: u16 = 24;
/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(50);
/// The size is settled when it has not changed for this long.
pub(super) const SETTLE: Duration = Duration::from_millis(300);

/// Nothing is drawn while more than this waits for the terminal: about a screen full.
const WAITING_BYTES_MAX: usize = 16 << 10;
/// How long a stop or an end waits for the terminal to take what waits.
const TAKEN_WITHIN: Duration = Duration::from_millis(200);

/// Makes lines that fit into a number of columns.
type Draw = Box<dyn Fn(usize) -> Vec<Line> + Send>;

/// The redrawn lines of all activities. Clones share them.
#[derive(Clone)]
pub(crate) struct Live(Arc<Mutex<State>>);

struct State {
    /// Never draw anything.
    hidden: bool,
    /// The process is about to stop or to end.
    paused: bool,
    slots: BTreeMap<u64, Draw>,
    next: u64,
    canvas: Canvas,
    size: Size,
    drawn: Option<Instant>,
    /// When the size last changed.
    resized: Option<Instant>,
}

impl Live {
    /// No lines yet. `hidden`: never draw anything.
    pub(super) fn new(hidden: bool) -> Live {
        Live(Arc::new(Mutex::new(State {
            hidden,
            paused: false,
            slots: BTreeMap::new(),
            next: 0,
            canvas: Canvas::new(wants_colour(), reflows(variable)),
            size: size(),
            drawn: None,
            resized: None,
        })))
    }

    /// Adds lines below the existing ones. They disappear when the slot is dropped.
    pub(crate) fn add(&self) -> Slot {
        let mut state = self.state();
        let key = state.next;
        state.next += 1;
        state.slots.insert(key, Box::new(|_| Vec::new()));
        Slot { live: self.clone(), key }
    }

    /// Prints text with the lines out of the way.
    pub(super) fn aside(&self, to: Stream, text: String, worth: Worth) {
        let mut state = self.state();
        state.erase();
        outlet::standard().put(to, text.into_bytes(), worth);
        state.draw(Instant::now(), true);
    }

    /// Erases the lines, until [`Live::draw_anew`].
    pub(super) fn pause(&self) {
        let mut state = self.state();
        state.erase();
        state.paused = true;
        outlet::standard().drain(TAKEN_WITHIN);
    }

    /// Draws again after another process has written to the terminal.
    pub(super) fn draw_anew(&self) {
        let mut state = self.state();
        state.canvas.forget();
        state.paused = false;
        state.draw(Instant::now(), true);
    }

    /// Reads the size of the terminal, and draws what fits.
    pub(super) fn draw(&self) {
        self.state().draw(Instant::now(), true);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while this lock was held left lines on the terminal, but no broken state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn draw(&mut self, now: Instant, urgent: bool) {
        if self.hidden || self.paused || (self.slots.is_empty() && self.drawn.is_none()) {
            return;
        }
        if outlet::standard().waiting() > WAITING_BYTES_MAX {
            return;
        }
        let size = size();
        if size != self.size {
            self.size = size;
            self.resized = Some(now);
            self.erase();
        }
        let within = |moment: Option<Instant>, span| moment.is_some_and(|it| now.duration_since(it) < span);
        if within(self.resized, SETTLE) || (!urgent && within(self.drawn, FRAME)) {
            return;
        }
        if !is_in_foreground(&io::stderr()) {
            // A shell owns the terminal now, and our lines have scrolled up.
            self.canvas.forget();
            return;
        }
        let room = room(size.columns);
        let lines = self.slots.values().flat_map(|draw| draw(room)).collect();
        self.drawn = Some(now);
        let text = self.canvas.draw(size, lines);
        send(&text);
    }

    fn erase(&mut self) {
        if !self.hidden {
            let text = self.canvas.erase(self.size);
            send(&text);
        }
    }
}

/// The lines of one activity.
pub(crate) struct Slot {
    live: Live,
    key: u64,
}

impl Slot {
    /// Sets the function that makes the lines.
    pub(crate) fn show(&self, draw: impl Fn(usize) -> Vec<Line> + Send + 'static) {
        let mut state = self.live.state();
        state.slots.insert(self.key, Box::new(draw));
        state.draw(Instant::now(), false);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.live.state();
        state.slots.remove(&self.key);
        state.draw(Instant::now(), true);
    }
}

/// The size of the terminal at standard error.
pub(super) fn size() -> Size {
    match tcgetwinsize(io::stderr()) {
        Ok(Winsize { ws_col: columns @ 1.., ws_row: rows @ 1.., .. }) => Size { columns, rows },
        _ => Size { columns: COLUMNS, rows: ROWS },
    }
}

fn send(text: &str) {
    if !text.is_empty() {
        outlet::standard().put(Stream::Error, text.as_bytes().to_vec(), Worth::Lasting);
    }
}
