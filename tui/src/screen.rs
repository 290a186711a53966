//! The two streams: data on standard output, everything else on standard error.
//!
//! Invariant: what is written while progress bars are shown goes around them, and nothing that passes here
//! can command the terminal, whatever strangers called their files.

mod canvas;
mod job;
mod keys;
mod live;
mod watch;

use std::{
    env,
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use nearcast_core::paths::{printable, printable_json};

use self::keys::Modes;
pub(crate) use self::{
    keys::{KEYS, Key, Keys},
    live::{Live, Slot},
};
use crate::layout::{self, COLUMNS, line::Line};

/// How progress is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Bars that are redrawn, on a terminal.
    Bars,
    /// A plain line now and then.
    Lines,
    /// Not at all: `--quiet`, or JSON on the other stream.
    Nothing,
}

/// The terminal, or what stands for it. Clones share it.
#[derive(Clone)]
pub(crate) struct Screen {
    style: Style,
    quiet: bool,
    json: bool,
    live: Live,
    modes: Modes,
    /// Whoever reads our output went away: there is no more use in writing.
    reader_gone: Arc<AtomicBool>,
}

impl Screen {
    /// Looks at where standard error leads.
    pub(crate) fn new(quiet: bool, json: bool) -> Screen {
        let style = if quiet || json {
            Style::Nothing
        } else if is_live(io::stderr().is_terminal()) {
            Style::Bars
        } else {
            Style::Lines
        };
        let live = Live::new(style != Style::Bars);
        let (modes, reader_gone) = Default::default();
        Screen { style, quiet, json, live, modes, reader_gone }
    }

    /// Looks after the terminal, for as long as the runtime runs: it may change its size, or be given to others.
    ///
    /// # Errors
    /// When the system refuses to install a handler. Must be called inside a tokio runtime.
    pub(crate) fn watch(&self) -> io::Result<()> {
        match self.style {
            Style::Bars => watch::begin(self.live.clone(), self.modes.clone()),
            Style::Lines | Style::Nothing => Ok(()),
        }
    }

    /// Reads keys from the terminal, if there is one at both ends, until what is returned is dropped.
    pub(crate) fn keys(&self, press: impl Fn(Key) + Send + 'static) -> Option<Keys> {
        let seen = self.style == Style::Bars;
        seen.then(|| Keys::read(self.modes.clone(), press)).flatten()
    }

    /// How progress is told.
    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Where lines are redrawn in place.
    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    /// Columns that whoever writes lines has for them.
    pub(crate) fn room(&self) -> usize {
        layout::room(match self.style {
            Style::Bars => live::size().columns,
            Style::Lines | Style::Nothing => COLUMNS,
        })
    }

    /// Lines that stay, painted.
    pub(crate) fn keep(&self, lines: &[Line]) {
        if !self.quiet && self.style != Style::Nothing {
            let painted = |line: &Line| line.painted(wants_colour());
            lines.iter().for_each(|line| self.write_error(&painted(line)));
        }
    }

    /// Something worth a line, unless nobody wants lines.
    pub(crate) fn say(&self, sentence: &str) {
        if !self.quiet && self.style != Style::Nothing {
            self.write_error(&printable(sentence));
        }
    }

    /// Something that is no error and must be known even when `--quiet`.
    pub(crate) fn warn(&self, sentence: &str) {
        self.write_error(&format!("warning: {}", printable(sentence)));
    }

    /// Something that must be known even when `--quiet`.
    pub(crate) fn complain(&self, sentence: &str) {
        self.write_error(&format!("error: {}", printable(sentence)));
    }

    /// One line of data.
    pub(crate) fn data(&self, line: &str) {
        if self.reader_gone.load(Ordering::Relaxed) {
            return;
        }
        let line = if self.json { printable_json(line) } else { printable(line) };
        let written = self.live.aside(|| {
            let mut out = io::stdout().lock();
            writeln!(out, "{line}").and_then(|()| out.flush())
        });
        if written.is_err() {
            self.reader_gone.store(true, Ordering::Relaxed);
        }
    }

    /// Where log lines pass around the bars.
    pub(crate) fn log(&self) -> LogWriter {
        LogWriter(self.live.clone())
    }

    fn write_error(&self, line: &str) {
        self.live.aside(|| {
            // Nothing is left to tell about a standard error that is closed.
            let _ = writeln!(io::stderr(), "{line}");
        });
    }
}

/// Redrawing needs a terminal that understands it.
fn is_live(terminal: bool) -> bool {
    terminal && env::var_os("TERM").is_none_or(|kind| kind != "dumb")
}

/// Colours only where they are wanted: <https://no-color.org>.
fn wants_colour() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// One log event on its way to standard error.
pub(crate) struct LogWriter(Live);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.aside(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
