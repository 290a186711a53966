//! What a service prints: data on standard output as lines or JSON, messages for people on standard
//! error.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use nearcast_core::paths::printable;
use nearcast_node::address::Address;
use serde_json::json;

use crate::{
    admin::AdminListener,
    cli::EXIT_BAD_OPTION,
    config::{Layers, Problems},
    outlet::{self, Stream, Worth},
    setting::Setting,
};

/// Standard output.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON object a line instead of text.
    pub json: bool,
}

impl Output {
    /// Prints data. If the reader has gone away or does not read, the service goes on.
    pub fn print(self, words: &str, event: &serde_json::Value) {
        let line = if self.json { format!("{event}\n") } else { format!("{words}\n") };
        outlet::standard().put(Stream::Output, line.into_bytes(), Worth::Passing);
    }

    /// Prints what the starter of a service waits for: its addresses, the admin's address, and that
    /// it is ready.
    pub fn announce(self, addresses: &[Address], admin: Option<&AdminListener>) {
        for address in addresses {
            let address = address.to_string();
            self.print(&format!("listening {address}"), &json!({"event": "listening", "address": address}));
        }
        if let Some(admin) = admin {
            let url = format!("http://{}", admin.address());
            self.print(&format!("admin {url}"), &json!({"event": "admin", "url": url}));
        }
        self.print("ready", &json!({"event": "ready"}));
    }
}

/// What a configuration check prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The values and the problems, as JSON or text.
    All {
        /// As JSON.
        json: bool,
    },
    /// Only problems, as text, for a service's log.
    Problems,
}

/// Prints the problems of a configuration, or its values. Returns the exit code. `checked` is the
/// configuration that was read, and the problems it would cause at the start.
pub fn check<S: Setting>(checked: Result<(Layers<S>, Vec<String>), Problems>, told: Told) -> ExitCode {
    let (layers, problems) = match checked {
        Ok((layers, problems)) => (Some(layers), problems),
        Err(problems) => (None, problems.0),
    };
    let mut out = io::stdout().lock();
    // A caller that does not read the answer still gets the exit code.
    let _ = match (&layers, told) {
        (_, Told::All { json: true }) => {
            let settings = layers.as_ref().map(Layers::to_json);
            writeln!(out, "{}", json!({"settings": settings, "problems": problems}))
        }
        (Some(layers), Told::All { json: false }) => {
            layers.lines().iter().try_for_each(|line| writeln!(out, "{line}"))
        }
        (None, Told::All { json: false }) | (_, Told::Problems) => Ok(()),
    };
    if told != (Told::All { json: true }) {
        problems.iter().for_each(|problem| say(problem));
    }
    ExitCode::from(if problems.is_empty() { 0 } else { EXIT_BAD_OPTION })
}

/// Prints a message for people. Returns the exit code.
pub fn fail(sentence: &str, code: u8) -> ExitCode {
    say(sentence);
    ExitCode::from(code)
}

/// Prints a message for people on standard error.
pub fn say(sentence: &str) {
    for line in sentence.lines() {
        let line = format!("error: {}\n", printable(line));
        outlet::standard().put(Stream::Error, line.into_bytes(), Worth::Lasting);
    }
}
