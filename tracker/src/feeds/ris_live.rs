//! RIS Live: what RIPE's collectors hear, as JSON, over a WebSocket or as lines of a file or pipe.
//!
//! Invariant: an unreadable message is counted and skipped; only the connection can end. RIS Live
//! sends changes and no table, so a stream counts as synced as soon as it is connected.

mod lines;
mod socket;

use std::{fmt, path::PathBuf, str::FromStr};

use nearcast_bgp::feed::{Feed, FeedKind};
use tokio_util::sync::CancellationToken;

use super::sender::FeedSender;

/// The source of the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RisSource {
    /// A server: `ws://` or `wss://`.
    Url(String),
    /// A file or a named pipe.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// A text that is not a source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither ws://… nor wss://… nor a file nor -; RIPE's server is wss://ris-live.ripe.net/v1/ws/"
)]
pub struct RisSourceError(String);

impl FromStr for RisSource {
    type Err = RisSourceError;

    fn from_str(text: &str) -> Result<RisSource, RisSourceError> {
        let bad = || RisSourceError(text.into());
        if text.starts_with("ws://") || text.starts_with("wss://") {
            let uri: tokio_tungstenite::tungstenite::http::Uri = text.parse().map_err(|_| bad())?;
            return uri.host().map(|_| RisSource::Url(text.into())).ok_or_else(bad);
        }
        match text {
            "-" => Ok(RisSource::Stdin),
            text if text.is_empty() || text.contains("://") => Err(bad()),
            path => Ok(RisSource::File(path.into())),
        }
    }
}

impl fmt::Display for RisSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RisSource::Url(url) => f.write_str(url),
            RisSource::File(path) => path.display().fmt(f),
            RisSource::Stdin => f.write_str("standard input"),
        }
    }
}

/// How to listen to RIS Live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RisConfig {
    /// The source of the messages.
    pub source: RisSource,
    /// The collectors to subscribe to (`rrc00` and so on). Empty: all of them, which send some ten
    /// thousand changes a second. Does not apply to files and pipes.
    pub collectors: Vec<String>,
}

/// Listens until `stop`, or until a file or pipe ends.
pub(crate) async fn run(config: RisConfig, desk: FeedSender, stop: CancellationToken) {
    let feed = Feed::new(FeedKind::RisLive, None, &config.source.to_string());
    let listen = async {
        match &config.source {
            RisSource::Url(url) => Box::pin(socket::run(url, &config.collectors, &feed, &desk)).await,
            RisSource::File(path) => lines::run(Some(path), &feed, &desk).await,
            RisSource::Stdin => lines::run(None, &feed, &desk).await,
        }
    };
    // The end of the keeper is reported elsewhere.
    let _ = stop.run_until_cancelled(listen).await;
}

#[cfg(test)]
mod tests;
