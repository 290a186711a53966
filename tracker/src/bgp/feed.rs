//! What feeds tell the table: who began and ended, and what became of routes.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use ipnetwork::IpNetwork;
use tokio::sync::mpsc;

use super::{
    paths::Path,
    rib::SessionId,
    route::{BgpPeer, Change, Route},
};

/// Where routes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedKind {
    /// A router of the operator's (RFC 7854).
    Bmp,
    /// RIPE's stream of what its collectors hear, or lines of it from a file or pipe.
    RisLive,
    /// MRT files of updates.
    Updates,
}

impl FeedKind {
    /// The name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            FeedKind::Bmp => "bmp",
            FeedKind::RisLive => "ris_live",
            FeedKind::Updates => "updates",
        }
    }
}

impl fmt::Display for FeedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who feeds. A router that connects again is known by it, and what it told before is replaced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Feed {
    /// What kind of feed.
    pub kind: FeedKind,
    /// Where a router connects from.
    pub address: Option<IpAddr>,
    /// What the router calls itself, or where the stream is: printable ASCII, at most [`NAME_BYTES_MAX`] bytes.
    pub name: String,
}

/// Of a name that a router gives itself, so much is kept.
pub const NAME_BYTES_MAX: usize = 64;

impl Feed {
    /// The name loses what is not printable ASCII, and what is too long.
    pub(crate) fn new(kind: FeedKind, address: Option<IpAddr>, name: &str) -> Feed {
        let plain = |c: &char| c.is_ascii_graphic() || *c == ' ';
        Feed { kind, address, name: name.chars().filter(plain).take(NAME_BYTES_MAX).collect() }
    }
}

impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.address) {
            (FeedKind::Bmp, Some(address)) => write!(f, "router {:?} at {address}", self.name),
            _ => write!(f, "{} {:?}", self.kind, self.name),
        }
    }
}

/// What became of a route. Sources are numbered by the session that tells of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The source reaches these addresses by this path.
    Announced {
        /// Which source.
        source: u32,
        /// Which addresses, host bits cleared.
        network: IpNetwork,
        /// Tells several paths of one source apart (RFC 7911), else 0.
        path_id: u32,
        /// By which path.
        path: Arc<Path>,
    },
    /// The source does not reach them any more.
    Withdrawn {
        /// Which source.
        source: u32,
        /// Which addresses, host bits cleared.
        network: IpNetwork,
        /// As above.
        path_id: u32,
    },
    /// Nothing counts any more that this source told. Its number is not used again.
    Forgotten {
        /// Which source.
        source: u32,
    },
}

/// What a session has heard so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages, of any kind; lines; changes of update files.
    pub messages: u64,
    /// Announcements taken.
    pub announced: u64,
    /// Withdrawals taken.
    pub withdrawn: u64,
    /// Messages about routes in a view that is not taken, because the same routes come in a better one.
    pub other_views: u64,
    /// Routes and messages of which nothing can be made: prefixes too short, paths without an origin, other address
    /// families and routing instances, peers that were not told of.
    pub skipped: u64,
    /// Messages and lines that could not be read, in whole or in part.
    pub damaged: u64,
}

impl Tally {
    /// Two sessions, taken together.
    pub fn add(&mut self, other: &Tally) {
        self.messages = self.messages.saturating_add(other.messages);
        self.announced = self.announced.saturating_add(other.announced);
        self.withdrawn = self.withdrawn.saturating_add(other.withdrawn);
        self.other_views = self.other_views.saturating_add(other.other_views);
        self.skipped = self.skipped.saturating_add(other.skipped);
        self.damaged = self.damaged.saturating_add(other.damaged);
    }
}

/// Changes that are handed over at once, at most. A batch is applied in about a millisecond.
pub(crate) const BATCH_MAX: usize = 1_024;

/// What a feed tells the keeper of the table. In order, for each session.
#[derive(Debug)]
pub(crate) enum News {
    /// A session begins; or goes on, if it was lost and is still held.
    Begun(SessionId, Feed),
    /// Routes, [`BATCH_MAX`] or a few more, and what was heard so far.
    Told(SessionId, Vec<Told>, Tally),
    /// Everything that the feed knew at its beginning has been told.
    Synced(SessionId),
    /// The session is over. Its routes are held for a while.
    Lost(SessionId),
}

/// News on their way to the keeper of the table at most. Whoever finds as many waits, in turn with the others, and with it
/// the router that it listens to. With [`BATCH_MAX`] changes each they take some megabytes.
const NEWS_MAX: usize = 32;

/// The table is gone, and with it whoever looked after it: everything is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody keeps the table any more")]
pub(crate) struct Closed;

/// Where feeds hand in their news.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    news: mpsc::Sender<News>,
    next: Arc<AtomicU32>,
}

impl Desk {
    pub(crate) fn new() -> (Desk, mpsc::Receiver<News>) {
        let (news, keeper) = mpsc::channel(NEWS_MAX);
        (Desk { news, next: Arc::default() }, keeper)
    }

    /// A number for a session that begins.
    pub(crate) fn open(&self) -> SessionId {
        SessionId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) async fn tell(&self, news: News) -> Result<(), Closed> {
        self.news.send(news).await.map_err(|_| Closed)
    }

    /// As [`Desk::tell`], for threads that may block.
    pub(crate) fn tell_blocking(&self, news: News) -> Result<(), Closed> {
        self.news.blocking_send(news).map_err(|_| Closed)
    }
}

/// Peers of one feed, numbered as they appear: each is a source.
#[derive(Debug, Default)]
pub(crate) struct PeerNumbers {
    numbers: HashMap<BgpPeer, u32>,
    next: u32,
}

/// Peers of one feed at most. All of RIPE's collectors have 1,500.
pub(crate) const FEED_PEERS_MAX: usize = 16_384;

impl PeerNumbers {
    /// None if there are too many.
    pub(crate) fn number(&mut self, peer: BgpPeer) -> Option<u32> {
        if let Some(&number) = self.numbers.get(&peer) {
            return Some(number);
        }
        if self.numbers.len() >= FEED_PEERS_MAX {
            return None;
        }
        let number = self.next;
        // A number is never given twice.
        self.next = number.checked_add(1)?;
        self.numbers.insert(peer, number);
        Some(number)
    }

    /// A peer that is gone. If it comes back it is somebody new.
    pub(crate) fn remove(&mut self, peer: &BgpPeer) -> Option<u32> {
        self.numbers.remove(peer)
    }

    /// What the change means, if there is room for its peer.
    pub(crate) fn told(&mut self, change: Change) -> Option<Told> {
        let source = self.number(change.peer)?;
        let network = change.prefix;
        Some(match change.route {
            Route::Announced(path) => Told::Announced { source, network, path_id: 0, path },
            Route::Withdrawn => Told::Withdrawn { source, network, path_id: 0 },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_carry_escapes_into_the_log() {
        let feed = Feed::new(FeedKind::Bmp, None, &format!("a\x1b[31m\nb\u{202e}{}", "c".repeat(100)));
        assert_eq!(feed.name, format!("a[31mb{}", "c".repeat(58)));
    }
}
