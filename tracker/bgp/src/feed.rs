//! What feeds report to the table: sessions that begin and end, and route changes.

use std::{collections::HashMap, fmt, net::IpAddr, sync::Arc};

use ipnetwork::IpNetwork;

use super::{
    paths::Path,
    rib::SessionId,
    route::{BgpPeer, Change, Route},
};

/// A kind of source of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedKind {
    /// A router of the operator, over BMP (RFC 7854).
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

/// The identity of a feed. A router that connects again is recognised by it, and its new routes
/// replace the old ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Feed {
    /// The kind of feed.
    pub kind: FeedKind,
    /// The address a router connects from.
    pub address: Option<IpAddr>,
    /// The router's own name, or the place of the stream: printable ASCII, at most
    /// [`NAME_BYTES_MAX`] bytes.
    pub name: String,
}

/// The longest name that is kept, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

impl Feed {
    /// Removes everything but printable ASCII from the name, and cuts it to the limit.
    pub fn new(kind: FeedKind, address: Option<IpAddr>, name: &str) -> Feed {
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

/// A route change. Each session numbers its own sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The source reaches this network by this path.
    Announced {
        /// The source.
        source: u32,
        /// The network, host bits cleared.
        network: IpNetwork,
        /// Distinguishes several paths of one source (RFC 7911), else 0.
        path_id: u32,
        /// The path.
        path: Arc<Path>,
    },
    /// The source no longer reaches this network.
    Withdrawn {
        /// The source.
        source: u32,
        /// The network, host bits cleared.
        network: IpNetwork,
        /// As in `Announced`.
        path_id: u32,
    },
    /// All routes of this source no longer count. Its number is not used again.
    Forgotten {
        /// The source.
        source: u32,
    },
}

/// Counts of what a session has heard so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages of any kind, lines, or changes in update files.
    pub messages: u64,
    /// Announcements accepted.
    pub announced: u64,
    /// Withdrawals accepted.
    pub withdrawn: u64,
    /// Messages about routes in a view that is not used, because the same routes come in a better
    /// one.
    pub other_views: u64,
    /// Unusable routes and messages: prefixes too short, paths without an origin, other address
    /// families and routing instances, unknown peers.
    pub skipped: u64,
    /// Messages and lines that could not be read, in whole or in part.
    pub damaged: u64,
}

impl Tally {
    /// Adds the counts of another session.
    pub fn add(&mut self, other: &Tally) {
        self.messages = self.messages.saturating_add(other.messages);
        self.announced = self.announced.saturating_add(other.announced);
        self.withdrawn = self.withdrawn.saturating_add(other.withdrawn);
        self.other_views = self.other_views.saturating_add(other.other_views);
        self.skipped = self.skipped.saturating_add(other.skipped);
        self.damaged = self.damaged.saturating_add(other.damaged);
    }
}

/// Changes handed over at once. A batch is applied in about a millisecond.
pub const BATCH_MAX: usize = 1_024;

/// What a feed reports to the keeper of the table, in order for each session.
#[derive(Debug)]
pub enum News {
    /// A session begins, or resumes if it was lost and is still held.
    Begun(SessionId, Feed),
    /// Route changes, [`BATCH_MAX`] or a few more, and the counts so far.
    Told(SessionId, Vec<Told>, Tally),
    /// The feed has reported everything it knew at its beginning.
    Synced(SessionId),
    /// The session is over. Its routes are held for a while.
    Lost(SessionId),
}

/// Numbers the peers of one feed as they appear; each peer is a source.
#[derive(Debug, Default)]
pub struct PeerNumbers {
    numbers: HashMap<BgpPeer, u32>,
    next: u32,
}

/// The most peers of one feed. All of RIPE's collectors have 1,500.
pub const FEED_PEERS_MAX: usize = 16_384;

impl PeerNumbers {
    /// The number of a peer. `None`: there are too many peers.
    pub fn number(&mut self, peer: BgpPeer) -> Option<u32> {
        if let Some(&number) = self.numbers.get(&peer) {
            return Some(number);
        }
        if self.numbers.len() >= FEED_PEERS_MAX {
            return None;
        }
        let number = self.next;
        // A number is never used twice.
        self.next = number.checked_add(1)?;
        self.numbers.insert(peer, number);
        Some(number)
    }

    /// Removes a peer that is gone. If it comes back, it gets a new number.
    pub fn remove(&mut self, peer: &BgpPeer) -> Option<u32> {
        self.numbers.remove(peer)
    }

    /// The route change for a change. `None`: there is no room for its peer.
    pub fn told(&mut self, change: Change) -> Option<Told> {
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
