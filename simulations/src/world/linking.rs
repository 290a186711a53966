//! Links of the world: how they begin, what crosses them, how they end.
//!
//! Each end has its own record of a link, from when its engine is told that the link is up until
//! its engine is told that the link is gone. Between two peers nothing overtakes, so both ends see
//! the same links in the same order.

use std::time::Duration;

use nearcast_core::{
    id::PeerKey,
    input::{Event, Neighbour},
};

use super::{
    World,
    event::Happening,
    peer::{Link, Stage, note},
};

/// One way, in which a link begins: TCP and TLS take a round trip each, and the hello half of one.
const WAYS_TO_LINK: u32 = 3;

/// Engines are told of round trips that are no shorter.
const FAR: Duration = Duration::from_millis(50);

impl World {
    /// Whether `a` has a link to `b`.
    pub(super) fn are_linked(&self, a: PeerKey, b: PeerKey) -> bool {
        self.peer(a).link(b).is_some()
    }

    pub(super) fn latency(&self, a: PeerKey, b: PeerKey) -> Duration {
        self.places.latency(a, b)
    }

    /// Something goes from one peer to another.
    pub(super) fn cross(&mut self, from: PeerKey, to: PeerKey, what: impl Into<Happening>) {
        self.cross_after(Duration::ZERO, from, to, what);
    }

    /// Something goes from one peer to another, after this time.
    pub(super) fn cross_after(
        &mut self,
        wait: Duration,
        from: PeerKey,
        to: PeerKey,
        what: impl Into<Happening>,
    ) {
        let what = what.into();
        if let Some(what) = self.hold_back(from, to, what) {
            let at = self.now + wait + self.latency(from, to);
            self.schedule(at, to, what);
        }
    }

    pub(super) fn dial(&mut self, me: PeerKey, peer: PeerKey) {
        let other = self.peer(peer);
        let barred = other.banned.contains(&me) || self.peer(me).banned.contains(&peer);
        if self.are_clogged(me, peer) {
            return self.fail_unanswered(me, Event::DialFailed { peer });
        }
        let latency = self.latency(me, peer);
        if other.stage != Stage::There || barred {
            return self.schedule(self.now + 2 * latency, me, Event::DialFailed { peer });
        }
        note(&mut self.peer_mut(me).dialled, peer);
        self.links_made += 1;
        let number = self.links_made;
        for (a, b) in [(me, peer), (peer, me)] {
            self.schedule(self.now + WAYS_TO_LINK * latency, a, Happening::Linked { peer: b, number });
        }
    }

    pub(super) fn begin_link(&mut self, me: PeerKey, peer: PeerKey, number: u32) {
        let other = self.peer(peer);
        if other.stage == Stage::Gone {
            return self.tell(me, Event::DialFailed { peer });
        }
        let about = Neighbour {
            near: self.places.near(me, peer),
            origin: other.role.origin || other.role.poses,
            directory: false,
            manifest: true,
            web_seed: false,
        };
        // Its have-map shows all that it told until now.
        let heard = other.log_len();
        // Two peers may have dialled each other; the second link is one too many for both.
        if self.peer_mut(me).begin_link(Link { peer, number, heard, open: 0 }) {
            self.event(me, peer, Event::Linked { peer, about });
            let rtt = 2 * self.latency(me, peer);
            if rtt >= FAR {
                self.event(me, peer, Event::Rtt { peer, rtt });
            }
        }
    }

    /// A peer ends its link.
    pub(super) fn unlink(&mut self, me: PeerKey, peer: PeerKey) {
        let Some(&Link { number, .. }) = self.peer(me).link(peer) else { return };
        self.schedule(self.now, me, Happening::Unlinked { peer, number });
        self.cross(me, peer, Happening::Unlinked { peer: me, number });
    }

    pub(super) fn hear_unlinked(&mut self, me: PeerKey, peer: PeerKey, number: u32) {
        if self.peer(me).link(peer).is_none_or(|link| link.number != number) {
            return;
        }
        self.stop_sending(me, peer);
        // What it told is counted, so it is told first.
        self.pull_from(me, peer);
        // The engine takes the neighbour's have-map out of its counts, so the map is still there.
        self.event(me, peer, Event::Unlinked { peer });
        self.peer_mut(me).end_link(peer);
    }

    pub(super) fn ban(&mut self, me: PeerKey, peer: PeerKey) {
        note(&mut self.peer_mut(me).banned, peer);
        self.unlink(me, peer);
    }

    /// The machine of a peer loses power.
    pub fn kill(&mut self, key: u32) {
        let key = PeerKey(key);
        let (now, parted) = (self.now, self.peer(key).moved());
        let peer = self.peer_mut(key);
        (peer.parted, peer.struck_at) = (Some(Box::new(parted)), now);
        self.end(key);
    }

    /// What was to happen to a peer that has gone. What was on its way to it is lost.
    pub(super) fn lose(&mut self, what: &Happening) {
        if let &Happening::Stored { run, .. } = what {
            let bytes = u64::from(self.layout.run_length(run));
            self.air_bytes -= bytes;
            self.lost_bytes += bytes;
        }
    }

    /// A peer is gone; its neighbours hear of it.
    pub(super) fn end(&mut self, me: PeerKey) {
        let now = self.now;
        let peer = self.peer_mut(me);
        peer.end_watching(now);
        let was_unfinished = peer.role.is_served() && peer.completed.is_none() && peer.stage != Stage::Gone;
        peer.stage = Stage::Gone;
        self.unfinished -= u32::from(was_unfinished);
        self.stop_flows(me);
        for Link { peer, number, .. } in std::mem::take(&mut self.peer_mut(me).links) {
            self.cross(me, peer, Happening::Unlinked { peer: me, number });
        }
    }
}
