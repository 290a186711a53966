//! The two streams: data on standard output, everything else on standard error.
//!
//! Invariant: what is written while progress bars are shown goes around them, and nothing that passes here
//! can command the terminal, whatever strangers called their files.

use std::{
    env,
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use indicatif::{MultiProgress, ProgressDrawTarget};
use nearcast_core::paths::{printable, printable_json};

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
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    style: Style,
    quiet: bool,
    json: bool,
    bars: MultiProgress,
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
        let bars = MultiProgress::with_draw_target(match style {
            Style::Bars => ProgressDrawTarget::stderr(),
            Style::Lines | Style::Nothing => ProgressDrawTarget::hidden(),
        });
        let reader_gone = Arc::default();
        Screen { style, quiet, json, bars, reader_gone }
    }

    /// How progress is told.
    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Where bars are added.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
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
        let written = self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            writeln!(out, "{line}").and_then(|()| out.flush())
        });
        if written.is_err() {
            self.reader_gone.store(true, Ordering::Relaxed);
        }
    }

    /// Where log lines pass around the bars.
    pub(crate) fn log(&self) -> LogWriter {
        LogWriter(self.bars.clone())
    }

    fn write_error(&self, line: &str) {
        self.bars.suspend(|| {
            // Nothing is left to tell about a standard error that is closed.
            let _ = writeln!(io::stderr(), "{line}");
        });
    }
}

/// Redrawing needs a terminal that understands it.
fn is_live(terminal: bool) -> bool {
    terminal && env::var_os("TERM").is_none_or(|kind| kind != "dumb")
}

/// The table of the demonstration asks the terminal where its cursor is, over both streams.
pub(crate) fn is_terminal_on_all_sides() -> bool {
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal() && io::stderr().is_terminal();
    is_live(terminal)
}

/// Colours only where they are wanted: <https://no-color.org>.
pub(crate) fn wants_colour() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// One log event on its way to standard error.
pub(crate) struct LogWriter(MultiProgress);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
