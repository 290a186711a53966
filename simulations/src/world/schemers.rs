//! Clients that play their own game with the engine that everybody has: scripts on top of it.
//!
//! - A *large view* (Sirivianos, Park, Chen and Yang, "Free-riding in BitTorrent networks with the
//!   large view exploit", 2007): the client links to every peer that there is, so that the turns
//!   that each of them gives to newcomers add up. It asks all of them, and gives little or nothing.
//! - *BitTyrant* (Piatek, Isdal, Anderson, Krishnamurthy and Venkataramani, "Do incentives build
//!   robustness in BitTorrent?", 2007): the client knows of each neighbour what it brings and what it
//!   asks for that. In each round it unchokes those first that bring most for what they ask, until
//!   its uplink is used up; the others ask too much. Who took and did not serve asks for more than
//!   was thought, by a fifth. Who served three rounds long may do it for a tenth less.
//!
//! In the paper BitTyrant sets the rate of each neighbour. Here each has so much credit a round; who
//! has used it up is choked until the next round. A BitTyrant that holds everything needs nobody, and
//! gives nothing.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use nearcast_core::{config::Config, id::PeerKey, input::Event, layout::RunIndex, message::Message};

use super::{Happening, Plays, World, peer::Stage};

/// How often a client with a large view looks for peers to whom it has no link.
const WIDEN_PAUSE: Duration = Duration::from_secs(2);
/// Neighbours of a client with a large view, and slots of a BitTyrant: as many as a policy may have.
const NEIGHBOURS_MAX: u16 = 1_000;
/// Slots over which a BitTyrant divides its uplink before it knows better: an honest peer's.
const SLOTS_ASSUMED: u64 = 16;
/// Rounds in which a neighbour serves before it is tried with less.
const ROUNDS_SERVED: u8 = 3;
/// Rounds' worth of credit that a neighbour may save up.
const CREDIT_ROUNDS: i64 = 2;
const NANOS: u128 = 1_000_000_000;

/// What a BitTyrant thinks of one neighbour.
#[derive(Clone, Copy, Debug)]
struct Deal {
    /// What it must be given to serve us, in bytes a second.
    asks: u64,
    /// What it brings while it serves us, in bytes a second.
    brings: u64,
    /// What came from it in this round, in bytes.
    came: u64,
    /// Rounds, one after the other, in which it was paid and served us.
    rounds: u8,
    /// Our engine would serve it: it is interested in what we hold.
    wants: bool,
    /// It is in this round's choice.
    chosen: bool,
    /// It was told that it may ask.
    unchoked: bool,
    /// What it may still be sent, in bytes. Below 0 if the last run was more than was left.
    credit: i64,
}

/// What a BitTyrant deals with its neighbours.
#[derive(Clone, Debug)]
pub(super) struct Bargains {
    deals: BTreeMap<PeerKey, Deal>,
    /// Its uplink, in bytes a second.
    up: u64,
}

impl Bargains {
    fn deal(&mut self, peer: PeerKey) -> &mut Deal {
        let fair = (self.up / SLOTS_ASSUMED).max(1);
        self.deals.entry(peer).or_insert(Deal {
            asks: fair,
            brings: fair,
            came: 0,
            rounds: 0,
            wants: false,
            chosen: false,
            unchoked: false,
            credit: 0,
        })
    }

    /// Learns from the round that is over, and chooses for the next one of this length.
    fn decide(&mut self, round: Duration) {
        let nanos = round.as_nanos().max(1);
        for deal in self.deals.values_mut() {
            let came = u64::try_from(u128::from(deal.came) * NANOS / nanos).unwrap_or(u64::MAX);
            let served = std::mem::take(&mut deal.came) > 0;
            if served {
                deal.brings = came.max(1);
            }
            match (deal.chosen, served) {
                (true, true) => deal.rounds = deal.rounds.saturating_add(1),
                (true, false) => {
                    deal.rounds = 0;
                    deal.asks = deal.asks.saturating_add(deal.asks / 5 + 1).min(self.up.max(1));
                }
                (false, _) => deal.rounds = 0,
            }
            if deal.rounds >= ROUNDS_SERVED {
                deal.asks = (deal.asks - deal.asks / 10).max(1);
            }
        }
        let mut order: Vec<PeerKey> =
            self.deals.iter().filter(|(_, deal)| deal.wants).map(|(&peer, _)| peer).collect();
        // The best first: brings / asks, compared crosswise. Of equal ones the lower key.
        order.sort_by(|a, b| {
            let (a, b) = (&self.deals[a], &self.deals[b]);
            let worth = |one: &Deal, other: &Deal| u128::from(one.brings) * u128::from(other.asks);
            worth(b, a).cmp(&worth(a, b))
        });
        let mut left = self.up;
        self.deals.values_mut().for_each(|deal| deal.chosen = false);
        for peer in order {
            let Some(deal) = self.deals.get_mut(&peer) else { continue };
            let Some(rest) = left.checked_sub(deal.asks) else { break };
            left = rest;
            deal.chosen = true;
            let pay = u128::from(deal.asks) * nanos / NANOS;
            let pay = i64::try_from(pay).unwrap_or(i64::MAX);
            deal.credit = deal.credit.saturating_add(pay).min(pay.saturating_mul(CREDIT_ROUNDS));
        }
    }
}

/// The policy of a peer that plays this game.
pub(super) fn policy(plays: Plays, usual: &Arc<Config>) -> Arc<Config> {
    let mut own = Config::clone(usual);
    match plays {
        Plays::ByTheRules => return usual.clone(),
        Plays::LargeView => (own.links.wanted, own.links.most) = (NEIGHBOURS_MAX, NEIGHBOURS_MAX),
        // Its engine serves whoever wants something; the script says who that may be.
        Plays::BitTyrant => own.upload.slots = NEIGHBOURS_MAX,
    }
    Arc::new(own)
}

impl World {
    /// A peer that has joined begins its game, if it has one of its own.
    pub(super) fn begin_scheming(&mut self, me: PeerKey) {
        let (plays, up) = (self.peer(me).role.plays, self.peer(me).role.up);
        match plays {
            Plays::ByTheRules => {}
            Plays::LargeView => self.schedule(self.now, me, Happening::Widen),
            Plays::BitTyrant => {
                let bargains = Bargains { deals: BTreeMap::new(), up };
                self.peer_mut(me).bargains = Some(Box::new(bargains));
                self.schedule(self.now, me, Happening::Bargain);
            }
        }
    }

    /// A run came from a neighbour.
    pub(super) fn note_stored(&mut self, me: PeerKey, from: PeerKey, bytes: u64) {
        let peer = self.peer(me);
        if peer.player.is_none() && peer.bargains.is_none() {
            return;
        }
        let (now, layout) = (self.now, self.layout.clone());
        let peer = self.peer_mut(me);
        peer.watch(now, &layout);
        if let Some(bargains) = &mut peer.bargains {
            bargains.deal(from).came += bytes;
        }
        self.tell_of_viewer(me);
    }

    /// A client with a large view links to everybody who is there.
    pub(super) fn widen(&mut self, me: PeerKey) {
        // Who has everything needs no more neighbours.
        if self.peer(me).have.is_full() {
            return;
        }
        let content = self.peer(me).role.content;
        let is_use = |other: PeerKey| {
            let peer = self.peer(other);
            let has = peer.role.origin || peer.role.content == content;
            other != me && has && peer.stage == Stage::There && !self.are_linked(me, other)
        };
        let others: Vec<PeerKey> = self.keys().filter(|&other| is_use(other)).collect();
        others.into_iter().for_each(|other| self.dial(me, other));
        self.schedule(self.now + WIDEN_PAUSE, me, Happening::Widen);
    }

    /// Whether a message is about who may ask, and a BitTyrant decides that by itself.
    pub(super) fn haggles_over(&mut self, me: PeerKey, peer: PeerKey, message: &Message) -> bool {
        let Some(bargains) = &mut self.peer_mut(me).bargains else { return false };
        let wants = match message {
            Message::Unchoke => true,
            Message::Choke => false,
            _ => return false,
        };
        let deal = bargains.deal(peer);
        deal.wants = wants;
        // It hears that it is choked only if it thinks that it is not.
        wants || !std::mem::replace(&mut deal.unchoked, false)
    }

    /// Whether a peer pays for a run that a neighbour wants. All but BitTyrants do.
    pub(super) fn pays(&mut self, me: PeerKey, to: PeerKey, run: RunIndex) -> bool {
        let bytes = i64::from(self.layout.run_length(run));
        let Some(bargains) = &mut self.peer_mut(me).bargains else { return true };
        let deal = bargains.deal(to);
        if deal.unchoked && deal.credit > 0 {
            deal.credit -= bytes;
            return true;
        }
        if std::mem::replace(&mut deal.unchoked, false) {
            self.cross(me, to, Event::Message { peer: me, message: Message::Choke });
        }
        false
    }

    /// A round of a BitTyrant ends, and the next one begins.
    pub(super) fn bargain(&mut self, me: PeerKey) {
        let round = self.config.config.upload.choke_interval;
        let peer = self.peer_mut(me);
        let (links, is_done) = (peer.links.clone(), peer.have.is_full());
        let Some(bargains) = &mut peer.bargains else { return };
        bargains.deals.retain(|peer, _| links.binary_search_by_key(peer, |link| link.peer).is_ok());
        bargains.decide(round);
        let mut told = Vec::new();
        for (&peer, deal) in &mut bargains.deals {
            let unchoked = deal.chosen && deal.credit > 0 && !is_done;
            if std::mem::replace(&mut deal.unchoked, unchoked) != unchoked {
                told.push((peer, unchoked));
            }
        }
        for (peer, unchoked) in told {
            if !unchoked {
                self.refuse_waiting(me, peer);
            }
            let message = if unchoked { Message::Unchoke } else { Message::Choke };
            self.cross(me, peer, Event::Message { peer: me, message });
        }
        if !is_done {
            self.schedule(self.now + round, me, Happening::Bargain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_secs(2);

    fn bargains(up: u64, peers: u32) -> Bargains {
        let mut bargains = Bargains { deals: BTreeMap::new(), up };
        (0..peers).for_each(|peer| bargains.deal(PeerKey(peer)).wants = true);
        bargains
    }

    fn chosen(bargains: &Bargains) -> Vec<u32> {
        bargains.deals.iter().filter(|(_, deal)| deal.chosen).map(|(peer, _)| peer.0).collect()
    }

    #[test]
    fn those_that_bring_most_for_what_they_ask_are_chosen_until_the_uplink_is_used_up() {
        let mut bargains = bargains(1_600, 20);
        bargains.deal(PeerKey(3)).wants = false;
        bargains.deal(PeerKey(19)).came = 1_000;
        bargains.decide(ROUND);
        // Sixteen that ask for a hundred: who brings more comes first, and then the lower keys.
        let all: Vec<u32> = (0..16).filter(|peer| *peer != 3).chain([19]).collect();
        assert_eq!(chosen(&bargains), all);
        assert_eq!(bargains.deal(PeerKey(19)).brings, 500);
    }

    #[test]
    fn who_takes_and_does_not_serve_asks_for_more_until_it_asks_too_much() {
        let mut bargains = bargains(1_600, 18);
        for _ in 0..4 {
            // All but number 0 serve, also those that are not chosen.
            (1..18).for_each(|peer| bargains.deal(PeerKey(peer)).came = 200);
            bargains.decide(ROUND);
        }
        assert!(!chosen(&bargains).contains(&0), "{:?}", chosen(&bargains));
        assert!(bargains.deal(PeerKey(0)).asks > 110);
        // Who served for three rounds is tried with less, so that there is room for all who do.
        assert!(bargains.deal(PeerKey(5)).asks < 100);
        assert_eq!(chosen(&bargains).len(), 17);
    }

    #[test]
    fn credit_is_what_a_neighbour_asks_for_and_is_saved_for_two_rounds() {
        let mut bargains = bargains(1_600, 1);
        bargains.decide(ROUND);
        assert_eq!(bargains.deal(PeerKey(0)).credit, 200);
        bargains.deal(PeerKey(0)).credit = -50;
        bargains.deal(PeerKey(0)).came = 1;
        bargains.decide(ROUND);
        assert_eq!(bargains.deal(PeerKey(0)).credit, 150);
        for _ in 0..9 {
            bargains.decide(ROUND);
        }
        let deal = *bargains.deal(PeerKey(0));
        assert!(deal.credit <= 2 * 2 * deal.asks as i64, "{deal:?}");
    }
}
