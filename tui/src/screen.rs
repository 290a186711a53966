//! The two output streams: data on standard output, everything else on standard error.
//!
//! Invariant: all output goes around the progress bars, and nothing printed here can send commands
//! to the terminal, whatever names strangers gave their files.
//!
//! Nothing here waits for a terminal that was stopped, or for a reader that takes nothing: the
//! threads that print also download and give.

mod canvas;
mod job;
mod keys;
mod live;
mod watch;

use std::{
    env,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use nearcast_core::paths::{printable, printable_json};
use nearcast_service::outlet::{self, Stream, Worth};

pub(crate) use self::job::can_be_continued;
use self::keys::Modes;
pub(crate) use self::{
    keys::{KEYS, Key, Keys},
    live::{Live, Slot},
};
use crate::layout::{self, COLUMNS, line::Line};

/// How to show progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Bars that are redrawn on a terminal.
    Bars,
    /// A plain line from time to time.
    Lines,
    /// No progress: `--quiet`, or JSON on the other stream.
    Nothing,
}

/// The terminal, or the file or pipe in its place. Clones share it.
#[derive(Clone)]
pub(crate) struct Screen {
    style: Style,
    quiet: bool,
    json: bool,
    live: Live,
    modes: Modes,
}

impl Screen {
    /// Chooses the style by the options and by whether standard error is a terminal.
    pub(crate) fn new(quiet: bool, json: bool) -> Screen {
        let style = if quiet || json {
            Style::Nothing
        } else if is_live(io::stderr().is_terminal()) {
            Style::Bars
        } else {
            Style::Lines
        };
        let live = Live::new(style != Style::Bars);
        Screen { style, quiet, json, live, modes: Modes::default() }
    }

    /// Watches the terminal while the runtime runs: it may change its size, and other processes may
    /// get it.
    ///
    /// # Errors
    /// The system refuses to install a signal handler. Must be called inside a tokio runtime.
    pub(crate) fn watch(&self) -> io::Result<()> {
        match self.style {
            Style::Bars => watch::begin(self.live.clone(), self.modes.clone()),
            Style::Lines | Style::Nothing => Ok(()),
        }
    }

    /// Reads keys from the terminal, until the returned value is dropped. `None`: standard input or
    /// standard error is not a terminal.
    pub(crate) fn keys(&self, press: impl Fn(Key) + Send + 'static) -> Option<Keys> {
        let seen = self.style == Style::Bars;
        seen.then(|| Keys::read(self.modes.clone(), press)).flatten()
    }

    /// How to show progress.
    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// The lines that are redrawn in place.
    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    /// Columns that a line may take.
    pub(crate) fn room(&self) -> usize {
        layout::room(match self.style {
            Style::Bars => live::size().columns,
            Style::Lines | Style::Nothing => COLUMNS,
        })
    }

    /// Prints lines for good, with colours.
    pub(crate) fn keep(&self, lines: &[Line]) {
        if !self.quiet && self.style != Style::Nothing {
            let painted = |line: &Line| line.painted(wants_colour());
            lines.iter().for_each(|line| self.write_error(&painted(line), Worth::Lasting));
        }
    }

    /// Prints a notice, unless `--quiet` or JSON is on.
    pub(crate) fn say(&self, sentence: &str) {
        self.notice(sentence, Worth::Lasting);
    }

    /// Prints a notice that the next one will replace: it is left out if nobody reads.
    pub(crate) fn say_in_passing(&self, sentence: &str) {
        self.notice(sentence, Worth::Passing);
    }

    fn notice(&self, sentence: &str, worth: Worth) {
        if !self.quiet && self.style != Style::Nothing {
            self.write_error(&printable(sentence), worth);
        }
    }

    /// Prints a warning, even when `--quiet`.
    pub(crate) fn warn(&self, sentence: &str) {
        self.write_error(&format!("warning: {}", printable(sentence)), Worth::Passing);
    }

    /// Prints an error, even when `--quiet`.
    pub(crate) fn complain(&self, sentence: &str) {
        for line in sentence.lines() {
            self.write_error(&format!("error: {}", printable(line)), Worth::Lasting);
        }
    }

    /// Prints a line below an error, as it is.
    pub(crate) fn complain_on(&self, line: &str) {
        self.write_error(&printable(line), Worth::Lasting);
    }

    /// Prints one line of data on standard output.
    pub(crate) fn data(&self, line: &str) {
        self.write_data(line, Worth::Lasting);
    }

    /// Prints one line of data that a newer one will replace: it is left out if nobody reads.
    pub(crate) fn data_in_passing(&self, line: &str) {
        self.write_data(line, Worth::Passing);
    }

    fn write_data(&self, line: &str, worth: Worth) {
        let line = if self.json { printable_json(line) } else { printable(line) };
        self.live.aside(Stream::Output, line + "\n", worth);
    }

    /// Waits until everything printed was read, but at most `most`. Blocks the thread.
    pub(crate) fn drain(most: Duration) {
        outlet::standard().drain(most);
    }

    /// A writer for the log, which writes around the bars.
    pub(crate) fn log(&self) -> LogWriter {
        LogWriter(self.live.clone())
    }

    fn write_error(&self, line: &str, worth: Worth) {
        self.live.aside(Stream::Error, format!("{line}\n"), worth);
    }
}

/// Whether lines can be redrawn: only on a terminal that understands it.
fn is_live(terminal: bool) -> bool {
    terminal && env::var_os("TERM").is_none_or(|kind| kind != "dumb")
}

/// Whether to use colours: <https://no-color.org>.
fn wants_colour() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes log events to standard error, around the bars.
pub(crate) struct LogWriter(Live);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.aside(Stream::Error, String::from_utf8_lossy(bytes).into_owned(), Worth::Passing);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
