//! RIS Live: what RIPE's collectors hear, as JSON, by WebSocket or as lines of a file or pipe.
//!
//! Invariant: a message that cannot be read is counted and skipped; only the connection can end. RIS Live tells changes and
//! no table, so a feed is synced as soon as it is connected.

mod lines;
mod socket;

use std::{fmt, panic::catch_unwind, path::PathBuf, str::FromStr};

use bgpkit_parser::{
    models::{BgpElem, ElemType},
    parse_ris_live_message,
    rislive::messages::{RisLiveMessage, RisMessageEnum},
};
use nearcast_core::asn::Asn;
use tokio_util::sync::CancellationToken;

use super::{
    feed::{Desk, Feed, FeedKind, PeerNumbers, Tally, Told},
    paths::Path,
    route::{BgpPeer, Change, Route, network},
};

/// Longer messages are not taken. BGP's longest message has 64 KiB; in JSON, with its bytes in hexadecimal beside it, it takes
/// a good half of this.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Where the messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RisSource {
    /// A server, `ws://` or `wss://`.
    Url(String),
    /// A file, or a named pipe.
    File(PathBuf),
    /// What is piped into us.
    Stdin,
}

/// A text that names no source.
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

/// Messages into changes, whatever brings them.
#[derive(Debug, Default)]
pub struct RisSession {
    numbers: PeerNumbers,
    tally: Tally,
}

impl RisSession {
    /// What was heard so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// A message was too long to be looked at.
    fn on_too_long(&mut self) {
        self.tally.messages = self.tally.messages.saturating_add(1);
        self.tally.damaged = self.tally.damaged.saturating_add(1);
    }

    /// Handles one message, one line of JSON. What becomes of routes is appended to `told`.
    pub fn handle(&mut self, message: &str, told: &mut Vec<Told>) {
        self.tally.messages = self.tally.messages.saturating_add(1);
        // The parser is somebody else's, and so is the message: a panic costs this message only.
        match catch_unwind(|| read(message)) {
            Ok(Some(Read::Routes(elements))) => {
                elements.iter().for_each(|element| self.element(element, told))
            }
            Ok(Some(Read::Down(peer))) => {
                told.extend(self.numbers.remove(&peer).map(|source| Told::Forgotten { source }));
            }
            Ok(None) | Err(_) => self.tally.damaged = self.tally.damaged.saturating_add(1),
        }
    }

    fn element(&mut self, element: &BgpElem, told: &mut Vec<Told>) {
        let peer = BgpPeer { address: element.peer_ip, asn: Asn(element.peer_asn.into()) };
        let route = match element.elem_type {
            ElemType::WITHDRAW => Route::Withdrawn,
            ElemType::ANNOUNCE => {
                let path = element.as_path.as_ref().map(|path| Path::clean(path, peer.asn));
                match path {
                    Some(Ok(path)) => Route::Announced(path.into()),
                    // Without a usable path it counts as withdrawn (RFC 7606).
                    None | Some(Err(_)) => {
                        self.tally.skipped = self.tally.skipped.saturating_add(1);
                        Route::Withdrawn
                    }
                }
            }
        };
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a cast from a float takes the nearest number there is"
        )]
        let time = element.timestamp as u64;
        let change = network(&element.prefix)
            .map(|prefix| Change { time, peer, prefix, route })
            .and_then(|change| self.numbers.told(change));
        match change {
            Some(change) => {
                match change {
                    Told::Announced { .. } => self.tally.announced = self.tally.announced.saturating_add(1),
                    Told::Withdrawn { .. } | Told::Forgotten { .. } => {
                        self.tally.withdrawn = self.tally.withdrawn.saturating_add(1)
                    }
                }
                told.push(change);
            }
            None => self.tally.skipped = self.tally.skipped.saturating_add(1),
        }
    }
}

/// What a message says.
enum Read {
    /// Nothing, often: most kinds of messages are not about routes.
    Routes(Vec<BgpElem>),
    /// The collector lost this peer, and with it all it told.
    Down(BgpPeer),
}

fn read(message: &str) -> Option<Read> {
    if message.contains("\"STATE\"") || message.contains("\"RIS_PEER_STATE\"") {
        let parsed: RisLiveMessage = serde_json::from_str(message).ok()?;
        let RisLiveMessage::RisMessage(about) = parsed else { return Some(Read::Routes(Vec::new())) };
        return Some(match about.msg {
            Some(RisMessageEnum::RIS_PEER_STATE { state }) if state == "down" => {
                Read::Down(BgpPeer { address: about.peer, asn: Asn(about.peer_asn.into()) })
            }
            _ => Read::Routes(Vec::new()),
        });
    }
    parse_ris_live_message(message).ok().map(Read::Routes)
}

/// How RIS Live is listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RisConfig {
    /// Where it comes from.
    pub source: RisSource,
    /// Only what these collectors hear is subscribed to (`rrc00` and so on); everything, if there are none. All of them tell
    /// some ten thousand changes a second. Files and pipes are taken as they are.
    pub collectors: Vec<String>,
}

/// Listens until `stop`, or until a file or pipe ends.
pub(crate) async fn run(config: RisConfig, desk: Desk, stop: CancellationToken) {
    let feed = Feed::new(FeedKind::RisLive, None, &config.source.to_string());
    let listen = async {
        match &config.source {
            RisSource::Url(url) => Box::pin(socket::run(url, &config.collectors, &feed, &desk)).await,
            RisSource::File(path) => lines::run(Some(path), &feed, &desk).await,
            RisSource::Stdin => lines::run(None, &feed, &desk).await,
        }
    };
    // That the keeper is gone is for others to tell.
    let _ = stop.run_until_cancelled(listen).await;
}

#[cfg(test)]
mod tests;
