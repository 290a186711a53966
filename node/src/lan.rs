//! Peers on the local network: multicast DNS (RFC 6762, RFC 6763) under a service name of our own.
//!
//! A node announces that it is there and its ports, never what it downloads. A listener learns an
//! address and nothing more: whether the peer has a content shows when the peer is asked. libp2p's
//! own mDNS is not used: it speaks for every libp2p program under one name, remembers peers for as
//! long as the sender likes, and its tasks outlive the swarm.
//!
//! Invariants: the IP of a peer is the source of its packet, and lies on a subnet of ours. At most
//! [`PEERS_MAX`] peers are remembered, none for longer than [`REMEMBERED_FOR`].

mod message;
mod socket;

use std::{collections::BTreeMap, time::Duration};

use libp2p::PeerId;
use tokio::time::Instant;

pub(crate) use self::socket::{Lan, may_run, run};

/// The most peers remembered. While there are so many, newcomers are ignored.
const PEERS_MAX: usize = 128;
/// A peer not heard of for this long is gone: a peer announces itself every 45 seconds.
const REMEMBERED_FOR: Duration = Duration::from_secs(150);

/// The peers on the local network, and when each was last heard.
#[derive(Debug, Default)]
pub(crate) struct LanBook(BTreeMap<PeerId, Instant>);

impl LanBook {
    /// Notes that a peer is there. Returns true if it is new.
    pub(crate) fn on_heard(&mut self, now: Instant, peer: PeerId) -> bool {
        let gone = |heard: &Instant| now.saturating_duration_since(*heard) >= REMEMBERED_FOR;
        self.0.retain(|_, heard| !gone(heard));
        if let Some(heard) = self.0.get_mut(&peer) {
            *heard = now;
            return false;
        }
        if self.0.len() < PEERS_MAX {
            self.0.insert(peer, now);
            return true;
        }
        false
    }

    /// Forgets a peer that says that it leaves.
    pub(crate) fn on_left(&mut self, peer: &PeerId) {
        self.0.remove(peer);
    }

    /// All peers that are there.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.0.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_news_once_until_it_was_silent_or_left() {
        let (mut book, now, peer) = (LanBook::default(), Instant::now(), PeerId::random());
        assert!(book.on_heard(now, peer));
        assert!(!book.on_heard(now + Duration::from_secs(140), peer));
        assert!(!book.on_heard(now + Duration::from_secs(280), peer), "it was heard of in between");
        assert!(book.on_heard(now + Duration::from_secs(430), peer));
        book.on_left(&peer);
        assert_eq!(book.peers().count(), 0);
        assert!(book.on_heard(now + Duration::from_secs(431), peer));
    }

    #[test]
    fn a_flood_of_names_fills_the_book_and_no_more() {
        let (mut book, now) = (LanBook::default(), Instant::now());
        let news = (0..10_000).filter(|_| book.on_heard(now, PeerId::random())).count();
        assert_eq!((news, book.peers().count()), (PEERS_MAX, PEERS_MAX));
        assert!(book.on_heard(now + REMEMBERED_FOR, PeerId::random()), "the silent make room");
    }
}
