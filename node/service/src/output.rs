//! What a service prints: data on standard output as lines or JSON, sentences for people on standard error.

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
    setting::Setting,
};

/// Standard output.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON object a line instead of words.
    pub json: bool,
}

impl Output {
    /// Data. A reader that went away is no reason to stop serving.
    pub fn print(self, words: &str, event: &serde_json::Value) {
        let mut out = io::stdout().lock();
        let written = if self.json { writeln!(out, "{event}") } else { writeln!(out, "{words}") };
        let _ = written.and_then(|()| out.flush());
    }

    /// What whoever started a service waits for: where it listens, where its admin is, and that it is ready.
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

/// What is told of a configuration that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// What it comes to and what is wrong, as JSON or in words.
    All {
        /// As JSON.
        json: bool,
    },
    /// What is wrong, in words: for whoever starts a service, and reads its log.
    Problems,
}

/// Tells what is wrong with a configuration, or what it comes to; the exit code. `checked` is what was read, and
/// what would go wrong with it at the start.
pub fn check<S: Setting>(checked: Result<(Layers<S>, Vec<String>), Problems>, told: Told) -> ExitCode {
    let (layers, problems) = match checked {
        Ok((layers, problems)) => (Some(layers), problems),
        Err(problems) => (None, problems.0),
    };
    let mut out = io::stdout().lock();
    // Whoever asked and does not read the answer has the exit code.
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

/// A sentence for people, and a code to end with.
pub fn fail(sentence: &str, code: u8) -> ExitCode {
    say(sentence);
    ExitCode::from(code)
}

/// A sentence for people.
pub fn say(sentence: &str) {
    for line in sentence.lines() {
        // Nobody to say it to is no further error.
        let _ = writeln!(io::stderr(), "error: {}", printable(line));
    }
}
