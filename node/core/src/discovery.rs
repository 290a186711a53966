//! Who else is in the swarm of one content: candidates we heard of, directories we ask, and when
//! to try them.
//!
//! Invariants: a peer is known at most once, and not at all while it is a neighbour: its link remembers
//! where it came from; `dialing` counts the candidates in [`State::Dialing`].

use std::time::Duration;

use crate::{
    config::Config,
    id::{PeerKey, QueryId},
    input::{Candidate, Via},
    locality::Locality,
    peers::{Link, Links},
    random::Random,
    ranking::{self, Scene},
    tier::Near,
    time::Timestamp,
    untrusted::Untrusted,
};

/// The longest pause before a candidate or directory that failed is tried again.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// The pause after the first failure; it doubles with each.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// The pause after a stranger on the local network turned out not to have the content: it was asked on a
/// guess, and a network full of strangers must not be hammered.
const RETRY_STRANGER: Duration = Duration::from_secs(15 * 60);
/// The pause between questions to a directory while neighbours are few; it doubles up to the
/// configured interval.
const ASK_FIRST: Duration = Duration::from_secs(1);
/// The longest pause a directory may ask for: whatever it says, it is not lost for good.
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Directories remembered a content that said themselves that they are one. Those that the user or the link named
/// come on top: nobody else can displace them.
const DIRECTORIES_MAX: usize = 8;
/// Failures in a row after which a directory that nobody named makes room for another one.
const DEAD_AFTER: u8 = 3;
/// Answers after which a directory that nobody named makes room for another one if it never told of anybody.
const FRUITLESS_AFTER: u8 = 4;
/// One in so many candidates may be outside of our group, however many there are inside.
const OUTSIDERS_SHARE: usize = 4;
/// Room for candidates is taken and given back in steps of this many.
const STEP: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// May be tried from this moment on.
    Idle(Timestamp),
    Dialing,
}

/// A candidate and how it went with it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) peer: PeerKey,
    pub(crate) near: Near,
    via: Via,
    pub(crate) failures: u8,
    /// Whether the attempt under way fills a random slot.
    random: bool,
    state: State,
}

impl Known {
    pub(crate) fn is_dialing(&self) -> bool {
        self.state == State::Dialing
    }

    pub(crate) fn new(candidate: Candidate) -> Known {
        Known {
            peer: candidate.peer,
            near: candidate.near,
            via: candidate.via,
            failures: 0,
            random: false,
            state: State::Idle(Timestamp::ZERO),
        }
    }

    /// Somebody says that it has the content: it is no guess any more.
    fn on_named(&mut self) {
        if let State::Idle(from) = &mut self.state {
            *from = Timestamp::ZERO;
        }
    }
}

#[derive(Clone, Debug)]
struct Directory {
    peer: PeerKey,
    query: Option<QueryId>,
    next: Timestamp,
    /// Answers, and failures since the last one.
    asked: u8,
    failed: u8,
    /// The user or the link named it.
    named: bool,
    /// It told of somebody.
    fruitful: bool,
}

impl Directory {
    /// Whether it makes room for another one: it is dead, or of no use.
    fn yields(&self) -> bool {
        let fruitless = !self.fruitful && self.asked >= FRUITLESS_AFTER;
        !self.named && (self.failed >= DEAD_AFTER || fruitless)
    }
}

/// What is known of a swarm's members.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    known: Vec<Known>,
    directories: Vec<Directory>,
    dialing: u8,
    next_query: u32,
}

impl Discovery {
    /// Remembers candidates; the limit drops the least useful ones, never those named by the user.
    pub(crate) fn learn(
        &mut self,
        candidates: impl IntoIterator<Item = Candidate>,
        links: &mut Links,
        config: &Config,
        ours: Locality,
    ) {
        for candidate in candidates {
            if let Some(link) = links.get_mut(candidate.peer) {
                link.note_via(candidate.via);
                continue;
            }
            if let Some(known) = self.known.iter_mut().find(|known| known.peer == candidate.peer) {
                if candidate.near.proximity < known.near.proximity || known.near.asn != candidate.near.asn {
                    known.near = candidate.near;
                }
                if known.via == Via::Lan && candidate.via < Via::Lan {
                    known.on_named();
                }
                known.via = known.via.min(candidate.via);
                continue;
            }
            if !self.remember(Known::new(candidate), config, ours) {
                return;
            }
        }
    }

    /// Notes somebody who is not known yet; false if there is no room.
    fn remember(&mut self, known: Known, config: &Config, ours: Locality) -> bool {
        if self.known.len() >= usize::from(config.candidates_max) && !self.forget_one(known.via, ours) {
            return false;
        }
        // Grows by a fixed step, as links do: doubling would leave memory of a million engines unused.
        if self.known.len() == self.known.capacity() {
            self.known.reserve_exact(STEP);
        }
        self.known.push(known);
        true
    }

    fn take(&mut self, at: usize) -> Known {
        let known = self.known.swap_remove(at);
        if self.known.is_empty() {
            self.known = Vec::new();
        } else if self.known.capacity() >= self.known.len().saturating_add(2 * STEP) {
            self.known.shrink_to(self.known.len().saturating_add(STEP));
        }
        self.dialing = self.dialing.saturating_sub((known.state == State::Dialing).into());
        known
    }

    /// Makes room for somebody heard of in this way by dropping an idle candidate that was heard of in no better way: of the
    /// worst way the one with the most failures, then the furthest. So whoever says most displaces nobody but its own kind.
    /// Those outside of our group are dropped only while they are more than their share: a large group must not forget the
    /// rest of the world.
    fn forget_one(&mut self, via: Via, ours: Locality) -> bool {
        let outsiders = self.known.iter().filter(|known| ours.is_outside(known.near)).count();
        let spared = outsiders.saturating_mul(OUTSIDERS_SHARE) <= self.known.len();
        let idle = |known: &Known| {
            let droppable =
                matches!(known.state, State::Idle(_)) && known.via != Via::Named && known.via >= via;
            droppable && !(spared && ours.is_outside(known.near))
        };
        let worst =
            |(_, known): &(usize, &Known)| (known.via, known.failures, known.near.proximity, known.peer);
        let at = self.known.iter().enumerate().filter(|(_, known)| idle(known)).max_by_key(worst);
        let Some((at, _)) = at else { return false };
        self.take(at);
        true
    }

    /// Remembers somebody who says that it answers directory questions about this content. The first ones stay as long as
    /// they answer and tell of somebody; else whoever comes later takes their place.
    pub(crate) fn learn_directory(&mut self, peer: PeerKey) {
        if self.directories.iter().any(|directory| directory.peer == peer) {
            return;
        }
        if self.directories.iter().filter(|directory| !directory.named).count() >= DIRECTORIES_MAX {
            let Some(at) = self.directories.iter().position(Directory::yields) else { return };
            self.directories.remove(at);
        }
        self.add_directory(peer, false);
    }

    /// Remembers a directory that the user or the link named: nobody displaces it.
    pub(crate) fn name_directory(&mut self, peer: PeerKey) {
        match self.directories.iter_mut().find(|directory| directory.peer == peer) {
            Some(known) => known.named = true,
            None => self.add_directory(peer, true),
        }
    }

    fn add_directory(&mut self, peer: PeerKey, named: bool) {
        let (query, next) = (None, Timestamp::ZERO);
        self.directories.push(Directory { peer, query, next, asked: 0, failed: 0, named, fruitful: false });
    }

    /// Candidates inside of our group.
    pub(crate) fn inside(&self, ours: Locality) -> impl Iterator<Item = PeerKey> + '_ {
        let is_inside = move |known: &&Known| ours.asn.is_some() && !ours.is_outside(known.near);
        self.known.iter().filter(is_inside).map(|known| known.peer)
    }

    /// Attempts under way.
    pub(crate) fn dialing(&self) -> u8 {
        self.dialing
    }

    /// Whether somebody can still be tried or asked.
    pub(crate) fn has_prospects(&self) -> bool {
        !self.known.is_empty() || !self.directories.is_empty()
    }

    /// How many more are to be dialled, beside the neighbours there are and the attempts under way: until there are as
    /// many as wanted, and half of those are our own choice whoever came to us.
    fn room(&self, links: &Links, config: &Config) -> usize {
        let dialing = usize::from(self.dialing);
        let chosen = links.iter().filter(|link| link.is_chosen()).count();
        let wanted =
            usize::from(config.neighbours_wanted).saturating_sub(links.len().saturating_add(dialing));
        let of_choice = config.neighbours_of_choice().saturating_sub(chosen.saturating_add(dialing));
        let places = usize::from(config.neighbours_max).saturating_sub(links.len().saturating_add(dialing));
        wanted.max(of_choice.min(places))
    }

    /// Whether one more may be dialled.
    pub(crate) fn has_room(&self, links: &Links, config: &Config) -> bool {
        self.dialing < config.dials_in_flight_max && self.room(links, config) > 0
    }

    /// Whether this peer is being dialled.
    pub(crate) fn is_dialing(&self, peer: PeerKey) -> bool {
        self.dialing > 0 && self.known.iter().any(|known| known.peer == peer && known.is_dialing())
    }

    /// Whether we heard of this peer from somebody.
    pub(crate) fn knows(&self, peer: PeerKey) -> bool {
        self.known.iter().any(|known| known.peer == peer)
    }

    /// Whether somebody who never failed could be dialled now.
    pub(crate) fn has_untried(&self, now: Timestamp) -> bool {
        let ready = |known: &Known| matches!(known.state, State::Idle(from) if from <= now);
        self.known.iter().any(|known| known.failures == 0 && ready(known))
    }

    /// The next peer to link to, if there is one and the neighbours of `scene` are too few.
    pub(crate) fn next_dial(
        &mut self,
        now: Timestamp,
        scene: &Scene<'_>,
        random: &mut Random,
    ) -> Option<PeerKey> {
        let config = scene.config;
        let random_links = scene.links.iter().filter(|link| link.is_random()).count();
        if !self.has_room(scene.links, config) {
            return None;
        }
        let ready = |known: &Known| matches!(known.state, State::Idle(from) if from <= now);
        let ready: Vec<usize> =
            self.known.iter().enumerate().filter(|(_, known)| ready(known)).map(|(at, _)| at).collect();
        let random_dials =
            self.known.iter().filter(|known| known.random && known.state == State::Dialing).count();
        // A random slot is worth filling only where there is a choice.
        let slots = config.random_slots();
        let room = self.room(scene.links, config);
        let random_slot =
            random_links.saturating_add(random_dials) < slots && room <= slots.max(ready.len() / 4);
        let random_slot = random_slot || !config.nearness;
        let at = ranking::choose(&self.known, &ready, (room, random_slot), scene, random)?;
        let known = &mut self.known[at];
        known.state = State::Dialing;
        known.random = random_slot;
        self.dialing = self.dialing.saturating_add(1);
        Some(known.peer)
    }

    /// A link exists, whoever began it: the candidate becomes a neighbour, who remembers where it came from.
    pub(crate) fn on_linked(&mut self, link: &mut Link) {
        let Some(at) = self.known.iter().position(|known| known.peer == link.peer) else { return };
        let known = self.take(at);
        link.note_via(known.via);
        link.set_random(known.random);
        if known.is_dialing() {
            link.set_chosen();
        }
    }

    /// A link ended: it is tried again later.
    pub(crate) fn on_unlinked(
        &mut self,
        now: Timestamp,
        link: &Link,
        config: &Config,
        ours: Locality,
        random: &mut Random,
    ) {
        // Who found us will find us again; we do not know where it listens.
        if link.via() == Via::Inbound {
            return;
        }
        let from = now + random.stretch(RETRY_FIRST, 0.5);
        let known = Known { failures: 1, state: State::Idle(from), ..Known::new(link.candidate(ours)) };
        self.remember(known, config, ours);
    }

    /// A neighbour we know no have-map of has no manifest either: for a stranger, that means that it does not
    /// have the content.
    pub(crate) fn on_no_manifest(
        &mut self,
        now: Timestamp,
        link: &Link,
        config: &Config,
        ours: Locality,
        random: &mut Random,
    ) {
        if link.via() != Via::Lan {
            return self.on_unlinked(now, link, config, ours, random);
        }
        let state = State::Idle(now + RETRY_STRANGER);
        self.remember(Known { failures: 1, state, ..Known::new(link.candidate(ours)) }, config, ours);
    }

    /// A link was ended in order to begin anew: no failure.
    pub(crate) fn on_relink(&mut self, link: &Link, config: &Config, ours: Locality) {
        self.remember(Known::new(link.candidate(ours)), config, ours);
    }

    /// An attempt failed: it is tried again later, later each time.
    pub(crate) fn on_dial_failed(&mut self, now: Timestamp, peer: PeerKey, random: &mut Random) {
        let tried = |known: &&mut Known| known.peer == peer && known.state == State::Dialing;
        let Some(known) = self.known.iter_mut().find(tried) else { return };
        self.dialing = self.dialing.saturating_sub(1);
        known.random = false;
        known.failures = known.failures.saturating_add(1);
        let pause = match known.via {
            Via::Lan => RETRY_STRANGER,
            _ => backoff(RETRY_FIRST, known.failures.saturating_sub(1), RETRY_MAX),
        };
        known.state = State::Idle(now + random.stretch(pause, 0.5));
    }

    /// An attempt was put off: it is no failure, and the next one comes after `wait`.
    pub(crate) fn on_dial_later(
        &mut self,
        now: Timestamp,
        peer: PeerKey,
        wait: Duration,
        random: &mut Random,
    ) {
        let tried = |known: &&mut Known| known.peer == peer && known.state == State::Dialing;
        let Some(known) = self.known.iter_mut().find(tried) else { return };
        self.dialing = self.dialing.saturating_sub(1);
        known.random = false;
        known.state = State::Idle(now + random.stretch(wait, 0.5));
    }

    /// Nobody is looked for any more: only those named by the user are kept, should something rot.
    pub(crate) fn rest(&mut self) {
        self.known.retain(|known| known.state == State::Dialing || known.via == Via::Named);
        self.known.shrink_to_fit();
    }

    /// Never try this peer again.
    pub(crate) fn forget(&mut self, peer: PeerKey) {
        if let Some(at) = self.known.iter().position(|known| known.peer == peer) {
            self.take(at);
        }
        self.directories.retain(|directory| directory.peer != peer);
    }

    /// The next directory to ask, if it is time.
    pub(crate) fn next_ask(&mut self, now: Timestamp) -> Option<(PeerKey, QueryId)> {
        let query = QueryId(self.next_query);
        let directory = self
            .directories
            .iter_mut()
            .find(|directory| directory.query.is_none() && directory.next <= now)?;
        directory.query = Some(query);
        self.next_query = self.next_query.wrapping_add(1);
        Some((directory.peer, query))
    }

    /// The directory that a question went to, which is no longer waited for.
    fn settle(&mut self, query: QueryId) -> Option<&mut Directory> {
        let directory = self.directories.iter_mut().find(|directory| directory.query == Some(query))?;
        directory.query = None;
        Some(directory)
    }

    /// A directory answered, and `told` of somebody. Asks again soon while neighbours are few.
    pub(crate) fn on_answer(
        &mut self,
        now: Timestamp,
        query: QueryId,
        (few_neighbours, told): (bool, bool),
        config: &Config,
        random: &mut Random,
    ) {
        let Some(directory) = self.settle(query) else { return };
        let pause = if few_neighbours {
            backoff(ASK_FIRST, directory.asked, config.ask_interval)
        } else {
            config.ask_interval
        };
        directory.asked = directory.asked.saturating_add(1);
        directory.failed = 0;
        directory.fruitful |= told;
        // It may have asked for a longer pause.
        directory.next = directory.next.max(now + random.stretch(pause, 0.25));
    }

    /// A directory did not answer: it is asked again later, later each time, and a crowd of contents spread out.
    pub(crate) fn on_query_failed(
        &mut self,
        now: Timestamp,
        query: QueryId,
        config: &Config,
        random: &mut Random,
    ) {
        let Some(directory) = self.settle(query) else { return };
        let pause = backoff(ASK_FIRST, directory.failed, config.ask_interval);
        directory.failed = directory.failed.saturating_add(1);
        directory.next = now + random.stretch(pause, 1.0);
    }

    /// A directory asks for a pause; its answer follows.
    pub(crate) fn on_pause(
        &mut self,
        now: Timestamp,
        query: QueryId,
        pause: Untrusted<Duration>,
        random: &mut Random,
    ) {
        if let Some(directory) = self.directories.iter_mut().find(|known| known.query == Some(query)) {
            directory.next = now + random.stretch(pause.at_most(PAUSE_MAX), 0.25);
        }
    }

    /// Directories that know of us.
    pub(crate) fn told(&self) -> impl Iterator<Item = PeerKey> {
        self.directories.iter().filter(|directory| directory.asked > 0).map(|directory| directory.peer)
    }

    /// When something here falls due; never if nothing will.
    pub(crate) fn next_due(&self, wants_neighbours: bool) -> Timestamp {
        let asks = self.directories.iter().filter(|directory| directory.query.is_none()).map(|d| d.next);
        let dials = self.known.iter().filter(|_| wants_neighbours).filter_map(|known| match known.state {
            State::Idle(from) => Some(from),
            State::Dialing => None,
        });
        asks.chain(dials).min().unwrap_or(Timestamp::NEVER)
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
mod tests {
    use super::*;
    use crate::{HaveMaps, asn::Asn, input::Neighbour, tier::Tier};

    const NOWHERE: Locality = Locality { asn: None, tag: 0 };

    struct Nothing;

    impl HaveMaps for Nothing {
        fn have_map(&self, _: crate::id::ContentKey, _: PeerKey) -> Option<&crate::run_set::RunSet> {
            None
        }
    }

    fn dial(discovery: &mut Discovery, now: Timestamp, random: &mut Random) -> Option<PeerKey> {
        let config = Config::default();
        let scene = Scene { links: &Links::default(), view: &Nothing, locality: NOWHERE, config: &config };
        discovery.next_dial(now, &scene, random)
    }

    fn candidate(peer: u32, tier: Tier) -> Candidate {
        Candidate { peer: PeerKey(peer), near: tier.into(), via: Via::Directory }
    }

    #[test]
    fn a_candidate_that_fails_is_tried_again_later_and_later() {
        let (config, mut random) = (Config::default(), Random::new(1));
        let mut discovery = Discovery::default();
        discovery.learn([candidate(1, Tier::Remote)], &mut Links::default(), &config, NOWHERE);
        let mut now = Timestamp::ZERO;
        let mut last = Duration::ZERO;
        for _ in 0..5 {
            assert_eq!(dial(&mut discovery, now, &mut random), Some(PeerKey(1)));
            assert_eq!(dial(&mut discovery, now, &mut random), None, "under way already");
            discovery.on_dial_failed(now, PeerKey(1), &mut random);
            let due = discovery.next_due(true);
            assert!(due.since(now) > last, "{:?} after {last:?}", due.since(now));
            last = due.since(now);
            now = due;
        }
        assert_eq!(discovery.dialing(), 0);
    }

    #[test]
    fn the_limit_drops_failed_and_far_candidates_but_never_named_ones() {
        let config = Config { candidates_max: 60, ..Config::default() };
        let (mut discovery, mut links) = (Discovery::default(), Links::default());
        let named = Candidate { via: Via::Named, ..candidate(0, Tier::Unknown) };
        discovery.learn([named], &mut links, &config, NOWHERE);
        discovery.learn((1..60).map(|peer| candidate(peer, Tier::Remote)), &mut links, &config, NOWHERE);
        discovery.learn([candidate(99, Tier::Lan)], &mut links, &config, NOWHERE);
        assert_eq!(discovery.known.len(), 60);
        assert!(discovery.known.iter().any(|known| known.peer == PeerKey(0)));
        assert!(discovery.known.iter().any(|known| known.peer == PeerKey(99)));
    }

    #[test]
    fn a_stranger_on_the_lan_is_tried_once_until_somebody_names_it() {
        let (config, mut random) = (Config::default(), Random::new(1));
        let (mut discovery, mut links) = (Discovery::default(), Links::default());
        let stranger = Candidate { via: Via::Lan, ..candidate(1, Tier::Lan) };
        discovery.learn([stranger], &mut links, &config, NOWHERE);
        let mut now = Timestamp::ZERO;
        assert_eq!(dial(&mut discovery, now, &mut random), Some(PeerKey(1)));
        discovery.on_dial_failed(now, PeerKey(1), &mut random);
        // It says again and again that it is there.
        for _ in 0..10 {
            now = now + Duration::from_secs(60);
            discovery.learn([stranger], &mut links, &config, NOWHERE);
            assert_eq!(dial(&mut discovery, now, &mut random), None, "{now:?}");
        }
        discovery.learn([candidate(1, Tier::Lan)], &mut links, &config, NOWHERE);
        assert_eq!(dial(&mut discovery, now, &mut random), Some(PeerKey(1)));
    }

    #[test]
    fn a_directory_is_asked_once_at_a_time_and_sooner_while_neighbours_are_few() {
        let (config, mut random) = (Config::default(), Random::new(1));
        let mut discovery = Discovery::default();
        discovery.learn_directory(PeerKey(5));
        let (peer, query) = discovery.next_ask(Timestamp::ZERO).unwrap();
        assert_eq!(peer, PeerKey(5));
        assert_eq!(discovery.next_ask(Timestamp::from_millis(99_000)), None);
        discovery.on_answer(Timestamp::ZERO, query, (true, true), &config, &mut random);
        let soon = discovery.next_due(true);
        assert!(soon < Timestamp::from_millis(2_000));
        let (_, query) = discovery.next_ask(soon).unwrap();
        discovery.on_answer(soon, query, (false, true), &config, &mut random);
        assert!(discovery.next_due(true) >= soon + config.ask_interval);
    }

    #[test]
    fn a_directory_that_fails_is_asked_later_and_later_until_it_answers() {
        let (config, mut random) = (Config::default(), Random::new(1));
        let mut discovery = Discovery::default();
        discovery.learn_directory(PeerKey(5));
        let (mut now, mut last) = (Timestamp::ZERO, Duration::ZERO);
        for _ in 0..4 {
            let (_, query) = discovery.next_ask(now).unwrap();
            discovery.on_query_failed(now, query, &config, &mut random);
            let pause = discovery.next_due(true).since(now);
            assert!(pause >= last.min(config.ask_interval) && pause <= 2 * config.ask_interval, "{pause:?}");
            (now, last) = (now + pause, pause);
        }
        assert!(discovery.told().next().is_none());
        let (_, query) = discovery.next_ask(now).unwrap();
        discovery.on_answer(now, query, (true, true), &config, &mut random);
        assert_eq!(discovery.told().collect::<Vec<_>>(), [PeerKey(5)]);
    }

    #[test]
    fn a_pause_is_heeded_up_to_an_hour() {
        let (config, mut random) = (Config::default(), Random::new(1));
        let mut discovery = Discovery::default();
        discovery.learn_directory(PeerKey(5));
        let mut now = Timestamp::ZERO;
        for (asked, least, most) in [(0, 1, 2), (240, 240, 300), (u64::MAX, 3_600, 4_500)] {
            let (_, query) = discovery.next_ask(now).unwrap();
            discovery.on_pause(now, query, Duration::from_secs(asked).into(), &mut random);
            discovery.on_answer(now, query, (true, true), &config, &mut random);
            let due = discovery.next_due(true);
            assert!((least..=most).contains(&due.since(now).as_secs()), "{asked}: {due:?} after {now:?}");
            now = due;
        }
    }

    #[test]
    fn dead_and_useless_directories_make_room_and_named_ones_never_do() {
        let (config, mut random) = (Config::default(), Random::new(1));
        let mut discovery = Discovery::default();
        (100..110).for_each(|peer| discovery.name_directory(PeerKey(peer)));
        (0..20).for_each(|peer| discovery.learn_directory(PeerKey(peer)));
        let known = |discovery: &Discovery| -> Vec<u32> {
            discovery.directories.iter().map(|directory| directory.peer.0).collect()
        };
        assert_eq!(known(&discovery)[10..], [0, 1, 2, 3, 4, 5, 6, 7], "no room while all may be good");
        // The named ones fail as well. 0 is dead, 1 tells of nobody, the others do.
        let mut now = Timestamp::ZERO;
        for _ in 0..FRUITLESS_AFTER {
            while let Some((peer, query)) = discovery.next_ask(now) {
                match peer.0 {
                    0 | 100.. => discovery.on_query_failed(now, query, &config, &mut random),
                    peer => discovery.on_answer(now, query, (true, peer != 1), &config, &mut random),
                }
            }
            now = now + Duration::from_secs(600);
        }
        (200..220).for_each(|peer| discovery.learn_directory(PeerKey(peer)));
        let left = known(&discovery);
        assert!((100..110).all(|peer| left.contains(&peer)), "{left:?}");
        assert_eq!(left[10..], [2, 3, 4, 5, 6, 7, 200, 201]);
    }

    #[test]
    fn an_attempt_that_is_put_off_is_no_failure() {
        let (config, mut random) = (Config::default(), Random::new(1));
        let mut discovery = Discovery::default();
        discovery.learn([candidate(1, Tier::Remote)], &mut Links::default(), &config, NOWHERE);
        let mut now = Timestamp::ZERO;
        for _ in 0..20 {
            assert_eq!(dial(&mut discovery, now, &mut random), Some(PeerKey(1)));
            discovery.on_dial_later(now, PeerKey(1), Duration::from_millis(100), &mut random);
            assert_eq!((discovery.dialing(), dial(&mut discovery, now, &mut random)), (0, None));
            let pause = discovery.next_due(true).since(now);
            assert!(pause <= Duration::from_millis(150), "{pause:?}");
            now = now + pause;
        }
        assert_eq!(discovery.known[0].failures, 0);
    }

    fn link(peer: u32) -> Link {
        let about = Neighbour {
            near: Tier::Lan.into(),
            origin: false,
            directory: false,
            manifest: true,
            web_seed: false,
        };
        Link::new(PeerKey(peer), about, 4)
    }

    #[test]
    fn somebody_who_came_to_us_is_forgotten_when_gone() {
        let (config, mut random) = (Config::default(), Random::new(1));
        let (mut discovery, mut link) = (Discovery::default(), link(3));
        discovery.on_linked(&mut link);
        discovery.on_unlinked(Timestamp::ZERO, &link, &config, NOWHERE, &mut random);
        assert_eq!(discovery.next_due(true), Timestamp::NEVER);
    }

    #[test]
    fn a_neighbour_is_no_candidate_until_its_link_ends() {
        let (config, mut random) = (Config::default(), Random::new(1));
        let (mut discovery, mut links) = (Discovery::default(), Links::default());
        links.insert(link(3));
        discovery.learn([candidate(3, Tier::Remote)], &mut links, &config, NOWHERE);
        assert_eq!(dial(&mut discovery, Timestamp::ZERO, &mut random), None);
        let link = links.remove(PeerKey(3)).unwrap();
        discovery.on_unlinked(Timestamp::ZERO, &link, &config, NOWHERE, &mut random);
        let later = Timestamp::from_millis(800);
        assert_eq!(dial(&mut discovery, later, &mut random), Some(PeerKey(3)));
    }

    #[test]
    fn a_large_group_does_not_make_us_forget_who_is_outside() {
        let here = Locality { asn: Some(Asn(1)), tag: 0 };
        let config = Config { candidates_max: 60, ..Config::default() };
        let (mut discovery, mut links) = (Discovery::default(), Links::default());
        let there = |peer: u32, asn: u32| {
            let tier = if asn == 1 { Tier::SameAs } else { Tier::Remote };
            let near = Near { asn: Some(Asn(asn)), ..tier.into() };
            Candidate { near, ..candidate(peer, tier) }
        };
        discovery.learn((0..40).map(|peer| there(peer, 2)), &mut links, &config, here);
        discovery.learn((100..400).map(|peer| there(peer, 1)), &mut links, &config, here);
        let outside = discovery.known.iter().filter(|known| here.is_outside(known.near)).count();
        assert_eq!((discovery.known.len(), outside), (60, 15));
        discovery.learn((500..600).map(|peer| there(peer, 2)), &mut links, &config, here);
        let outside = discovery.known.iter().filter(|known| here.is_outside(known.near)).count();
        assert!((15..=16).contains(&outside), "{outside}");
    }
}
