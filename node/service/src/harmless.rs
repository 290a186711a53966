//! Log lines that are harmless to a terminal, whatever names strangers give their files.
//!
//! Invariant: one event becomes one line, with no control character but the newline at its end. The
//! log has no colours, so it needs no control characters.

use std::io::{self, Write};

use nearcast_core::paths::{printable, printable_json};

/// A writer that makes each event harmless and passes it to another writer.
#[derive(Debug)]
pub struct Harmless<W> {
    to: W,
    json: bool,
}

impl<W: Write> Harmless<W> {
    /// `json`: events are JSON, and stay valid JSON.
    pub fn new(to: W, json: bool) -> Harmless<W> {
        Harmless { to, json }
    }
}

impl<W: Write> Write for Harmless<W> {
    /// Takes one whole event, as the log writes them.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let mut line = if self.json { printable_json(text) } else { printable(text) };
        line.push('\n');
        self.to.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The log line for a hostile name as message, field and error, in this format.
    fn logged(json: bool, name: &str) -> String {
        let kept = Kept::default();
        let to = kept.clone();
        let log =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || Harmless::new(to.clone(), json));
        let tell = || tracing::warn!(path = %name, text = name, error = ?name, "refused {name}");
        match json {
            true => tracing::subscriber::with_default(log.json().finish(), tell),
            false => tracing::subscriber::with_default(log.finish(), tell),
        }
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn no_name_commands_the_terminal_or_forges_a_line_by_way_of_the_log() {
        let mut names: Vec<String> = (0..=255).map(|byte| format!("a{}b", char::from(byte))).collect();
        names.push("\u{1b}]8;;http://evil.example/\u{1b}\\click\u{1b}]8;;\u{1b}\\".to_owned());
        names.push("\u{1b}]52;c;cm0gLXJmIH4=\u{7}".to_owned());
        names.push("\n2026-01-01T00:00:00Z  WARN all is well\u{202e}".to_owned());
        for name in names {
            for json in [false, true] {
                let text = logged(json, &name);
                let line = text.strip_suffix('\n').unwrap();
                let bad = line.chars().find(|&c| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}'));
                assert_eq!(bad, None, "{line}");
                if json {
                    let event: serde_json::Value = serde_json::from_str(line).unwrap();
                    assert_eq!(event["fields"]["text"], name, "JSON tells the name as it is");
                }
            }
        }
    }
}
