//! The two output streams: results on standard output, everything else on standard error.
//!
//! Invariant: nothing is printed behind a progress line that stands on the terminal; the line is
//! taken away first.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use nearcast_core::paths::{printable, printable_json};
use serde_json::json;

use super::error::CliError;

/// Takes away what stands in the line of the cursor.
const CLEAR_LINE: &str = "\r\x1b[2K";

/// Where a command prints.
#[derive(Debug)]
pub(super) struct Screen {
    quiet: bool,
    json: bool,
    /// Standard error is a terminal, so progress can stand in one line.
    in_place: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// A progress line stands there.
    line: bool,
    /// Why standard output takes nothing any more.
    broken: Option<io::Error>,
}

impl Screen {
    /// The streams of this process.
    pub(super) fn new(quiet: bool, json: bool) -> Screen {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Screen { quiet, json, in_place: io::stderr().is_terminal() && !dumb, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A thread that panicked while it printed left nothing half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints text on standard output; lines keep their ends.
    pub(super) fn data(&self, text: &str) {
        let mut state = self.state();
        self.clear(&mut state);
        if state.broken.is_some() {
            return;
        }
        let mut out = io::stdout().lock();
        let safe = if self.json { printable_json } else { printable };
        let mut lines = text.lines().map(safe);
        let written = lines.try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush());
        state.broken = written.err();
    }

    /// Prints a notice on standard error, unless `--quiet` is on.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            self.error_line(text);
        }
    }

    /// Prints a sentence on standard error, also when `--quiet` is on.
    pub(super) fn warn(&self, text: &str) {
        self.error_line(text);
    }

    /// Says where a run is: in place on a terminal, as one more line elsewhere.
    pub(super) fn progress(&self, text: &str) {
        if self.quiet {
            return;
        }
        if !self.in_place {
            return self.error_line(text);
        }
        let mut state = self.state();
        // A progress line that cannot be printed is no reason to end a run.
        let _ = write!(io::stderr(), "{CLEAR_LINE}{}", printable(text));
        state.line = true;
    }

    /// Prints why the command failed: a sentence for people, and with `--json` an object as well.
    pub(super) fn fail(&self, error: &CliError) {
        let reason = error.to_string();
        if self.json {
            let code = error.exit() as u8;
            self.data(&json!({"event": "failed", "code": code, "reason": reason}).to_string());
        }
        self.error_line(&format!("error: {reason}"));
    }

    /// Whether everything could be printed. A reader that has enough is no error.
    pub(super) fn finish(&self) -> Result<(), CliError> {
        let mut state = self.state();
        self.clear(&mut state);
        match state.broken.take() {
            Some(source) if source.kind() != io::ErrorKind::BrokenPipe => {
                Err(CliError::Io { path: "standard output".into(), source })
            }
            _ => Ok(()),
        }
    }

    fn error_line(&self, text: &str) {
        let mut state = self.state();
        self.clear(&mut state);
        let mut to = io::stderr().lock();
        for line in text.lines() {
            // There is no better place to say that standard error takes nothing.
            let _ = writeln!(to, "{}", printable(line));
        }
    }

    fn clear(&self, state: &mut State) {
        if std::mem::take(&mut state.line) {
            let _ = write!(io::stderr(), "{CLEAR_LINE}");
        }
    }
}
