//! Others on the local network: multicast DNS (RFC 6762, RFC 6763) under a service name of our own.
//!
//! A node says that it is there, and at which ports; never what it downloads. Who hears it knows an address
//! and nothing more: whether that peer has a content shows when it is asked. libp2p's own mDNS is not used:
//! it speaks for every libp2p program under one name, remembers whatever it hears for as long as the sender
//! likes, and its tasks outlive the swarm.
//!
//! Invariants: where a peer is, is where its packet came from, and that is on a subnet of ours; at most
//! [`PEERS_MAX`] are remembered, none for longer than [`REMEMBERED_FOR`].

mod message;
mod socket;

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use libp2p::PeerId;
use tokio::time::Instant;

pub(crate) use self::socket::{Lan, may_run, run};

/// Peers remembered; while there are so many, newcomers are not heard.
const PEERS_MAX: usize = 128;
/// A peer that has not been heard of for this long is gone: it says that it is there every 45 seconds.
const REMEMBERED_FOR: Duration = Duration::from_secs(150);

/// What somebody said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) peer: PeerId,
    /// Ports it listens on over TCP and over QUIC; 0 = none.
    pub(crate) tcp: u16,
    pub(crate) udp: u16,
    /// It leaves.
    pub(crate) leaves: bool,
}

/// Who said what, from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) said: Said,
    /// Where the packet came from.
    pub(crate) ip: Ipv4Addr,
}

/// Who is there.
#[derive(Debug, Default)]
pub(crate) struct LanBook(BTreeMap<PeerId, Instant>);

impl LanBook {
    /// Notes that a peer is there; true if that is news.
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

    /// A peer said that it leaves.
    pub(crate) fn on_left(&mut self, peer: &PeerId) {
        self.0.remove(peer);
    }

    /// Everybody who is there.
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
