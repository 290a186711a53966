//! A service's log on standard error, for people or for collectors. The filter can change while the
//! service runs.

use tracing_subscriber::EnvFilter;

use crate::{harmless::Harmless, journal, lines::Lines, outlet};

/// Changes the log filter.
pub struct LogHandle(Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>);

impl LogHandle {
    /// Replaces the log filter.
    ///
    /// # Errors
    /// Why the filter is invalid; the old one stays.
    pub fn set(&self, filter_text: &str) -> Result<(), String> {
        (self.0)(filter(filter_text)?)
    }
}

/// Starts the log; call once. If systemd's journal reads the log, each line has a priority and no
/// time. Nobody waits for whoever reads the log, once its [`outlet`] has begun.
///
/// # Errors
/// Why the filter is invalid.
pub fn start(filter_text: &str, json: bool) -> Result<LogHandle, String> {
    let log = tracing_subscriber::fmt()
        .with_writer(move || Harmless::new(outlet::standard().log_line(), json))
        .with_ansi(false);
    let filter = filter(filter_text)?;
    // Each of the three logs has a type of its own.
    Ok(if json {
        let log = log.json().with_env_filter(filter).with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        LogHandle(Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string())))
    } else if journal::is_read_by_it() {
        let log = log.event_format(Lines(journal::start)).with_env_filter(filter).with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        LogHandle(Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string())))
    } else {
        let log = log.with_target(false).with_env_filter(filter).with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        LogHandle(Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string())))
    })
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Parses a filter: a level, or levels by module. libp2p logs from `warn` on unless the filter
/// names it.
///
/// # Errors
/// Which filters are valid.
pub fn filter(text: &str) -> Result<EnvFilter, String> {
    // An unknown word would be taken for a module name, and nothing else would be logged.
    let is_odd =
        |part: &&str| !part.contains(['=', '[', ':']) && !LEVELS.contains(&part.to_lowercase().as_str());
    if let Some(odd) = text.split(',').map(str::trim).find(is_odd) {
        return Err(format!("{odd:?} is no level: write error, warn, info, debug or trace, or MODULE=LEVEL"));
    }
    EnvFilter::try_new(format!("libp2p=warn,{text}"))
        .map_err(|error| format!("{error}; write levels like debug"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_modules_with_levels_are_filters_and_words_are_not() {
        for good in ["info", "DEBUG", "warn,nearcast_node=debug", "libp2p=trace,info", "off"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for wrong in ["", "loud", "info,nearcast_node", "nearcast_node=loud"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }
}
