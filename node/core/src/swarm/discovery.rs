//! The other members of the swarm of one content: candidates we heard of, directories we ask, and
//! when to try them.
//!
//! Invariants: a peer is known at most once, and not at all while it is a neighbour (its link
//! remembers where it came from); `dialing` counts the candidates in [`State::Dialing`]. Each
//! attempt that began a moment ago holds a slot.

mod candidates;
mod directories;
mod shares;
mod turns;

use std::{collections::BTreeSet, time::Duration};

use self::{directories::Directory, turns::Turns};
use crate::{
    config::Config,
    id::PeerKey,
    input::Via,
    links::peers::{Link, Links},
    place::{addresses::ATTEMPT_DELAY, locality::Locality},
    random::Random,
    swarm::{
        candidate::{Known, State, Teller},
        ranking::{self, Scene},
    },
    time::Timestamp,
};

/// The longest pause before a failed candidate or directory is tried again.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// The same for candidates that the user named, and for those from a directory while there is no
/// neighbour at all: a server that was away for a minute is back before the download gives up.
const RETRY_NEEDED_MAX: Duration = Duration::from_secs(6);
/// The most attempts under way, with or without a slot.
const ATTEMPTS_MAX: u8 = 48;
/// The pause after the first failure; it doubles with each further failure.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// The pause after a stranger on the local network turned out not to have the content. We asked it
/// on a guess, and must not hammer a network full of strangers.
const RETRY_STRANGER: Duration = Duration::from_secs(15 * 60);

/// What is known of a swarm's members.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    known: Vec<Known>,
    directories: Vec<Directory>,
    dialing: u8,
    turns: Turns,
    next_query: u32,
}

impl Discovery {
    /// Candidates inside of our group.
    pub(crate) fn inside(&self, ours: Locality) -> impl Iterator<Item = PeerKey> + '_ {
        let is_inside = move |known: &&Known| ours.asn.is_some() && !ours.is_outside(known.near);
        self.known.iter().filter(is_inside).map(|known| known.peer)
    }

    /// Attempts that began a moment ago: each holds one of the slots.
    pub(crate) fn dialing(&self, now: Timestamp) -> usize {
        match self.dialing {
            0 => 0,
            _ => self.known.iter().filter(|known| known.holds_slot_until(now).is_some()).count(),
        }
    }

    /// Asserts the invariants of the table of candidates.
    ///
    /// # Panics
    /// If one of them does not hold.
    pub(crate) fn check(&self, links: &Links, config: &Config) {
        let dialing = self.known.iter().filter(|known| known.is_dialing()).count();
        assert_eq!(usize::from(self.dialing), dialing, "candidates being dialled");
        let peers: BTreeSet<PeerKey> = self.known.iter().map(|known| known.peer).collect();
        assert_eq!(peers.len(), self.known.len(), "a candidate is known once");
        let linked = peers.iter().find(|&&peer| links.get(peer).is_some());
        assert_eq!(linked, None, "a neighbour is no candidate");
        let unnamed = self.known.iter().filter(|known| known.via != Via::Named).count();
        assert!(unnamed <= usize::from(config.finding.candidates_max), "candidates are bounded");
        let directories: BTreeSet<PeerKey> = self.directories.iter().map(|asked| asked.peer).collect();
        assert_eq!(directories.len(), self.directories.len(), "a directory is known once");
    }

    /// Whether there is a candidate to try or a directory to ask.
    pub(crate) fn has_prospects(&self) -> bool {
        !self.known.is_empty() || !self.directories.is_empty()
    }

    /// How many more peers to dial, beside the neighbours and the attempts under way. There are to
    /// be as many neighbours as wanted, and half that number are to be our own choice, however many
    /// came to us.
    fn room(&self, scene: &Scene<'_>) -> usize {
        let Scene { links, config, .. } = scene;
        let dialing = usize::from(self.dialing);
        let chosen = links.iter().filter(|link| link.is_chosen()).count();
        let wanted = scene.wanted().saturating_sub(links.len()).saturating_sub(dialing);
        let of_choice = config.links.of_choice().saturating_sub(chosen).saturating_sub(dialing);
        let places = usize::from(config.links.most).saturating_sub(links.len()).saturating_sub(dialing);
        wanted.max(of_choice.min(places))
    }

    /// Whether no attempt is under way, however long ago it began.
    pub(crate) fn is_quiet(&self) -> bool {
        self.dialing == 0
    }

    /// Whether there are too few neighbours.
    pub(crate) fn has_room(&self, scene: &Scene<'_>) -> bool {
        self.room(scene) > 0
    }

    /// Whether one more attempt may begin.
    fn has_slot(&self, now: Timestamp, config: &Config) -> bool {
        self.dialing < ATTEMPTS_MAX && self.dialing(now) < usize::from(config.finding.dials_in_flight_max)
    }

    /// Whether this peer is being dialled.
    pub(crate) fn is_dialing(&self, peer: PeerKey) -> bool {
        self.dialing > 0 && self.known.iter().any(|known| known.peer == peer && known.is_dialing())
    }

    /// Whether this peer is a candidate.
    pub(crate) fn knows(&self, peer: PeerKey) -> bool {
        self.known.iter().any(|known| known.peer == peer)
    }

    /// Whether a candidate that never failed could be dialled now.
    pub(crate) fn has_untried(&self, now: Timestamp) -> bool {
        self.known.iter().any(|known| known.failures == 0 && known.is_ready(now))
    }

    /// The next peer to dial. `None`: no candidate is ready, no slot is free, or the neighbours in
    /// `scene` are enough.
    pub(crate) fn next_dial(
        &mut self,
        now: Timestamp,
        scene: &Scene<'_>,
        random: &mut Random,
    ) -> Option<PeerKey> {
        let config = scene.config;
        if scene.links.len() < scene.wanted()
            && let Some(at) = self.next_connected(now, scene)
        {
            // The connection exists already, so the attempt takes no slot.
            return Some(self.begin(at, now));
        }
        if !self.has_room(scene) || !self.has_slot(now, config) {
            return None;
        }
        let random_links = scene.links.iter().filter(|link| link.is_random()).count();
        let ready = |known: &Known| known.is_ready(now);
        let ready: Vec<usize> =
            self.known.iter().enumerate().filter(|(_, known)| ready(known)).map(|(at, _)| at).collect();
        let ready = self.of_turn(ready);
        let ready = if scene.starving { self.rather_untried(ready) } else { ready };
        let random_dials = self.known.iter().filter(|known| known.random && known.is_dialing()).count();
        // A random slot is worth filling only where there is a choice.
        let slots = config.links.random_slots();
        let room = self.room(scene);
        let random_slot =
            random_links.saturating_add(random_dials) < slots && room <= slots.max(ready.len() / 4);
        let random_slot = random_slot || !config.nearness.tiers;
        // Those who are near lack what we lack.
        let is_random = random_slot || scene.starving;
        let at = ranking::choose(&self.known, &ready, (room, is_random), scene, random)?;
        self.known[at].random = random_slot;
        Some(self.begin(at, now + ATTEMPT_DELAY))
    }

    /// Of these candidates (by position), those that never failed. All of them if there are none.
    fn rather_untried(&self, mut ready: Vec<usize>) -> Vec<usize> {
        let is_untried = |&at: &usize| self.known[at].failures == 0;
        if ready.iter().any(is_untried) {
            ready.retain(is_untried);
        }
        ready
    }

    /// Position of a candidate to which a connection exists already, whatever it was made for.
    fn next_connected(&self, now: Timestamp, scene: &Scene<'_>) -> Option<usize> {
        let is_next =
            |known: &Known| known.is_ready(now) && known.failures == 0 && scene.view.is_connected(known.peer);
        self.known.iter().position(is_next)
    }

    /// Begins an attempt, which holds a slot until this moment.
    fn begin(&mut self, at: usize, until: Timestamp) -> PeerKey {
        self.known[at].state = State::Dialing(until);
        self.dialing = self.dialing.saturating_add(1);
        let (peer, group) = (self.known[at].peer, self.known[at].group());
        self.on_turn_taken(group);
        peer
    }

    /// A link exists, whichever side began it. The candidate becomes a neighbour, and its link
    /// remembers where it came from.
    pub(crate) fn on_linked(&mut self, link: &mut Link) {
        let Some(at) = self.known.iter().position(|known| known.peer == link.peer) else { return };
        let known = self.take(at);
        link.note_via(known.via);
        link.set_random(known.random);
        // A peer that came to us, and links anew now that the manifest is known, is not our choice.
        if known.is_dialing() && known.via != Via::Inbound {
            link.set_chosen();
        }
    }

    /// A link ended: its peer is tried again later.
    pub(crate) fn on_unlinked(
        &mut self,
        now: Timestamp,
        (link, teller): (&Link, Teller),
        config: &Config,
        ours: Locality,
        random: &mut Random,
    ) {
        // A peer that came to us will find us again; we do not know where it listens.
        if link.via() == Via::Inbound {
            return;
        }
        let from = now + random.stretch(RETRY_FIRST, 0.5);
        let known =
            Known { failures: 1, state: State::Idle(from), ..Known::new(link.candidate(ours), teller) };
        self.remember(known, &mut None, config, ours);
    }

    /// A neighbour without a have-map has no manifest either. For a stranger on the local network,
    /// that means that it does not have the content.
    pub(crate) fn on_no_manifest(
        &mut self,
        now: Timestamp,
        (link, teller): (&Link, Teller),
        config: &Config,
        ours: Locality,
        random: &mut Random,
    ) {
        if link.via() != Via::Lan {
            return self.on_unlinked(now, (link, teller), config, ours, random);
        }
        let state = State::Idle(now + RETRY_STRANGER);
        let known = Known { failures: 1, state, ..Known::new(link.candidate(ours), teller) };
        self.remember(known, &mut None, config, ours);
    }

    /// We ended a link to begin it anew: that is no failure.
    pub(crate) fn on_relink(&mut self, (link, teller): (&Link, Teller), config: &Config, ours: Locality) {
        self.remember(Known::new(link.candidate(ours), teller), &mut None, config, ours);
    }

    /// An attempt failed: the peer is tried again later, and later each time. `alone`: we have no
    /// neighbour, so a peer from a directory is tried again soon.
    pub(crate) fn on_dial_failed(&mut self, now: Timestamp, peer: PeerKey, alone: bool, random: &mut Random) {
        let tried = |known: &&mut Known| known.peer == peer && known.is_dialing();
        let Some(known) = self.known.iter_mut().find(tried) else { return };
        self.dialing = self.dialing.saturating_sub(1);
        self.turns.owe();
        known.random = false;
        known.failures = known.failures.saturating_add(1);
        let pause = match known.via {
            Via::Lan => RETRY_STRANGER,
            via => {
                let is_needed = via == Via::Named || alone && via == Via::Directory;
                let most = if is_needed { RETRY_NEEDED_MAX } else { RETRY_MAX };
                backoff(RETRY_FIRST, known.failures.saturating_sub(1), most)
            }
        };
        known.state = State::Idle(now + random.stretch(pause, 0.5));
    }

    /// An attempt was put off. That is no failure, and the next attempt comes after `wait`.
    pub(crate) fn on_dial_later(
        &mut self,
        now: Timestamp,
        peer: PeerKey,
        wait: Duration,
        random: &mut Random,
    ) {
        let tried = |known: &&mut Known| known.peer == peer && known.is_dialing();
        let Some(known) = self.known.iter_mut().find(tried) else { return };
        self.dialing = self.dialing.saturating_sub(1);
        self.turns.owe();
        known.random = false;
        known.state = State::Idle(now + random.stretch(wait, 0.5));
    }

    /// Ends the search. Only candidates that the user named, or that are being dialled, are kept,
    /// in case runs go bad.
    pub(crate) fn rest(&mut self) {
        self.known.retain(|known| known.is_dialing() || known.via == Via::Named);
        self.known.shrink_to_fit();
    }

    /// Forgets this peer, so that it is never tried again.
    pub(crate) fn forget(&mut self, peer: PeerKey) {
        if let Some(at) = self.known.iter().position(|known| known.peer == peer)
            && self.take(at).is_dialing()
        {
            self.turns.owe();
        }
        self.directories.retain(|directory| directory.peer != peer);
    }

    /// When a dial or a question falls due. [`Timestamp::NEVER`]: none will.
    pub(crate) fn next_due(&self, now: Timestamp, config: &Config, wants_neighbours: bool) -> Timestamp {
        let asks = self.directories.iter().filter(|directory| directory.query.is_none()).map(|d| d.next);
        let idle = self.known.iter().filter_map(|known| match known.state {
            State::Idle(from) => Some(from),
            State::Dialing(_) => None,
        });
        let next = idle.min().filter(|_| wants_neighbours);
        // A ready candidate without a slot waits for a slot. If there are too many attempts, it
        // waits for one of them to end.
        let next = match next {
            Some(from) if !self.has_slot(now, config) => self.next_slot(now).map(|slot| slot.max(from)),
            next => next,
        };
        asks.chain(next).min().unwrap_or(Timestamp::NEVER)
    }

    /// When the next attempt gives its slot up. `None`: no attempt holds one, or there are too many
    /// attempts.
    pub(crate) fn next_slot(&self, now: Timestamp) -> Option<Timestamp> {
        if self.dialing >= ATTEMPTS_MAX {
            return None;
        }
        self.known.iter().filter_map(|known| known.holds_slot_until(now)).min()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let known = self.known.capacity().saturating_mul(size_of::<Known>());
        known.saturating_add(self.directories.capacity().saturating_mul(size_of::<Directory>()))
    }
}

/// `first`, doubled `times` times, at most `max`.
fn backoff(first: Duration, times: u8, max: Duration) -> Duration {
    first.saturating_mul(1 << u32::from(times.min(20))).min(max)
}

#[cfg(test)]
mod tests;
