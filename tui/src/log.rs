//! The client's log: on standard error, around any progress display. It has warnings and errors,
//! and more on request.

use std::{env, io::Write};

use clap::ValueEnum;
use nearcast_service::{harmless::Harmless, lines::Lines};
use tracing::Level;
use tracing_subscriber::EnvFilter;

/// The default log filter: problems of this process, not those of every remote peer.
const DEFAULT: &str =
    "off,nearcast=warn,nearcast_core=warn,nearcast_node=warn,nearcast_seeder=error,nearcast_service=warn";

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts the log; call once. `verbose` is the number of `-v`. With 0, RUST_LOG chooses.
pub(crate) fn start<W: Write + 'static>(
    writer: impl Fn() -> W + Send + Sync + 'static,
    verbose: u8,
    format: LogFormat,
) {
    let json = format == LogFormat::Json;
    let log = tracing_subscriber::fmt()
        .with_writer(move || Harmless::new(writer(), json))
        .with_env_filter(filter(verbose))
        .with_ansi(false);
    match format {
        LogFormat::Text if is_asked_for(verbose) => log.with_target(false).init(),
        LogFormat::Text => log.event_format(Lines(word)).init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Whether the user asked for a log; such a log shows the time of each event.
fn is_asked_for(verbose: u8) -> bool {
    verbose > 0 || env::var_os(EnvFilter::DEFAULT_ENV).is_some()
}

/// The word before a log line, as in all other messages to people: `warning: …`.
fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error: ",
        Level::WARN => "warning: ",
        Level::INFO => "info: ",
        Level::DEBUG => "debug: ",
        Level::TRACE => "trace: ",
    }
}

fn filter(verbose: u8) -> EnvFilter {
    match level(verbose) {
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT)),
        Some(level) => EnvFilter::new(format!(
            "off,nearcast={level},nearcast_core={level},nearcast_node={level},nearcast_seeder={level},nearcast_service={level}"
        )),
    }
}

fn level(verbose: u8) -> Option<&'static str> {
    match verbose {
        0 => None,
        1 => Some("info"),
        2 => Some("debug"),
        _ => Some("trace"),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_warning_reads_as_one_of_a_program_for_people() {
        let written = Written::default();
        let ours = written.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).event_format(Lines(word));
        let log = log.with_writer(move || ours.clone()).finish();
        tracing::subscriber::with_default(log, || tracing::warn!(room = 7, "the disk is full"));
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "warning: the disk is full room=7\n");
    }

    #[test]
    fn what_is_logged_by_default_are_warnings_of_our_own() {
        let default = EnvFilter::new(DEFAULT).to_string();
        assert!(default.contains("nearcast_node=warn") && default.contains("off"), "{default}");
        assert!(filter(1).to_string().contains("nearcast_node=info"));
        assert!(filter(9).to_string().contains("nearcast_node=trace"));
    }
}
