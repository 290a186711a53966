//! Look-ups and writes under way, and who waits for them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, kad::QueryId, swarm::ConnectionId};
use nearcast_core::overlay::keys::Key;
use tokio::sync::oneshot;

/// The time after which a look-up ends with what it has found.
pub(super) const LOOK_UP_MAX: Duration = Duration::from_millis(1_900);
/// Once a directory is found, a look-up goes on this long for more, if somebody waits for it.
pub(super) const MORE_MAX: Duration = Duration::from_millis(300);
/// The time after which a write is no longer waited for.
pub(super) const PROVIDE_MAX: Duration = Duration::from_secs(20);

/// The time after which a directory that is dialled is no longer waited for.
pub(super) const MEET_MAX: Duration = Duration::from_secs(2);
/// Queries and meetings under way at most. Whoever wants more is told at once that nothing was found.
const UNDER_WAY_MAX: usize = 256;

/// What is to be done in the hash table.
#[derive(Debug)]
pub(crate) enum Order {
    /// Find directories under a key, and stop at `enough` of them, or soon after the first if that is
    /// fewer than make a further record needless.
    LookUp { key: Key, enough: usize, reply: oneshot::Sender<Found> },
    /// Write ourselves under a key. The answer is the number of requests that it took.
    Provide { key: Key, reply: oneshot::Sender<Option<u32>> },
    /// Stand under a key no longer. Records elsewhere expire.
    Withdraw { key: Key },
    /// Connect to a directory that others name. `None`: it cannot be reached.
    Meet { peer: PeerId, addresses: Vec<Multiaddr>, reply: oneshot::Sender<Option<Met>> },
    /// Dial a directory that the user names, or that was in the table before.
    Join { peer: Option<PeerId>, address: Multiaddr },
    /// Tell which directories are in the table.
    Nodes { reply: oneshot::Sender<Vec<(PeerId, Multiaddr)>> },
}

/// What a look-up found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Directories, and addresses of each that may be dialled.
    pub(crate) directories: BTreeMap<PeerId, Vec<Multiaddr>>,
    /// Requests that it took.
    pub(crate) requests: u32,
}

/// A directory that we are connected to.
#[derive(Clone, Debug)]
pub(crate) struct Met {
    pub(crate) connection: ConnectionId,
}

/// A query under way.
pub(super) enum Query {
    LookUp { found: Found, enough: usize, until: Instant, reply: oneshot::Sender<Found> },
    Provide { until: Instant, reply: oneshot::Sender<Option<u32>> },
}

impl Query {
    fn until(&self) -> Instant {
        match self {
            Query::LookUp { until, .. } | Query::Provide { until, .. } => *until,
        }
    }

    /// Tells who waits. `requests`: what it took. `None`: it came to nothing.
    pub(super) fn end(self, requests: Option<u32>) {
        // An error means that nobody waits any more.
        match self {
            Query::LookUp { found, reply, .. } => {
                _ = reply.send(Found { requests: requests.unwrap_or(found.requests), ..found });
            }
            Query::Provide { reply, .. } => _ = reply.send(requests),
        }
    }
}

/// Somebody waits until a directory is connected.
pub(super) struct Meeting {
    pub(super) peer: PeerId,
    pub(super) until: Instant,
    pub(super) reply: oneshot::Sender<Option<Met>>,
}

/// All that is under way.
#[derive(Default)]
pub(super) struct Queries {
    by_id: Vec<(QueryId, Query)>,
    meetings: Vec<Meeting>,
}

impl Queries {
    /// Whether more may begin.
    pub(super) fn has_room(&self) -> bool {
        self.by_id.len().saturating_add(self.meetings.len()) < UNDER_WAY_MAX
    }

    pub(super) fn insert(&mut self, id: QueryId, query: Query) {
        self.by_id.push((id, query));
    }

    pub(super) fn get_mut(&mut self, id: QueryId) -> Option<&mut Query> {
        self.by_id.iter_mut().find(|(other, _)| *other == id).map(|(_, query)| query)
    }

    /// A query is over.
    pub(super) fn end(&mut self, id: QueryId, requests: Option<u32>) {
        if let Some(at) = self.by_id.iter().position(|(other, _)| *other == id) {
            self.by_id.swap_remove(at).1.end(requests);
        }
    }

    pub(super) fn meet(&mut self, meeting: Meeting) {
        self.meetings.push(meeting);
    }

    /// A directory is connected, or cannot be reached.
    pub(super) fn met(&mut self, peer: PeerId, met: Option<&Met>) {
        for meeting in self.meetings.extract_if(.., |meeting| meeting.peer == peer) {
            // An error means that nobody waits any more.
            let _ = meeting.reply.send(met.cloned());
        }
    }

    /// The next time at which something is given up.
    pub(super) fn next_end(&self) -> Option<Instant> {
        let queries = self.by_id.iter().map(|(_, query)| query.until());
        queries.chain(self.meetings.iter().map(|meeting| meeting.until)).min()
    }

    /// Gives up what takes too long. Returns the queries to be ended.
    pub(super) fn give_up(&mut self, now: Instant) -> Vec<(QueryId, Query)> {
        for meeting in self.meetings.extract_if(.., |meeting| meeting.until <= now) {
            let _ = meeting.reply.send(None);
        }
        self.by_id.extract_if(.., |(_, query)| query.until() <= now).collect()
    }
}
