//! The dials of peers: what a dial tries, what it costs, and how it ends.
//!
//! Invariant: a peer has at most one dial under way, and each token taken for it is refunded or
//! settled when it ends.

use std::{net::IpAddr, time::Duration};

use super::{
    AddressBook, GIVEN_UP_BY_DIRECTORY_FOR, GIVEN_UP_FOR, Rank,
    doors::doors,
    places::Spot,
    targets::{self, Token},
};
use crate::{id::PeerKey, place::endpoint::Endpoint, time::Timestamp};

/// How long an attempt keeps the next one from beginning, as in Happy Eyeballs (RFC 8305, section
/// 5): of an address, of a transport, of a candidate. A peer that answers does so by then, as a
/// rule; one that does not is waited for beside the others. Less: more attempts at a time.
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// The pause after a place failed, unless a link named it; it doubles with each failure. It is at
/// most half of what one content waits, so it shows only where many contents want the same peer.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// The longest such pause. Longer = a server that comes back is found later.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// The same for a place that a link names, which is never given up.
const PAUSE_LINK: Duration = Duration::from_secs(5);
/// Of this many attempts at a place that costs tokens, the last one is over QUIC.
const QUIC_TURN: u8 = 3;

/// One address of a dial under way.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// The place it belongs to.
    pub(super) of: Endpoint,
    /// The token that was paid for it, if it cost one.
    pub(super) token: Option<Token>,
    /// Another peer answered there.
    other_found: bool,
}

/// What to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// These places, in this order, each once. Places that cost a token want a port of their own,
    /// so that none of them has to be tried twice.
    Dial(Vec<Place>),
    /// Not yet: wait this long.
    Later(Duration),
    /// Nothing is known of where the peer is.
    Nowhere,
}

/// One address to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The IP.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
    /// Over QUIC instead of TCP.
    pub quic: bool,
    /// It is dialled because of the word of others: one attempt and no more.
    pub counted: bool,
}

impl AddressBook {
    /// The dial of a peer is over. `ip`: where the intended peer answered, if it did.
    pub(super) fn settle_dial(&mut self, now: Timestamp, peer: PeerKey, ip: Option<IpAddr>) {
        let dial = self.entries.get_mut(&peer).and_then(|entry| entry.dial.take());
        for token in dial.into_iter().flatten().filter_map(|attempt| attempt.token) {
            match ip.is_some_and(|ip| token.is_of(ip)) {
                true => self.targets.refund(token),
                false => self.targets.settle(now, token),
            }
        }
    }

    /// Where to dial a peer now. Tokens are taken for it: the dial has to end in
    /// [`AddressBook::on_connected`], [`AddressBook::on_dial_failed`] or
    /// [`AddressBook::on_dial_refused`].
    pub fn plan(&mut self, now: Timestamp, peer: PeerKey) -> Plan {
        let Some(entry) = self.entries.get_mut(&peer).filter(|entry| !entry.places.is_empty()) else {
            return Plan::Nowhere;
        };
        if entry.dial.is_some() {
            // A dial is under way that a connection overtook, and the connection is gone already.
            return Plan::Later(PAUSE_FIRST);
        }
        let (mut places, mut dial, mut wait) = (Vec::new(), Vec::new(), Duration::MAX);
        for at in entry.places.order() {
            let Some(spot) = entry.places.get_mut(at) else { continue };
            let ready = spot.tried_at.map_or(Timestamp::ZERO, |tried| tried + pause(spot));
            if ready > now {
                wait = wait.min(ready.since(now));
                continue;
            }
            for place in attempts(spot) {
                let token =
                    match place.counted.then(|| self.targets.take(now, place.ip, (spot.rank, spot.teller))) {
                        Some(Err(pause)) => {
                            wait = wait.min(pause);
                            continue;
                        }
                        paid => paid.and_then(Result::ok),
                    };
                dial.push(Attempt { of: spot.endpoint.clone(), token, other_found: false });
                places.push(place);
            }
        }
        if places.is_empty() {
            return Plan::Later(wait.min(targets::WINDOW));
        }
        entry.dial = Some(dial);
        Plan::Dial(places)
    }

    /// A dial was planned and not made.
    pub fn on_dial_refused(&mut self, peer: PeerKey) {
        let dial = self.entries.get_mut(&peer).and_then(|entry| entry.dial.take());
        let paid = dial.into_iter().flatten().filter_map(|attempt| attempt.token);
        paid.for_each(|token| self.targets.refund(token));
    }

    /// Another peer than the intended one answered where a dial of this peer led. Said before the
    /// dial ends.
    pub fn on_other_found(&mut self, peer: PeerKey, (ip, port): (IpAddr, u16)) {
        let door = (ip.to_canonical(), port);
        let dial = self.entries.get_mut(&peer).and_then(|entry| entry.dial.as_mut());
        for attempt in dial.into_iter().flatten() {
            attempt.other_found |= doors(&attempt.of).any(|tried| tried == door);
        }
    }

    /// A dial led to nobody, or to another peer. Returns false if nothing is left to try: the peer
    /// is forgotten.
    pub fn on_dial_failed(&mut self, now: Timestamp, peer: PeerKey) -> bool {
        let Some(entry) = self.entries.get_mut(&peer) else { return false };
        if entry.connections > 0 {
            // The peer connected to us meanwhile: it is alive, and says itself where it is.
            self.on_dial_refused(peer);
            return true;
        }
        let attempts = entry.dial.iter().flatten();
        let mut tried: Vec<(Endpoint, bool)> =
            attempts.map(|attempt| (attempt.of.clone(), attempt.other_found)).collect();
        tried.dedup();
        for (endpoint, _) in &tried {
            if let Some(spot) = entry.places.find_mut(endpoint) {
                spot.failures = spot.failures.saturating_add(1);
                spot.tried_at = Some(now);
            }
        }
        // A wrong name says that this word was false, and nothing about the peer at that door.
        let mut wrong = Vec::new();
        for (endpoint, _) in tried.iter().filter(|(_, other_found)| *other_found) {
            wrong.extend(entry.places.remove_told(endpoint));
        }
        let gone = entry.places.take_spent();
        let empty = entry.places.is_empty() && !entry.kept;
        self.settle_dial(now, peer, None);
        self.close_doors(peer, &wrong);
        self.close_doors(peer, &gone);
        for spot in gone.iter().filter(|spot| spot.rank.is_third_party()) {
            let by_directory = spot.rank == Rank::Directory;
            let until = now + if by_directory { GIVEN_UP_BY_DIRECTORY_FOR } else { GIVEN_UP_FOR };
            doors(&spot.endpoint).for_each(|door| self.give_up(until, spot.rank, door));
        }
        if empty {
            self.forget(peer);
        }
        !empty
    }
}

/// How long a place is left alone after its last failure.
fn pause(spot: &Spot) -> Duration {
    let doubled = |first: Duration| match spot.failures {
        0 => Duration::ZERO,
        failures => first.saturating_mul(1 << u32::from(failures.saturating_sub(1)).min(16)),
    };
    match spot.rank {
        Rank::Link => doubled(PAUSE_LINK).min(targets::WINDOW),
        _ => doubled(PAUSE_FIRST).min(PAUSE_MAX),
    }
}

/// The addresses of a place that one dial tries: both transports of a place that is typed or
/// proved. Of any other place it is one, TCP twice and then QUIC, because each costs its target a
/// connection.
fn attempts(spot: &Spot) -> Vec<Place> {
    let Endpoint { ip, tcp, udp } = spot.endpoint;
    let counted = !spot.rank.is_exempt();
    let tcp = tcp.map(|port| Place { ip, port, quic: false, counted });
    let quic = udp.map(|port| Place { ip, port, quic: true, counted });
    if !counted {
        return tcp.into_iter().chain(quic).collect();
    }
    let quic_first = spot.failures % QUIC_TURN == QUIC_TURN - 1;
    let one = if quic_first { quic.or(tcp) } else { tcp.or(quic) };
    one.into_iter().collect()
}
