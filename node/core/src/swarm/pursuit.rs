//! What only matters while something is missing: patience, and which neighbours are asked for the
//! manifest.
//!
//! Two things extend patience. New verified bytes extend it without end. Signs that a peer has what
//! we want (a link, bytes that are coming in, a place in a peer's queue) extend it too, but anybody
//! can fake them: they count for [`SIGNS_COUNT`] after the last progress and no longer.

use std::time::Duration;

use crate::{
    id::PeerKey,
    input::Via,
    links::peers::{Link, Links},
    output::GiveUp,
    random::Random,
    swarm::hunger::Hunger,
    time::Timestamp,
};

/// How long other peers are asked for a signature after one gave the manifest without. Long enough
/// to hear of them from directories and neighbours.
const SIGNATURE_PATIENCE: Duration = Duration::from_secs(10);

/// How long signs without progress count: five minutes. At the lowest rate that a shell takes for
/// life, 512 bytes a second, more than half of the largest run comes in that time; at 1 kB/s, a
/// whole one. A peer that waits in a queue for longer than that waits for nothing.
const SIGNS_COUNT: Duration = Duration::from_secs(300);

/// A second peer is asked for the manifest when the search for it has taken this long.
const SECOND_AFTER: Duration = Duration::from_secs(1);
/// All peers there are, up to [`ASKED_MAX`], are asked when it has taken this long.
const ALL_AFTER: Duration = Duration::from_secs(3);
/// The most peers asked for the manifest at once: each may send us the largest manifest there is.
const ASKED_MAX: usize = 6;
/// While other peers wait to be asked, a peer that has taken this long makes room for one of them.
const MAKES_ROOM_AFTER: Duration = Duration::from_secs(10);

/// The state of a content that is not complete yet.
#[derive(Debug)]
pub(crate) struct Pursuit {
    /// The last sign that a peer has what we want.
    alive: Timestamp,
    /// The last new verified bytes, or another event that no stranger can fake.
    progress: Timestamp,
    patience: Duration,
    /// Runs came since we began.
    pub(crate) has_begun: bool,
    /// Whether neighbours have anything for us.
    pub(crate) hunger: Hunger,
    /// The question for the manifest. `None`: nobody is asked. Boxed, as it is over soon.
    asking: Option<Box<Asking>>,
    pub(crate) ever_linked: bool,
    /// A neighbour said that it has what we lack.
    pub(crate) ever_offered: bool,
    /// When the manifest last came without the signature that is demanded. [`Timestamp::NEVER`]: it
    /// never did.
    unsigned: Timestamp,
}

/// The question for the manifest, while a peer is asked. The longer it takes, the more peers are
/// asked.
#[derive(Debug)]
struct Asking {
    since: Timestamp,
    /// The peers asked, and since when; longest first.
    asked: Vec<(PeerKey, Timestamp)>,
}

/// A peer to ask for the manifest now, and the peer that makes room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NextAsk {
    pub(crate) peer: PeerKey,
    pub(crate) instead_of: Option<PeerKey>,
}

impl Pursuit {
    pub(crate) fn new(now: Timestamp, patience: Duration) -> Pursuit {
        Pursuit {
            alive: now,
            progress: now,
            patience,
            has_begun: false,
            hunger: Hunger::default(),
            asking: None,
            ever_linked: false,
            ever_offered: false,
            unsigned: Timestamp::NEVER,
        }
    }

    /// Pursues a content that was complete and went bad: for ever, because its owner has been told
    /// that it is complete.
    pub(crate) fn of_repair(now: Timestamp) -> Pursuit {
        Pursuit { ever_linked: true, ..Pursuit::new(now, Duration::MAX) }
    }

    /// A sign came that a peer has what we want.
    pub(crate) fn on_sign(&mut self, now: Timestamp) {
        self.alive = now.min(self.progress + SIGNS_COUNT).max(self.alive);
    }

    /// Something happened that nobody can fake.
    pub(crate) fn on_progress(&mut self, now: Timestamp) {
        self.progress = now;
        self.alive = now;
    }

    /// The manifest came without the signature that is demanded.
    pub(crate) fn on_unsigned(&mut self, now: Timestamp) {
        self.unsigned = now;
    }

    /// Stops asking this peer for the manifest. Returns whether it was being asked.
    pub(crate) fn take_asked(&mut self, peer: PeerKey) -> bool {
        let Some(asking) = &mut self.asking else { return false };
        let before = asking.asked.len();
        asking.asked.retain(|&(asked, _)| asked != peer);
        asking.asked.len() < before
    }

    /// The owner's pause is over: nobody was to be found meanwhile.
    pub(crate) fn on_resumed(&mut self, now: Timestamp) {
        self.on_progress(now);
        self.asking = None;
        if self.unsigned != Timestamp::NEVER {
            self.unsigned = now;
        }
    }

    /// The manifest is there.
    pub(crate) fn on_manifest(&mut self) {
        self.asking = None;
        // Another peer had it signed: a missing signature no longer ends the download.
        self.unsigned = Timestamp::NEVER;
    }

    /// The next peer to ask for the manifest now. `None`: nobody.
    pub(crate) fn next_ask(&mut self, now: Timestamp, links: &Links, random: &mut Random) -> Option<NextAsk> {
        let fresh = || Box::new(Asking { since: now, asked: Vec::new() });
        let Asking { since, asked } = &mut **self.asking.get_or_insert_with(fresh);
        let may_be_asked =
            |link: &&Link| link.has_manifest() && asked.iter().all(|&(asked, _)| asked != link.peer);
        // Peers that the user named come first, then peers from directories. Chance decides among
        // equals: being here first is no advantage.
        let rank = |link: &Link| link.via().min(Via::Exchange);
        let Some(best) = links.iter().filter(may_be_asked).map(rank).min() else {
            // No other peer is there. If none is being asked either, the next peer that comes is
            // the first again.
            self.asking.take_if(|asking| asking.asked.is_empty());
            return None;
        };
        let first: Vec<PeerKey> = links
            .iter()
            .filter(may_be_asked)
            .filter(|link| rank(link) == best)
            .map(|link| link.peer)
            .collect();
        let at_once = match now.since(*since) {
            waited if waited >= ALL_AFTER => ASKED_MAX,
            waited if waited >= SECOND_AFTER => 2,
            _ => 1,
        };
        let instead_of = match asked.first() {
            _ if asked.len() < at_once => None,
            Some(&(slow, since)) if now.since(since) >= MAKES_ROOM_AFTER => Some(slow),
            _ => return None,
        };
        asked.retain(|&(asked, _)| Some(asked) != instead_of);
        let peer = first[random.below(crate::saturate::to_u32(first.len())) as usize];
        asked.push((peer, now));
        Some(NextAsk { peer, instead_of })
    }

    /// When patience ends, if nothing happens before. A missing signature does not end it while a
    /// peer is being asked for the manifest: the question ends by itself.
    pub(crate) fn end(&self) -> Timestamp {
        let end = self.alive + self.patience;
        if self.is_asking() { end } else { end.min(self.unsigned + SIGNATURE_PATIENCE) }
    }

    fn is_asking(&self) -> bool {
        self.asking.as_ref().is_some_and(|asking| !asking.asked.is_empty())
    }

    /// The reason to report when patience has ended.
    pub(crate) fn verdict(&self) -> GiveUp {
        match () {
            () if self.unsigned != Timestamp::NEVER => GiveUp::Unsigned,
            () if self.has_begun => GiveUp::Silent,
            () if !self.ever_linked => GiveUp::Unreachable,
            () if self.ever_offered => GiveUp::Unserved,
            () => GiveUp::NotFound,
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let asking = |asking: &Asking| {
            let asked = asking.asked.capacity().saturating_mul(size_of::<(PeerKey, Timestamp)>());
            asked.saturating_add(size_of::<Asking>())
        };
        size_of::<Pursuit>().saturating_add(self.asking.as_deref().map_or(0, asking))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{input::Neighbour, place::tier::Tier};

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn links(peers: std::ops::Range<u32>) -> Links {
        let about = Neighbour {
            near: Tier::Remote.into(),
            origin: false,
            directory: false,
            manifest: true,
            web_seed: false,
        };
        let mut links = Links::default();
        peers.for_each(|peer| assert!(links.insert(Link::new(PeerKey(peer), about, 1))));
        links
    }

    #[test]
    fn a_missing_signature_is_asked_for_elsewhere_for_a_while_and_then_is_the_reason() {
        let (start, mut random) = (at(5_000), Random::new(1));
        let mut pursuit = Pursuit::new(start, Duration::from_secs(60));
        pursuit.ever_linked = true;
        assert_eq!(pursuit.verdict(), GiveUp::NotFound);
        assert!(pursuit.next_ask(start, &links(1..2), &mut random).is_some());
        let later = start + Duration::from_secs(20);
        assert!(pursuit.take_asked(PeerKey(1)));
        pursuit.on_unsigned(later);
        assert_eq!(pursuit.end(), later + SIGNATURE_PATIENCE);
        assert!(pursuit.next_ask(later, &links(2..3), &mut random).is_some(), "somebody else can be asked");
        assert_eq!(pursuit.end(), start + Duration::from_secs(60), "who is being asked is waited for");
        assert_eq!(pursuit.verdict(), GiveUp::Unsigned);
    }

    #[test]
    fn a_signature_is_not_waited_for_longer_than_anything_else() {
        let mut pursuit = Pursuit::new(Timestamp::ZERO, Duration::from_secs(3));
        pursuit.on_unsigned(at(1_000));
        assert_eq!(pursuit.end(), at(3_000));
    }

    #[test]
    fn one_is_asked_for_the_manifest_then_two_then_many_and_the_slowest_make_room() {
        let (mut pursuit, mut random) = (Pursuit::new(at(0), Duration::from_secs(60)), Random::new(1));
        let links = links(0..20);
        let mut ask = |millis| {
            let asks: Vec<NextAsk> =
                std::iter::from_fn(|| pursuit.next_ask(at(millis), &links, &mut random)).collect();
            asks
        };
        assert_eq!(ask(0).len(), 1);
        assert_eq!(ask(999), []);
        assert_eq!(ask(1_000).len(), 1);
        assert_eq!(ask(2_999), []);
        let many = ask(3_000);
        assert_eq!(many.len(), ASKED_MAX - 2);
        assert!(many.iter().all(|ask| ask.instead_of.is_none()));
        assert_eq!(ask(9_999), []);
        assert_eq!(ask(10_000).len(), 1, "the first one has had its time");
        let rest = ask(14_000);
        assert_eq!(rest.len(), 5);
        assert!(rest.iter().all(|ask| ask.instead_of.is_some()));
    }

    #[test]
    fn signs_of_life_without_progress_count_for_five_minutes() {
        let patience = Duration::from_secs(30);
        let mut pursuit = Pursuit::new(at(0), patience);
        for second in 0..1_000 {
            pursuit.on_sign(at(second * 1_000));
        }
        assert_eq!(pursuit.end(), Timestamp::ZERO + SIGNS_COUNT + patience);
        pursuit.on_progress(at(900_000));
        assert_eq!(pursuit.end(), at(900_000) + patience);
    }

    #[test]
    fn the_reason_at_the_end_is_the_true_one() {
        let mut pursuit = Pursuit::new(at(0), Duration::ZERO);
        assert_eq!(pursuit.verdict(), GiveUp::Unreachable);
        pursuit.ever_linked = true;
        assert_eq!(pursuit.verdict(), GiveUp::NotFound);
        pursuit.ever_offered = true;
        assert_eq!(pursuit.verdict(), GiveUp::Unserved);
        pursuit.has_begun = true;
        assert_eq!(pursuit.verdict(), GiveUp::Silent);
    }
}
