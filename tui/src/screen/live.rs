//! Lines at the bottom of the terminal that are redrawn in place while other lines go by above them.
//!
//! Invariant: while the size of the terminal changes, nothing is drawn. Terminals under terminals break lines first and tell of
//! it later, so whatever is drawn in between would be erased by a wrong number of rows.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::termios::{Winsize, tcgetwinsize};

use super::{
    canvas::{Canvas, Size, reflows, variable},
    job::is_in_foreground,
    wants_colour,
};
use crate::layout::{COLUMNS, line::Line, room};

/// Rows of a terminal that does not say.
const ROWS: u16 = 24;
/// Frames are this far apart at least.
const FRAME: Duration = Duration::from_millis(50);
/// The size counts as settled when it stood still for so long.
pub(super) const SETTLE: Duration = Duration::from_millis(300);

/// Makes lines for so much room.
type Draw = Box<dyn Fn(usize) -> Vec<Line> + Send>;

/// The lines of all that goes on. Clones share them.
#[derive(Clone)]
pub(crate) struct Live(Arc<Mutex<State>>);

struct State {
    /// Nobody sees it.
    hidden: bool,
    /// This process is about to be stopped, or to end.
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
    /// No lines yet. What is `hidden` is never drawn.
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

    /// Room for lines below those that are there. They go when it is dropped.
    pub(crate) fn add(&self) -> Slot {
        let mut state = self.state();
        let key = state.next;
        state.next += 1;
        state.slots.insert(key, Box::new(|_| Vec::new()));
        Slot { live: self.clone(), key }
    }

    /// Does something that writes to the terminal, with the lines out of the way.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        let mut state = self.state();
        state.erase();
        let result = write();
        state.draw(Instant::now(), true);
        result
    }

    /// Takes the lines away, until they are drawn anew.
    pub(super) fn pause(&self) {
        let mut state = self.state();
        state.erase();
        state.paused = true;
    }

    /// Draws again on a terminal that somebody else has written to.
    pub(super) fn draw_anew(&self) {
        let mut state = self.state();
        state.canvas.forget();
        state.paused = false;
        state.draw(Instant::now(), true);
    }

    /// Looks at the size of the terminal, and draws what fits it.
    pub(super) fn draw(&self) {
        self.state().draw(Instant::now(), true);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked while it held this left lines on a terminal, and nothing worse.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn draw(&mut self, now: Instant, urgent: bool) {
        if self.hidden || self.paused || (self.slots.is_empty() && self.drawn.is_none()) {
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
            // The terminal belongs to a shell now, and what we drew has gone up.
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

/// Lines of one thing that goes on.
pub(crate) struct Slot {
    live: Live,
    key: u64,
}

impl Slot {
    /// What it shows from now on.
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

/// How large the terminal is that standard error leads to.
pub(super) fn size() -> Size {
    match tcgetwinsize(io::stderr()) {
        Ok(Winsize { ws_col: columns @ 1.., ws_row: rows @ 1.., .. }) => Size { columns, rows },
        _ => Size { columns: COLUMNS, rows: ROWS },
    }
}

fn send(text: &str) {
    if !text.is_empty() {
        let mut error = io::stderr().lock();
        // A terminal that went away is no reason to stop.
        let _ = error.write_all(text.as_bytes()).and_then(|()| error.flush());
    }
}
