//! What will happen in the world, in order of time. Events due at the same moment happen in the
//! order they were added.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use nearcast_core::{
    id::{PeerKey, QueryId, RequestId},
    layout::RunIndex,
    message::Message,
    time::Timestamp,
};

/// Something that will happen.
pub(super) enum Happening {
    /// The uplink of a source has sent a run.
    Sent(usize),
    /// The engine hears of the late sources.
    Discovered,
    /// The sources go, and come back.
    Gone,
    Back,
    Linked(PeerKey),
    DialFailed(PeerKey),
    /// A dial is put off, or the peer has no address.
    DialLater(PeerKey, Duration),
    Hopeless(PeerKey),
    Said(PeerKey, Message),
    /// A byzantine neighbour reacts to a request.
    Reacts(PeerKey, RequestId, RunIndex),
    Manifest,
    Stalled(PeerKey),
    Uploaded(PeerKey),
    NoAnswer(QueryId),
    Deed(usize),
}

struct Due {
    at: Timestamp,
    number: u32,
    what: Happening,
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Due) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[derive(Default)]
pub(super) struct Agenda {
    due: BinaryHeap<Reverse<Due>>,
    next: u32,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Timestamp, what: Happening) {
        self.due.push(Reverse(Due { at, number: self.next, what }));
        self.next += 1;
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.peek().map(|Reverse(due)| due.at)
    }

    pub(super) fn take(&mut self) -> Option<Happening> {
        self.due.pop().map(|Reverse(due)| due.what)
    }
}
